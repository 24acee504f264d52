"""A connection to a Redis, on redis-py's own."""

import asyncio
import re
from collections.abc import Sequence
from typing import Any

from redis import exceptions
from redis.asyncio.connection import Connection, SSLConnection, UnixDomainSocketConnection, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from sidecar.store.contract import StoreError

Command = tuple[str | bytes | int, ...]

LOST = (exceptions.ConnectionError, exceptions.ReadOnlyError, OSError)
"""What tells that the connection leads to nobody any more, or to a server that was the master once."""

_OF_POOLS = ("max_connections", "timeout")
"""Parameters of redis-py's connection pools: right in a URL that is shared with an application, of no use here."""

_FIXED = {
    # The store keeps the deadline, and tries again where that can do no harm.
    "socket_timeout": None,
    "socket_connect_timeout": None,
    "retry": Retry(NoBackoff(), 0),
    "health_check_interval": 0,
    "driver_info": None,
    "protocol": 2,
    "decode_responses": False,
}
"""What a URL cannot change."""


class Link:
    """One connection. Whatever goes wrong on it, it is cut: half a reply must never meet the next question."""

    def __init__(self, url: str) -> None:
        """Make no connection yet. Raises ``StoreError`` for a URL that cannot be used, and shows nothing of it."""
        self._connection = _connection(url)

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
        """Connect and log in."""
        try:
            if isinstance(self._connection, SSLConnection):
                await asyncio.to_thread(self._connection.ssl_context.get)  # it reads the certificates
            await self._connection.connect()  # type: ignore[no-untyped-call]
        except BaseException:
            await self.cut()
            raise

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Send all the commands at once, and give the reply to each. Raises the first error among the replies."""
        connection = self._connection
        try:
            await connection.send_packed_command(
                [part for command in commands for part in connection.pack_command(*command)]
            )
            replies = [await _reply(connection) for _ in commands]
            _raise_first(replies)
        except exceptions.ResponseError as error:
            if isinstance(error, LOST):
                await self.cut()
            raise
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


def all_or_nothing(*commands: Command) -> list[Command]:
    """Make one transaction of these commands; the reply to its last part is the list of theirs."""
    return [("MULTI",), *commands, ("EXEC",)]


async def _reply(connection: Connection | UnixDomainSocketConnection) -> Any:
    try:
        return await connection.read_response()
    except exceptions.ResponseError as error:
        return error


def _raise_first(replies: list[Any]) -> None:
    for reply in replies:
        if isinstance(reply, list):
            _raise_first(reply)
        elif isinstance(reply, exceptions.ResponseError):
            raise reply


def _connection(url: str) -> Connection | UnixDomainSocketConnection:
    try:
        arguments = {name: value for name, value in parse_url(url).items() if name not in _OF_POOLS} | _FIXED
    except ValueError:
        expected = "redis://user:password@host:6379/0, rediss:// for TLS, or unix:///path"
        raise StoreError(f"cannot use state.url: expected {expected}, with special characters encoded") from None
    kind: Any = arguments.pop("connection_class", Connection)
    try:
        connection: Connection | UnixDomainSocketConnection = kind(**arguments)
    except TypeError as error:
        found = re.search(r"unexpected keyword argument '(\w+)'", str(error))
        raise StoreError(f"cannot use state.url: redis-py knows no parameter {found[1] if found else '?'}") from None
    except exceptions.RedisError as error:
        raise StoreError(f"cannot use state.url: {error}") from None
    return connection
