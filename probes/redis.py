"""``redis``: a Redis or Valkey server answers PING, over one connection that is kept between looks.

The user it logs in as needs no right but PING: ``ACL SETUSER health on >password +ping``.
"""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct
from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url

from sidecar.contract import Evidence, Kind, Outcome, Probe, ProbeFailure, Run, Secret, Setting
from sidecar.unreached import causes, unreached


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "redis"``."""

    url: Secret
    """``redis://user:password@host:6379/0``, ``rediss://`` for TLS, or ``unix:///path``, with redis-py's parameters."""
    tls_ca_file: str | None = None
    """PEM file of the authorities to trust instead of the system's; only with ``rediss://``."""
    tls_verify: bool = True
    """Whether the server's certificate must be valid; only with ``rediss://``."""

    def __post_init__(self) -> None:
        is_plain = not self.url.startswith("rediss://")
        if is_plain and self.tls_ca_file is not None:
            raise ValueError("tls_ca_file is for TLS: expected a url that begins with rediss://")
        if is_plain and not self.tls_verify:
            raise ValueError("tls_verify = false is for TLS: expected a url that begins with rediss://")
        _build_connection(self)


class RedisProbe(Probe[Spec]):
    """Keeps one connection. Whatever goes wrong on it, it is cut: half a reply must never meet the next PING."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._connection = _build_connection(spec)
        self._where = _place(self._connection)

    async def observe(self, run: Run) -> None:
        """Send PING and expect PONG."""
        try:
            reply = await self._look(run)
        except (exceptions.RedisError, OSError, ValueError, RecursionError) as error:
            raise (_explain(error, self._where, self._connection.password) or error) from None
        if not run.expect("PING is answered with PONG", _show(reply), reply == b"PONG"):
            await self._cut()

    async def aclose(self) -> None:
        """Close the connection."""
        await self._cut()

    async def _look(self, run: Run) -> object:
        try:
            reply = await self._ping_kept()
            if reply is None:
                await self._connect()
                run.phase("connect")
                reply = await self._ping()
        except BaseException:
            await self._cut()
            raise
        run.phase("ping")
        return reply

    async def _ping_kept(self) -> object:
        """Ask over the kept connection; None if there is none, or none any more.

        Servers close connections that are idle, and all of them when they restart: a fresh one decides.
        """
        if not self._connection.is_connected:
            return None
        try:
            return await self._ping()
        except (exceptions.ConnectionError, OSError):
            await self._cut()
            return None

    async def _ping(self) -> object:
        await self._connection.send_command("PING")
        return await self._connection.read_response()

    async def _connect(self) -> None:
        if isinstance(self._connection, SSLConnection):
            await self._build_context(self._connection)
        await self._connection.connect()  # type: ignore[no-untyped-call]

    async def _build_context(self, connection: SSLConnection) -> None:
        """Read the certificates, once, in a thread: that takes tens of milliseconds."""
        if connection.ssl_context.context is not None:
            return
        try:
            await asyncio.to_thread(connection.ssl_context.get)
        except OSError as error:
            raise ProbeFailure(
                "the TLS files can be read",
                f"{error.strerror or error} ({connection.ca_certs})",
                otherwise=Outcome.UNKNOWN,
                evidence=Evidence.OBSERVER,
            ) from None

    async def _cut(self) -> None:
        # redis-py closes politely, and a TLS farewell waits up to 30 s for a peer that hangs.
        writer = self._connection._writer  # noqa: SLF001
        if writer is not None:
            writer.transport.abort()
        await self._connection.disconnect(nowait=True)


_FIXED = {
    # The caller keeps the deadline, and a probe that retries would hide what it is there to see.
    "socket_timeout": None,
    "socket_connect_timeout": None,
    "retry_on_timeout": False,
    "health_check_interval": 0,
    # The server is not told the library's name: a user who may only PING would be refused, and the refusal logged.
    "driver_info": None,
    # Every server and proxy speaks RESP 2, and replies stay bytes.
    "protocol": 2,
    "decode_responses": False,
}
_OF_POOLS = ("max_connections", "timeout")
"""Parameters of redis-py's connection pools: right in a URL that is shared with an application, of no use here."""


def _build_connection(spec: Spec) -> Connection | UnixDomainSocketConnection:
    """Make the connection, without connecting it. Raises ``ValueError`` that shows nothing of user and password."""
    arguments = {**_parse(spec.url), **_FIXED}
    for name in _OF_POOLS:
        arguments.pop(name, None)
    if spec.tls_ca_file is not None:
        arguments["ssl_ca_certs"] = spec.tls_ca_file
    if not spec.tls_verify:
        arguments |= {"ssl_cert_reqs": "none", "ssl_check_hostname": False}
    kind = arguments.pop("connection_class", Connection)
    try:
        connection: Connection | UnixDomainSocketConnection = kind(**arguments)
    except TypeError as error:
        found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        raise ValueError(f"url has the parameter {found[1] if found else '?'}, which redis-py does not know") from None
    except exceptions.RedisError as error:
        raise ValueError(f"url has a parameter that redis-py refuses: {error}") from None
    return connection


