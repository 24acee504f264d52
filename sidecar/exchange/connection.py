"""Requests out, replies in."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from sidecar.contract import ProbeFailure, Run
from sidecar.exchange.address import Address
from sidecar.exchange.reply import BODY_LIMIT, Reply, ReplyReader, Until
from sidecar.exchange.stream import Stream, dial, failure
from sidecar.exchange.tls import Tls, TlsStream
from sidecar.exchange.tunnel import Proxy, TunnelRefused

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(r"[!-~]+")
_VALUE = re.compile(r"[\t -~\x80-\xff]*")
"""RFC 9110, 5.1 and 5.5: what may stand in a method or a name, in a request target, and in a value."""


class Connection:
    """A connection for the exchanges of one execution. Open it by ``connect``.

    A connection that the other side does not keep is renewed by itself before the next exchange.
    """

    def __init__(self, address: Address, run: Run, tls: Tls, via: Proxy | None = None) -> None:
        self.address = address
        self._via = via
        self._run = run
        self._tls = tls
        self._stream: Stream | TlsStream | None = None
        self._used = False
        """The stream has carried an exchange already."""

    async def send(
        self,
        method: str,
        target: str | None = None,
        headers: Headers = (),
        body: bytes = b"",
        *,
        body_limit: int = BODY_LIMIT,
        until: Until | None = None,
        phase: str | None = None,
    ) -> Reply:
        """Send a request and read the reply.

        ``Host``, ``Accept``, ``Accept-Encoding`` and ``Content-Length`` are added where ``headers`` does not have
        them. At most ``body_limit`` bytes of the body are kept; the rest is not waited for. ``until`` is called with
        the body so far whenever it has grown, and ends the reading by returning true: for streams that stay open.
        ``phase`` names the exchange as a whole, in place of its parts: for the second and further ones of an execution.

        Raises ``ProbeFailure`` for all that the network or the other side gets wrong, ``ValueError`` for a request
        that cannot be sent (naming the header, never showing its value).
        """
        request = _request(self.address, method, target or self.address.target, headers, body)
        reader = ReplyReader(self.address.where, method, body_limit, until)
        if self._used and self._stream is not None and self._stream.stale():
            self.close()
        reused = self._used and self._stream is not None
        try:
            await self._exchange(request, reader, phase)
        except ProbeFailure:
            # A server may close an idle connection at any time (RFC 9112, 9.5). Sending once more is safe even for
            # methods that are not idempotent: whatever a probe sends, it sends again and again.
            if not reused or reader.started:
                raise
            self.close()
            await self._exchange(request, reader, phase)
        finally:
            reader.close()
        if not reader.reusable:
            self.close()
        return reader.reply()

    async def open(self) -> Stream | TlsStream:
        """Connect, unless that is done."""
        if self._stream is None:
            self._stream, self._used = await self._opened(), False
        return self._stream

    def close(self) -> None:
        """Close, at once."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    async def _opened(self) -> Stream | TlsStream:
        is_secure = self.address.scheme == "https"
        if is_secure and not self._tls.ready:
            await self._tls.context()
            self._run.phase("setup")
        stream = await dial(self.address, self._run) if self._via is None else await self._tunnelled(self._via)
        if not is_secure:
            return stream
        try:
            name = self._tls.server_name or self.address.host
            secure = TlsStream(stream, await self._tls.context(), name, self.address.where)
            await secure.handshake()
        except OSError as error:
            stream.close()
            raise failure(error, f"{self.address.where} completes the TLS handshake") from None
        except BaseException:
            stream.close()
            raise
        self._run.phase("tls")
        return secure

    async def _tunnelled(self, proxy: Proxy) -> Stream:
        front = Connection(proxy.address, self._run, self._tls)
        headers = {"Host": self.address.where, **proxy.headers}
        reply = await front.send("CONNECT", self.address.where, headers=headers, phase="tunnel")
        if not isinstance(front._stream, Stream):  # it was closed, because it leads nowhere
            raise TunnelRefused(proxy, self.address, reply)
        return front._stream

    async def _exchange(self, request: bytes, reader: ReplyReader, phase: str | None) -> None:
        stream = await self.open()
        self._used = True
        try:
            # Who closes without reading the request may have answered before: what came is read in any case.
            with suppress(ConnectionError):
                await stream.send(request)
            while not reader.done:
                data = await stream.receive()
                if data and not reader.started and phase is None:
                    self._run.phase("first_byte")
                if data:
                    reader.feed(data)
                else:
                    reader.feed_eof()
                if not reader.done:
                    await asyncio.sleep(0)  # who sends without a pause would keep the event loop to himself
        except OSError as error:
            self.close()
            raise failure(error, f"{self.address.where} replies") from None
        except BaseException:
            # What was not waited for may still come, and must not be taken for the next reply.
            self.close()
            raise
        self._run.phase(phase or "body")


@asynccontextmanager
async def connect(
    address: Address, run: Run, *, tls: Tls | None = None, via: Proxy | None = None
) -> AsyncIterator[Connection]:
    """Open a fresh connection, and close it whatever happens. Raises ``ProbeFailure``.

    A probe that looks at ``https`` keeps one ``Tls``: without it the context is built anew each time. ``via`` is the
    proxy to go through; one that refuses raises ``TunnelRefused``.
    """
    connection = Connection(address, run, tls or Tls(), via)
    try:
        await connection.open()
        yield connection
    finally:
        connection.close()


async def exchange(
    method: str,
    address: Address,
    run: Run,
    *,
    headers: Headers = (),
    body: bytes = b"",
    tls: Tls | None = None,
    body_limit: int = BODY_LIMIT,
    until: Until | None = None,
) -> Reply:
    """Make one exchange on a connection of its own; the parameters are those of ``connect`` and ``Connection.send``."""
    async with connect(address, run, tls=tls) as connection:
        final = [*_pairs(headers), ("Connection", "close")]
        return await connection.send(method, headers=final, body=body, body_limit=body_limit, until=until)


def check_header(name: str, value: str) -> None:
    """Raise ``ValueError`` for what cannot be sent as a header; it names the header and keeps the value to itself."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"header name {name!r} has a character that HTTP does not allow")
    if not _VALUE.fullmatch(value):
        raise ValueError(f"the value of header {name} has a line break or another character that HTTP does not allow")


def _pairs(headers: Headers) -> Iterable[tuple[str, str]]:
    return headers.items() if isinstance(headers, Mapping) else headers


def _request(address: Address, method: str, target: str, headers: Headers, body: bytes) -> bytes:
    given = list(_pairs(headers))
    names = {name.lower() for name, _ in given}
    ours = [("Host", address.authority), ("Accept", "*/*"), ("Accept-Encoding", "identity")]
    if body or method in ("POST", "PUT", "PATCH"):
        ours.append(("Content-Length", str(len(body))))
    fields = [field for field in ours if field[0].lower() not in names] + given
    if not _TOKEN.fullmatch(method) or not _TARGET.fullmatch(target):
        raise ValueError("cannot send the request: the method or the target has a character that HTTP does not allow")
    for name, value in fields:
        check_header(name, value)
    head = "".join([f"{method} {target} HTTP/1.1\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n"])
    return head.encode("latin-1") + body
