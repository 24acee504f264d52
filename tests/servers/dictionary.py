"""A store in a dictionary, for tests of what keeps things in a store."""

from itertools import count

import anyio

from sidecar.store.contract import Store, StoreError


class DictionaryStore(Store):
    """Streams alone; ``refusal`` is why it takes nothing at present."""

    lasting = True
    shared = False
    unfit = "it is a test's"

    def __init__(self) -> None:
        self.streams: dict[str, list[tuple[int, bytes]]] = {}
        self.appends = 0
        """How often something was put at a stream's end, or was tried to."""
        self.refusal: str | None = None
        self.takes_but_says_no = False
        """An append happens, and then fails."""
        self.hangs = False
        self._numbers = count(1)
        self._news = anyio.Event()

    def values(self, stream: str) -> list[bytes]:
        """Give what a stream holds."""
        return [value for _, value in self.streams.get(stream, [])]

    async def appended(self, appends: int) -> None:
        """Wait until it was asked so many times."""
        while self.appends < appends:
            await self._news.wait()

    async def append(self, stream: str, values: list[bytes], keep: int) -> None:
        """Put entries at a stream's end."""
        self.appends += 1
        self._news.set()
        self._news = anyio.Event()
        if self.hangs:
            await anyio.sleep_forever()
        if self.refusal is None or self.takes_but_says_no:
            entries = self.streams.setdefault(stream, [])
            entries += [(next(self._numbers), value) for value in values]
            del entries[:-keep]
        if self.refusal is not None:
            raise StoreError(self.refusal)

    async def read(self, stream: str, limit: int) -> list[tuple[int, bytes]]:
        """Give a stream's oldest entries."""
        return self.streams.get(stream, [])[:limit]

    async def get(self, name: str) -> bytes | None:
        """Not needed."""
        raise NotImplementedError

    async def put(self, name: str, value: bytes) -> None:
        """Not needed."""
        raise NotImplementedError

    async def remove(self, name: str) -> None:
        """Not needed."""
        raise NotImplementedError

    async def claim(self, name: str, value: bytes) -> bytes:
        """Not needed."""
        raise NotImplementedError

    async def documents(self, prefix: str) -> dict[str, bytes]:
        """Not needed."""
        raise NotImplementedError

    async def drop(self, stream: str, numbers: list[int]) -> None:
        """Not needed."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Let go of nothing."""
