"""A platform's GraphQL API over HTTP: what may be asked again is, and what may have been heard never."""

import ssl
from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
import httpx
import msgspec
from msgspec import Raw, Struct

from sidecar.core.redact import redact
from sidecar.platforms.contract import PlatformError, UnavailableError, UncertainError

T = TypeVar("T")

READ_AT_MOST = 1024 * 1024
"""Bytes of a reply; a longer one is not what was asked for."""

FIRST_PAUSE = 1.0
"""Seconds before the same is asked again; the pause doubles each time."""

CONNECT_WITHIN = 10.0
"""Seconds for a connection, after which another may have more luck within the call's deadline."""

_TEXT_AT_MOST = 300
_NULL = Raw(b"null")

_UNAUTHORISED = ("not authorized", "token not found")
"""With these words the API refuses a token inside HTTP 200; asking again does not help."""


class Endpoint(Struct, frozen=True, kw_only=True):
    """Where an API is, and how to speak to it."""

    name: str
    """What people call it."""
    url: str
    credential: tuple[str, str]
    """The header that holds the token, and its value."""
    secret: str
    """The token itself: never to be shown, whoever repeats it."""
    user_agent: str
    timeout: float
    """Seconds for one call, with everything that is tried again in it."""


class GraphQL:
    """Asks an API. A connection serves one request only: one that was kept may be lost just when a change is sent."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._client: httpx.AsyncClient | None = None
        _check(endpoint)

    async def read(self, document: str, variables: Mapping[str, Any], shape: type[T]) -> T:
        """Ask for data, as often as it takes within the deadline. Raises ``PlatformError``."""
        reply = await self._ask(document, variables, changes=False)
        if reply.errors:
            message = self._said(reply.errors)
            if any(words in message.lower() for words in _UNAUTHORISED):
                raise PlatformError(message)
            raise UnavailableError(message)
        return self._data(reply, shape)

    async def change(self, document: str, variables: Mapping[str, Any], shape: type[T]) -> T:
        """Ask for a change, and again only while it surely was not heard.

        Raises ``PlatformError`` when it was refused, ``UncertainError`` when it may have been carried out.
        """
        reply = await self._ask(document, variables, changes=True)
        if reply.errors:
            raise PlatformError(self._said(reply.errors))
        try:
            return self._data(reply, shape)
        except UnavailableError as error:
            raise UncertainError(str(error)) from None

    async def aclose(self) -> None:
        """Let go of it."""
        if self._client is not None:
            await self._client.aclose()

    async def _ask(self, document: str, variables: Mapping[str, Any], *, changes: bool) -> "_Reply":
        body = msgspec.json.encode({"query": document, "variables": variables})
        deadline = anyio.current_time() + self._endpoint.timeout
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._exchange(body, deadline)
            except _FailedError as error:
                failed, why = error, self._words(str(error))
            if failed.refused:
                raise PlatformError(why)
            if changes and failed.heard:
                raise UncertainError(f"{why}; the request was sent")
            wait = failed.retry_after or pause
            if anyio.current_time() + wait >= deadline:
                raise UnavailableError(why, failed.retry_after)
            await anyio.sleep(wait)
            pause *= 2

    async def _exchange(self, body: bytes, deadline: float) -> "_Reply":
        """Make one exchange. Raises ``_FailedError``."""
        sent = False

        async def trace(event: str, _: Mapping[str, Any]) -> None:
            nonlocal sent
            sent = sent or event.endswith("send_request_headers.started")

        try:
            with anyio.fail_after(deadline - anyio.current_time()):
                client = await self._open()
                request = client.build_request("POST", self._endpoint.url, content=body, extensions={"trace": trace})
                response = await client.send(request, stream=True)
                try:
                    return _understood(response, await _read(response))
                finally:
                    await response.aclose()
        except TimeoutError:
            raise _FailedError(f"no answer within {self._endpoint.timeout:g} s", heard=sent) from None
        except httpx.HTTPError as error:
            raise _FailedError(str(error) or type(error).__name__, heard=sent) from None

    async def _open(self) -> httpx.AsyncClient:
        if self._client is None:
            name, value = self._endpoint.credential
            secure = urlsplit(self._endpoint.url).scheme == "https"
            self._client = httpx.AsyncClient(
                verify=await anyio.to_thread.run_sync(ssl.create_default_context) if secure else False,
                trust_env=False,  # a proxy named there would see the token of a request on loopback
                timeout=httpx.Timeout(None, connect=CONNECT_WITHIN),
                limits=httpx.Limits(max_keepalive_connections=0),
                headers={
                    name: value,
                    "User-Agent": self._endpoint.user_agent,
                    "Content-Type": "application/json",
                    "Accept": "application/json",
                    "Accept-Encoding": "identity",
                },
            )
        return self._client

    def _data(self, reply: "_Reply", shape: type[T]) -> T:
        try:
            return msgspec.json.decode(reply.data, type=shape)
        except msgspec.DecodeError as error:
            raise UnavailableError(self._words(f"its reply is not what was asked for: {error}")) from None

    def _said(self, errors: "tuple[_Error, ...]") -> str:
        return self._words(f"it says: {errors[0].message}")

    def _words(self, text: str) -> str:
        clean = redact(text, frozenset({self._endpoint.secret}))
        return f"{self._endpoint.name}'s API at {urlsplit(self._endpoint.url).hostname}: {clean[:_TEXT_AT_MOST]}"


class _FailedError(Exception):
    """One exchange has not brought an answer to the query."""

    def __init__(
        self, why: str, *, heard: bool = True, refused: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(why)
        self.heard = heard
        """What was asked for may have been done."""
        self.refused = refused
        """It was not done, and never will be."""
        self.retry_after = retry_after


class _Error(Struct, frozen=True):
    message: str


class _Reply(Struct, frozen=True):
    data: Raw = _NULL
    errors: tuple[_Error, ...] = ()


async def _read(response: httpx.Response) -> bytes:
    body = b""
    async for piece in response.aiter_raw():
        body += piece
        if len(body) > READ_AT_MOST:
            raise _FailedError(f"its reply is longer than {READ_AT_MOST} bytes")
    return body


def _understood(response: httpx.Response, body: bytes) -> _Reply:
    """Read what was answered. Raises ``_FailedError`` for what is no answer to a query."""
    status = response.status_code
    try:
        reply = msgspec.json.decode(body, type=_Reply)
    except msgspec.DecodeError:
        reply = _Reply()
    if status == HTTPStatus.OK and (reply.data != _NULL or reply.errors):
        return reply
    said = f"HTTP {status}" + (f", {reply.errors[0].message}" if reply.errors else "")
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        retry_after = _seconds(response.headers.get("Retry-After"))
        when = "" if retry_after is None else f"; the next is welcome in {retry_after:g} s"
        raise _FailedError(f"{said}, too many requests{when}", heard=False, retry_after=retry_after)
    if status == HTTPStatus.OK:
        raise _FailedError("HTTP 200, but the reply is no answer to a query")
    raise _FailedError(said, refused=status < HTTPStatus.INTERNAL_SERVER_ERROR)


def _seconds(text: str | None) -> float | None:
    """Read a ``Retry-After``; None for one that is no number of seconds."""
    return float(text) if text is not None and text.isascii() and text.isdigit() else None


def _check(endpoint: Endpoint) -> None:
    """Raise ``PlatformError`` for an address or a token that must not, or cannot, be used."""
    try:
        url = urlsplit(endpoint.url)
        host = url.hostname or ""
        valid = url.scheme in ("http", "https") and bool(host) and "@" not in url.netloc and url.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise PlatformError(f"cannot use the address of {endpoint.name}'s API: expected https://HOST/PATH")
    if url.scheme == "http" and not _is_loopback(host):
        raise PlatformError(
            f"cannot use {endpoint.name}'s API at {host} by http: the token would travel in the clear; use https"
        )
    if not (endpoint.secret.isascii() and endpoint.secret.isprintable()) or " " in endpoint.secret:
        raise PlatformError(
            f"cannot use the token for {endpoint.name}'s API: it has a character that no token has, as a line break"
        )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
