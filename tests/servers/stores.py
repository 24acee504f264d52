"""A store in memory, which several sidecars of a test share, and which can fail."""

from collections.abc import Iterator
from contextlib import contextmanager

from sidecar.store.contract import Store, StoreError


class DictStore(Store):
    """Documents in a dictionary."""

    lasting = True
    shared = True
    unfit = None

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.broken = False
        self.written: list[tuple[str, bytes]] = []

    async def get(self, name: str) -> bytes | None:
        """Give a document."""
        self._work()
        return self.kept.get(name)

    async def put(self, name: str, value: bytes) -> None:
        """Put a document."""
        self._work()
        self.kept[name] = value
        self.written.append((name, value))

    async def remove(self, name: str) -> None:
        """Remove a document."""
        self._work()
        self.kept.pop(name, None)

    async def claim(self, name: str, value: bytes) -> bytes:
        """Put a document where there is none."""
        self._work()
        if name not in self.kept:
            self.written.append((name, value))
        return self.kept.setdefault(name, value)

    async def documents(self, prefix: str) -> dict[str, bytes]:
        """Give the documents."""
        self._work()
        return {name: value for name, value in sorted(self.kept.items()) if name.startswith(prefix)}

    async def append(self, stream: str, values: list[bytes], keep: int) -> None:
        """Have no streams."""
        raise NotImplementedError

    async def read(self, stream: str, limit: int) -> list[tuple[int, bytes]]:
        """Have no streams."""
        raise NotImplementedError

    async def drop(self, stream: str, numbers: list[int]) -> None:
        """Have no streams."""
        raise NotImplementedError

    async def aclose(self) -> None:
        """Have nothing to let go of."""

    @contextmanager
    def failing(self) -> Iterator[None]:
        """Fail for as long as the block runs."""
        self.broken = True
        try:
            yield
        finally:
            self.broken = False

    def _work(self) -> None:
        if self.broken:
            raise StoreError("cannot reach the store: it is out of order")
