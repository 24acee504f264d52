"""A store in memory that tests can break, hang and look into: everything that a store promises, but that it lasts."""

import anyio

from sidecar.store.contract import Store, StoreError


class MemoryStore(Store):
    """Documents and streams in dictionaries. ``down``: every call fails. ``hanging``: every call waits until it is over."""

    lasting = True
    shared = False
    unfit = "it is in memory"

    def __init__(self):
        self.documents = {}
        self.streams = {}
        self.calls = []
        self.down = False
        self.hanging = False
        self._number = 0

    async def get(self, name):
        await self._call("get")
        return self.documents.get(name)

    async def put(self, name, value):
        await self._call("put")
        self.documents[name] = value

    async def remove(self, name):
        await self._call("remove")
        self.documents.pop(name, None)

    async def claim(self, name, value):
        await self._call("claim")
        return self.documents.setdefault(name, value)

    async def names(self, prefix):
        await self._call("names")
        return sorted(name for name in self.documents if name.startswith(prefix))

    async def append(self, stream, values, keep):
        await self._call("append")
        entries = self.streams.setdefault(stream, [])
        for value in values:
            self._number += 1
            entries.append((self._number, value))
        del entries[:-keep]

    async def read(self, stream, limit):
        await self._call("read")
        return self.streams.get(stream, [])[:limit]

    async def drop(self, stream, numbers):
        await self._call("drop")
        self.streams[stream] = [entry for entry in self.streams.get(stream, []) if entry[0] not in numbers]

    async def aclose(self):
        """Nothing is held."""

    async def _call(self, name):
        self.calls.append(name)
        await anyio.lowlevel.checkpoint()
        if self.hanging:
            await anyio.sleep_forever()
        if self.down:
            raise StoreError("the store is down")
