"""A store in memory that tests can break, hang and look into: everything that a store promises, but that it lasts."""

import anyio
import anyio.lowlevel

from sidecar.store.contract import Store, StoreError


class MemoryStore(Store):
    """Documents and streams in dictionaries. ``down``: every call fails. ``hanging``: every call waits for ever."""

    lasting = True
    shared = False
    unfit = "it is in memory"

    def __init__(self):
        self.documents = {}
        self.streams = {}
        self.calls = []
        self.down = False
        self.hanging = False
        self.moved = lambda: None
        """Called when something was asked for, and when something has changed."""
        self._number = 0

    async def get(self, name):
        """See the contract, as of all these."""
        await self.call("get")
        return self.documents.get(name)

    async def put(self, name, value):
        """Replace."""
        await self.call("put")
        self.documents[name] = value
        self.moved()

    async def remove(self, name):
        """Remove."""
        await self.call("remove")
        self.documents.pop(name, None)
        self.moved()

    async def claim(self, name, value):
        """Put, if nothing is there."""
        await self.call("claim")
        return self.documents.setdefault(name, value)

    async def names(self, prefix):
        """Name."""
        await self.call("names")
        return sorted(name for name in self.documents if name.startswith(prefix))

    async def append(self, stream, values, keep):
        """Append."""
        await self.call("append")
        entries = self.streams.setdefault(stream, [])
        for value in values:
            self._number += 1
            entries.append((self._number, value))
        del entries[:-keep]
        self.moved()

    async def read(self, stream, limit):
        """Read."""
        await self.call("read")
        return self.streams.get(stream, [])[:limit]

    async def drop(self, stream, numbers):
        """Drop."""
        await self.call("drop")
        self.streams[stream] = [entry for entry in self.streams.get(stream, []) if entry[0] not in numbers]
        self.moved()

    async def aclose(self):
        """Nothing is held."""

    async def call(self, name):
        """Note a call, and fail or hang where that is wanted."""
        self.calls.append(name)
        self.moved()
        await anyio.lowlevel.checkpoint()
        if self.hanging:
            await anyio.sleep_forever()
        if self.down:
            raise StoreError("the store is down")
