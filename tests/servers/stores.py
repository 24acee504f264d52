"""Stores in memory: one that works, which tests look into, and such as fail, hang or take their time."""

from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import anyio
import anyio.lowlevel

from sidecar.store.contract import StoreError
from sidecar.store.passing import PassingStore

T = TypeVar("T")


class MemoryStore(PassingStore):
    """Works. A variant says what happens before something is done, and afterwards."""

    lasting = True

    def __init__(self, *, shared: bool = True) -> None:
        super().__init__("it is in memory")
        self.shared = shared
        if shared:
            self.unfit = None
        self.written: list[tuple[str, bytes]] = []
        """Every document that was put, or claimed first, in this order."""

    @property
    def kept(self) -> dict[str, bytes]:
        """The documents."""
        return self._documents

    def entries(self, stream: str) -> list[bytes]:
        """Give what a stream holds."""
        return [value for _, value in self._streams.get(stream, [])]

    async def get(self, name: str) -> bytes | None:
        """Give a document."""
        return await self._do("get", super().get(name))

    async def put(self, name: str, value: bytes) -> None:
        """Put a document."""
        await self._do("put", self._put(name, value))

    async def remove(self, *names: str) -> None:
        """Remove documents."""
        await self._do("remove", super().remove(*names))

    async def claim(self, name: str, value: bytes) -> bytes:
        """Put a document where there is none, and give the one that stands there."""
        return await self._do("claim", self._claim(name, value))

    async def documents(self, prefix: str) -> dict[str, bytes]:
        """Give documents."""
        return await self._do("documents", super().documents(prefix))

    async def append(self, stream: str, values: list[bytes], keep: int) -> None:
        """Put entries at a stream's end."""
        await self._do("append", super().append(stream, values, keep))

    async def read(self, stream: str, limit: int) -> list[tuple[int, bytes]]:
        """Give a stream's oldest entries."""
        return await self._do("read", super().read(stream, limit))

    async def drop(self, stream: str, numbers: list[int]) -> None:
        """Remove entries of a stream."""
        await self._do("drop", super().drop(stream, numbers))

    async def _before(self, call: str) -> None:
        """Happen before what this call asks for is done."""

    async def _after(self, call: str) -> None:
        """Happen when it was done, before it is answered."""

    async def _do(self, call: str, work: Coroutine[Any, Any, T]) -> T:
        try:
            await self._before(call)
            done = await work
        finally:
            work.close()
        await self._after(call)
        return done

    async def _put(self, name: str, value: bytes) -> None:
        await super().put(name, value)
        self.written.append((name, value))

    async def _claim(self, name: str, value: bytes) -> bytes:
        if name not in self.kept:
            self.written.append((name, value))
        return await super().claim(name, value)


class FailingStore(MemoryStore):
    """Works, until it is told to fail or to hang."""

    def __init__(self, *, shared: bool = True) -> None:
        super().__init__(shared=shared)
        self.failure: str | None = None
        """Why every call fails at present."""
        self.ended: Counter[str] = Counter()
        """How often each call has come to an end, be it in vain."""
        self.moved: Callable[[], None] = lambda: None
        """Called when something is asked for, and when that has come to an end."""
        self._hangs = False
        self._does_and_fails = False
        self._news = anyio.Event()

    def fail(self, why: str = "cannot reach the store: it is out of order", *, when_done: bool = False) -> None:
        """Fail from now on, before what is asked for is done or afterwards."""
        self.failure = why
        self._does_and_fails = when_done

    def hang(self) -> None:
        """Answer nothing from now on."""
        self._hangs = True

    def recover(self) -> None:
        """Work again, for whoever asks from now on."""
        self.failure = None
        self._hangs = False

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Fail for as long as the block runs."""
        self.fail()
        try:
            yield
        finally:
            self.recover()

    async def until(self, call: str, times: int) -> None:
        """Wait until a call has come to an end so many times."""
        while self.ended[call] < times:
            await self._news.wait()

    async def _do(self, call: str, work: Coroutine[Any, Any, T]) -> T:
        self.moved()
        try:
            return await super()._do(call, work)
        finally:
            self.ended[call] += 1
            self._news.set()
            self._news = anyio.Event()
            self.moved()

    async def _before(self, _call: str) -> None:
        await anyio.lowlevel.checkpoint()
        if self._hangs:
            await anyio.sleep_forever()
        if not self._does_and_fails:
            self._refuse()

    async def _after(self, _call: str) -> None:
        self._refuse()

    def _refuse(self) -> None:
        if self.failure is not None:
            raise StoreError(self.failure)


class ReadOnlyStore(MemoryStore):
    """Can be read, and for a while not written to, as a replica without its master."""

    read_only = False

    async def _before(self, call: str) -> None:
        if self.read_only and call not in {"get", "documents", "read"}:
            raise StoreError("cannot write to the store: it is read-only")


class SlowStore(MemoryStore):
    """Looks one document up, and does not tell what it has found before ``answer`` is set."""

    def __init__(self, slow: str) -> None:
        super().__init__()
        self.asked, self.answer = anyio.Event(), anyio.Event()
        self._slow = slow

    async def get(self, name: str) -> bytes | None:
        """Look first, and answer later."""
        found = await super().get(name)
        if name == self._slow:
            self.asked.set()
            await self.answer.wait()
        return found
