"""The connection of the store in a Redis."""

from collections.abc import Sequence

from redis import exceptions
from redis.asyncio.connection import parse_url

from sidecar import resp
from sidecar.resp import Command, Reply
from sidecar.store.contract import StoreError

LOST = (exceptions.ConnectionError, exceptions.ReadOnlyError, OSError)
"""What tells that the connection leads to nobody any more, or to a server that was the master once."""

REPLY_AT_MOST = 64 * 1024 * 1024
"""Bytes of a reply: a whole journal has some megabytes."""


class Link(resp.Link):
    """One connection, on which an error among the replies is the end of what was asked for."""

    def __init__(self, url: str) -> None:
        """Make no connection yet. Raises ``StoreError`` for a URL that cannot be used, and shows nothing of it."""
        super().__init__(_connection(url))

    async def ask(self, commands: Sequence[Command]) -> list[Reply]:
        """Send all the commands at once, and give the reply to each. Raises the first error among the replies."""
        replies = await super().ask(commands)
        try:
            _raise_first(replies)
        except LOST:
            await self.cut()
            raise
        return replies


def all_or_nothing(*commands: Command) -> list[Command]:
    """Make one transaction of these commands; the reply to its last part is the list of theirs."""
    return [("MULTI",), *commands, ("EXEC",)]


def _raise_first(replies: list[Reply]) -> None:
    for reply in replies:
        if isinstance(reply, list):
            _raise_first(reply)
        elif isinstance(reply, exceptions.ResponseError):
            raise reply


def _connection(url: str) -> resp.AnyConnection:
    try:
        arguments = parse_url(url)
    except ValueError:
        expected = "redis://user:password@host:6379/0, rediss:// for TLS, or unix:///path"
        raise StoreError(f"cannot use state.url: expected {expected}, with special characters encoded") from None
    try:
        return resp.make_connection(arguments, REPLY_AT_MOST)
    except ValueError as error:
        raise StoreError(f"cannot use state.url: it {error}") from None