def _parse(url: str) -> dict[str, Any]:
    """Read the URL by redis-py's rules, and more strictly: redis-py ignores a database that is no number."""
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("url has another scheme: expected redis://, rediss:// or unix://")
    try:
        path = "" if url.startswith("unix://") else urlsplit(url).path.strip("/")
        int(path or "0")
        return dict(parse_url(url))
    except ValueError:
        expected = "redis://user:password@host:port/database, with special characters encoded, as %40 for @"
        raise ValueError(f"url cannot be read: expected {expected}") from None


def _place(connection: Connection | UnixDomainSocketConnection) -> str:
    """Name the server, without user and password."""
    if isinstance(connection, UnixDomainSocketConnection):
        return str(connection.path)
    host = f"[{connection.host}]" if ":" in connection.host else connection.host
    return f"{host}:{connection.port}"


_REFUSALS: tuple[tuple[type[exceptions.RedisError], str, str, Evidence, str], ...] = (
    (
        exceptions.AuthenticationError, "",
        "the credentials are accepted", Evidence.MISCONFIGURED,
        "they are missing or wrong: correct user and password in url",
    ),
    (
        exceptions.AuthenticationWrongNumberOfArgsError, "",
        "the credentials are accepted", Evidence.MISCONFIGURED,
        "the server wants no password, or knows no users: correct user and password in url",
    ),
    (
        exceptions.NoPermissionError, "",
        "the user may PING", Evidence.MISCONFIGURED,
        "no permission: grant it with ACL SETUSER <user> +ping, and +select for a database other than 0",
    ),
    (
        exceptions.ResponseError, "DB index is out of range",
        "the database in url exists", Evidence.MISCONFIGURED,
        "a number out of range: correct it in url",
    ),
    (
        exceptions.ResponseError, "DENIED",
        "the server admits us", Evidence.MISCONFIGURED,
        "protected mode: give the server a password, or let it listen on loopback only",
    ),
    (
        exceptions.BusyLoadingError, "",
        "PING is answered with PONG", Evidence.WRONG,
        "LOADING, the server still reads its data into memory",
    ),
    (
        exceptions.MasterDownError, "",
        "PING is answered with PONG", Evidence.WRONG,
        "MASTERDOWN, this replica has lost its master and serves no stale data",
    ),
    (
        exceptions.ResponseError, "MISCONF",
        "PING is answered with PONG", Evidence.WRONG,
        "MISCONF, the server cannot save to disk and refuses writes: see its log and its disk",
    ),
    (
        exceptions.ResponseError, "BUSY",
        "PING is answered with PONG", Evidence.WRONG,
        "BUSY, a script blocks the server: SCRIPT KILL ends it",
    ),
    (
        exceptions.ConnectionError, "max number of clients",
        "the server has room for a connection", Evidence.WRONG,
        "its maxclients are reached: raise the limit, or find who keeps so many connections",
    ),
)  # fmt: skip
"""What a server may answer instead of PONG: the error, how its text begins, the rule that is broken, and advice."""


def _explain(error: Exception, where: str, password: str | None) -> ProbeFailure | None:
    """Put redis-py's error into words; None for one that says nothing about the server."""
    for link in causes(error):
        for kind, begin, rule, evidence, observed in _REFUSALS:
            if isinstance(link, kind) and str(link).startswith(begin):
                return ProbeFailure(rule, observed, evidence=evidence)
        if isinstance(link, exceptions.ResponseError):
            return ProbeFailure("PING is answered with PONG", _without(password, str(link)))
    failure = unreached(error, where)
    if failure is not None:
        return failure
    if isinstance(error, exceptions.ConnectionError):
        return ProbeFailure(f"{where} answers", "the connection was closed", evidence=Evidence.SILENT)
    if isinstance(error, exceptions.InvalidResponse | ValueError | RecursionError):
        return ProbeFailure(f"{where} speaks the Redis protocol", _without(password, str(error)))
    return None


def _without(password: str | None, text: str) -> str:
    """Keep the password out: "unknown command" errors repeat what was sent."""
    text = text.partition(", with args")[0]
    return "an error that repeats the password" if password and password in text else text


def _show(reply: object) -> str:
    return reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)


KIND = Kind("redis", Spec, RedisProbe)
