"""The store where there is no place for one: it lasts as long as the sidecar."""

from sidecar.store.contract import Store


class PassingStore(Store):
    """Everything in memory."""

    lasting = False
    shared = False

    def __init__(self, unfit: str) -> None:
        self.unfit = unfit
        self._documents: dict[str, bytes] = {}
        self._streams: dict[str, list[tuple[int, bytes]]] = {}
        self._last = 0

    async def get(self, name: str) -> bytes | None:
        """Give a document."""
        return self._documents.get(name)

    async def put(self, name: str, value: bytes) -> None:
        """Put a document."""
        self._documents[name] = value

    async def remove(self, *names: str) -> None:
        """Remove documents."""
        for name in names:
            self._documents.pop(name, None)

    async def claim(self, name: str, value: bytes) -> bytes:
        """Put a document where there is none, and give the one that stands there."""
        return self._documents.setdefault(name, value)

    async def documents(self, prefix: str) -> dict[str, bytes]:
        """Give documents."""
        return {name: value for name, value in sorted(self._documents.items()) if name.startswith(prefix)}

    async def append(self, stream: str, values: list[bytes], keep: int) -> None:
        """Put entries at a stream's end."""
        entries = self._streams.get(stream, []) + list(enumerate(values, self._last + 1))
        self._last += len(values)
        self._streams[stream] = entries[max(0, len(entries) - keep) :]

    async def read(self, stream: str, limit: int) -> list[tuple[int, bytes]]:
        """Give a stream's oldest entries."""
        return self._streams.get(stream, [])[:limit]

    async def drop(self, stream: str, numbers: list[int]) -> None:
        """Remove entries of a stream."""
        gone = set(numbers)
        self._streams[stream] = [entry for entry in self._streams.get(stream, []) if entry[0] not in gone]

    async def aclose(self) -> None:
        """Forget nothing yet: whoever still asks is answered."""
