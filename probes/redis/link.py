"""A connection that is kept, on redis-py's own."""

import asyncio
from collections.abc import Sequence
from typing import Any

from redis import exceptions
from redis._parsers import _AsyncRESP2Parser
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection

from probes.redis.url import Place
from sidecar.contract import Evidence, Outcome, ProbeFailure

AnyConnection = Connection | UnixDomainSocketConnection
Command = tuple[str | bytes | int, ...]
Reply = Any
"""Bytes, a number, a list, None, or the ``ResponseError`` that the server answered."""

_REPLY_AT_MOST = 256 * 1024
"""Bytes of a reply. ``INFO replication`` of a master with a thousand replicas has 100 KB."""


class Link:
    """One connection, kept. Whatever goes wrong on it, it is cut: half a reply must never meet the next question."""

    def __init__(self, connection: AnyConnection) -> None:
        self._connection = connection

    @property
    def where(self) -> str:
        """Name the server, without user and password."""
        connection = self._connection
        if isinstance(connection, UnixDomainSocketConnection):
            return str(connection.path)
        host = f"[{connection.host}]" if ":" in connection.host else connection.host
        return f"{host}:{connection.port}"

    @property
    def host(self) -> str:
        """Where it leads to, or led to."""
        return str(getattr(self._connection, "host", ""))

    @property
    def password(self) -> str | None:
        """Never to be shown."""
        return self._connection.password

    @property
    def is_open(self) -> bool:
        """There is a connection, as far as is known."""
        return bool(self._connection.is_connected)

    @property
    def descriptor(self) -> int:
        """The socket of the open connection."""
        writer = self._connection._writer  # noqa: SLF001
        return int(writer.get_extra_info("socket").fileno()) if writer else -1

    async def open(self, place: Place | None = None) -> None:
        """Connect and log in, to another place if one is given."""
        if place is not None:
            assert isinstance(self._connection, Connection)  # noqa: S101 - URLs with several places have no socket's path
            self._connection.host, self._connection.port = place
        try:
            if isinstance(self._connection, SSLConnection):
                await _build_context(self._connection)
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await self.cut()
            raise

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Send all the commands at once, and read the reply to each. An error that is a reply is not raised."""
        connection = self._connection
        replies: list[Reply] = []
        try:
            await connection.send_packed_command(
                [part for command in commands for part in connection.pack_command(*command)]
            )
            for _ in commands:
                try:
                    replies.append(await connection.read_response())
                except exceptions.ResponseError as error:
                    replies.append(error)
        except BaseException:
            await self.cut()
            raise
        return replies

    async def cut(self) -> None:
        """Close at once: redis-py closes politely, and a TLS farewell waits up to 30 s for a peer that hangs."""
        writer = self._connection._writer  # noqa: SLF001
        if writer is not None:
            writer.transport.abort()
        await self._connection.disconnect(nowait=True)


async def _build_context(connection: SSLConnection) -> None:
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


class _BoundedParser(_AsyncRESP2Parser):
    """Reads no more than any reply to a probe's questions can have, whatever length the server announces."""

    async def read_response(self, disable_decoding: bool = False) -> Reply:  # noqa: FBT001, FBT002 - redis-py's way
        self._left = _REPLY_AT_MOST
        return await super().read_response(disable_decoding)

    async def _read(self, length: int) -> bytes:
        self._spend(length)
        return await super()._read(length)

    async def _readline(self) -> bytes:
        self._spend(1)
        return await super()._readline()

    def _spend(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise exceptions.InvalidResponse(f"a reply of more than {_REPLY_AT_MOST >> 10} KiB")


FIXED = {
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
    "parser_class": _BoundedParser,
}
"""What a URL cannot change."""
