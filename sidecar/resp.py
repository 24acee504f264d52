"""One connection to a Redis, on redis-py's own: asked everything at once, and cut when anything goes wrong on it."""

import asyncio
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from redis import exceptions
from redis._parsers import _AsyncRESP2Parser
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

AnyConnection = Connection | UnixDomainSocketConnection
Command = tuple[str | bytes | int, ...]
Reply = Any
"""Bytes, a number, a list, None, or the ``ResponseError`` that the server answered."""

_LINE_COSTS = 64
"""Bytes that a line takes beside its letters, at least: an array of nothing but empty lines takes memory, too."""

_OF_POOLS = ("max_connections", "timeout")
"""Parameters of redis-py's connection pools: right in a URL that is shared with an application, of no use here."""

_FIXED = {
    # The caller keeps the deadline. He alone knows what may be asked twice, and a probe is there to see the failure.
    "socket_timeout": None,
    "socket_connect_timeout": None,
    "retry": Retry(NoBackoff(), 0),
    "health_check_interval": 0,
    # The server is not told the library's name: a user who may only PING would be refused, and the refusal logged.
    "driver_info": None,
    # Every server and proxy speaks RESP 2, and replies stay bytes.
    "protocol": 2,
    "decode_responses": False,
}
"""What a URL cannot change."""


def make_connection(arguments: Mapping[str, Any], reply_at_most: int) -> AnyConnection:
    """Make a connection of redis-py's arguments, without connecting it. No reply may have more than so many bytes.

    Raises ``ValueError`` that says what is wrong with a URL, and shows nothing of user and password.
    """
    chosen = {name: value for name, value in arguments.items() if name not in _OF_POOLS} | _FIXED
    kind = chosen.pop("connection_class", Connection)
    try:
        connection: AnyConnection = kind(**chosen, parser_class=partial(_BoundedParser, reply_at_most))
    except TypeError as error:
        found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        raise ValueError(f"has the parameter {found[1] if found else '?'}, which redis-py does not know") from None
    except exceptions.RedisError as error:
        raise ValueError(f"has a parameter that redis-py refuses: {error}") from None
    return connection


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
    def is_open(self) -> bool:
        """There is a connection, as far as is known."""
        return bool(self._connection.is_connected)

    async def open(self) -> None:
        """Connect and log in. Raises ``RedisError`` and ``OSError``."""
        try:
            await self._read_certificates()
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await self.cut()
            raise

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Send all the commands at once, and read the reply to each. An error that is a reply is not raised."""
        connection = self._connection
        try:
            await connection.send_packed_command(
                [part for command in commands for part in connection.pack_command(*command)]
            )
            return [await _reply(connection) for _ in commands]
        except (ValueError, RecursionError) as error:  # no RESP at all, or a line or a nesting without end
            await self.cut()
            raise exceptions.InvalidResponse(f"a reply that cannot be read: {error}") from None
        except BaseException:
            await self.cut()
            raise

    async def cut(self) -> None:
        """Close at once: redis-py closes politely, and a TLS farewell waits up to 30 s for a peer that hangs."""
        writer = self._connection._writer  # noqa: SLF001
        if writer is not None:
            writer.transport.abort()
        await self._connection.disconnect(nowait=True)

    async def _read_certificates(self) -> None:
        """Read them once, in a thread: that takes tens of milliseconds."""
        connection = self._connection
        if isinstance(connection, SSLConnection) and connection.ssl_context.context is None:
            await asyncio.to_thread(connection.ssl_context.get)


async def _reply(connection: AnyConnection) -> Reply:
    try:
        return await connection.read_response()
    except exceptions.ResponseError as error:
        return error


class _BoundedParser(_AsyncRESP2Parser):
    """Reads no more than any reply that is expected can have, whatever length the server announces."""

    def __init__(self, at_most: int, socket_read_size: int) -> None:
        super().__init__(socket_read_size=socket_read_size)
        self._at_most = at_most

    async def read_response(self, disable_decoding: bool = False) -> Reply:  # noqa: FBT001, FBT002 - redis-py's way
        self._left = self._at_most
        return await super().read_response(disable_decoding)

    async def _read(self, length: int) -> bytes:
        self._spend(length)
        return await super()._read(length)

    async def _readline(self) -> bytes:
        line = await super()._readline()
        self._spend(len(line) + _LINE_COSTS)
        return line

    def _spend(self, length: int) -> None:
        self._left -= length
        if self._left < 0:
            raise exceptions.InvalidResponse(f"a reply of more than {self._at_most >> 10} KiB")
