"""The store in a Redis that all replicas share."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from redis import exceptions

from sidecar.resp import Command
from sidecar.store.contract import Store, StoreError
from sidecar.store.link import LOST, Link, all_or_nothing

WITHIN = 5.0
"""Seconds for each call, connecting included."""

_INFO: tuple[Command, ...] = (("INFO", "server"), ("INFO", "memory"))


class RedisStore(Store):
    """One connection, made when it is needed. Documents are the fields of one hash; each stream is one of Redis's own.

    A claim is as good as the server's memory. Redis replicates behind its answers: a master that is lost in the moment
    of a claim may take it along, and its successor grant it once more. A server that evicts keys may forget a claim at
    any time, so there ``unfit`` says so; that is looked up whenever a connection is made, and at each claim.
    """

    lasting = True
    shared = True

    def __init__(self, url: str, prefix: str, within: float = WITHIN) -> None:
        """Make no connection yet. Raises ``StoreError`` for a URL that cannot be used."""
        self._link = Link(url)
        self._where = f"redis at {self._link.where}"
        self._documents = f"{prefix}:documents"
        self._streams = f"{prefix}:stream"
        self._within = within
        self._one_at_a_time = asyncio.Lock()
        self.unfit = f"{self._where} has not answered yet"

    async def get(self, name: str) -> bytes | None:
        """Give a document."""
        value = await self._ask("read", ("HGET", self._documents, name))
        return None if value is None else bytes(value)

    async def put(self, name: str, value: bytes) -> None:
        """Put a document."""
        await self._ask("write", ("HSET", self._documents, name, value))

    async def remove(self, *names: str) -> None:
        """Remove documents."""
        if names:
            await self._ask("write", ("HDEL", self._documents, *names))

    async def claim(self, name: str, value: bytes) -> bytes:
        """Put a document where there is none, and give the one that stands there."""
        async with self._turn("write"):
            await self._exchange(("PING",))
            await self._look()
            *_, [_, standing] = await self._link.ask(
                all_or_nothing(("HSETNX", self._documents, name, value), ("HGET", self._documents, name))
            )
        return bytes(standing)

    async def documents(self, prefix: str) -> dict[str, bytes]:
        """Give documents: all come, and those are chosen here. There are few others, and one exchange is enough."""
        found = await self._ask("read", ("HGETALL", self._documents))
        pairs = ((name.decode(errors="replace"), value) for name, value in zip(found[::2], found[1::2], strict=True))
        return {name: value for name, value in sorted(pairs) if name.startswith(prefix)}

    async def append(self, stream: str, values: list[bytes], keep: int) -> None:
        """Put entries at a stream's end. The server numbers them, and remembers the last number of an empty stream."""
        key = f"{self._streams}:{stream}"
        added = [("XADD", key, "0-*", "value", value) for value in values]
        async with self._turn("write"):
            # Entries must not be put twice, so this is not tried again: it is made sure beforehand that somebody hears.
            await self._exchange(("PING",))
            await self._link.ask(all_or_nothing(*added, ("XTRIM", key, "MAXLEN", "=", keep)))

    async def read(self, stream: str, limit: int) -> list[tuple[int, bytes]]:
        """Give a stream's oldest entries."""
        entries = await self._ask("read", ("XRANGE", f"{self._streams}:{stream}", "-", "+", "COUNT", limit))
        return [(int(number.partition(b"-")[2]), fields[1]) for number, fields in entries]

    async def drop(self, stream: str, numbers: list[int]) -> None:
        """Remove entries of a stream."""
        if numbers:
            await self._ask("write", ("XDEL", f"{self._streams}:{stream}", *(f"0-{number}" for number in numbers)))

    async def aclose(self) -> None:
        """Close the connection."""
        await self._link.cut()

    async def _ask(self, what: str, command: Command) -> Any:
        async with self._turn(what):
            [reply] = await self._exchange(command)
        return reply

    @asynccontextmanager
    async def _turn(self, what: str) -> AsyncIterator[None]:
        """Have the connection to oneself, until the deadline."""
        try:
            async with asyncio.timeout(self._within), self._one_at_a_time:
                yield
        except TimeoutError:
            why = f"no answer within {self._within:g} s"
        except (exceptions.RedisError, OSError) as error:
            why = str(error)
        else:
            return
        raise StoreError(f"cannot {what} the state in {self._where}: {why}")

    async def _exchange(self, *commands: Command) -> list[Any]:
        """Ask, and once more where the connection turns out to be lost: the server may have been restarted since."""
        if self._link.is_open:
            with suppress(*LOST):
                return await self._link.ask(commands)
        await self._link.open()
        await self._look()
        return await self._link.ask(commands)

    async def _look(self) -> None:
        """Find out whether claims are safe there."""
        try:
            server, memory = (_fields(reply) for reply in await self._link.ask(_INFO))
        except exceptions.ResponseError as error:
            self.unfit = f"{self._where} does not tell whether it evicts keys: {error}"
            return
        version = server.get("redis_version", "")
        if version.partition(".")[0] in _TOO_OLD:
            await self._link.cut()
            raise StoreError(f"cannot use {self._where}: it is Redis {version}, expected 7 or later, or Valkey")
        self.unfit = _unfit(self._where, memory)


_TOO_OLD = frozenset("123456")


def _fields(info: bytes) -> dict[str, str]:
    pairs = (line.partition(":") for line in info.decode(errors="replace").splitlines())
    return {name: value for name, _, value in pairs}


def _unfit(where: str, memory: dict[str, str]) -> str | None:
    """Say why a claim there may be forgotten. What never expires is evicted only by the policies for all keys."""
    policy = memory.get("maxmemory_policy")
    if policy is None:
        return f"{where} does not tell whether it evicts keys"
    if policy.startswith("allkeys") and memory.get("maxmemory") != "0":
        return f"{where} evicts keys (maxmemory-policy {policy}), claims among them: set maxmemory-policy noeviction"
    return None
