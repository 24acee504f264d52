"""A store in memory that tests can break, hang, and look into."""

import anyio
import anyio.lowlevel

from sidecar.store.contract import StoreError
from sidecar.store.passing import PassingStore


class BrittleStore(PassingStore):
    """``down``: every call fails. ``hanging``: every call waits for ever."""

    lasting = True

    def __init__(self):
        super().__init__("it is in memory")
        self.calls = []
        self.down = False
        self.hanging = False
        self.moved = lambda: None
        """Called when something is asked for, and when it was done."""

    @property
    def kept(self):
        """What is kept by name."""
        return self._documents

    def entries(self, stream):
        """What is kept in a stream."""
        return [value for _, value in self._streams.get(stream, [])]

    async def get(self, name):
        """Fail, hang, or do what a store does; as all of these."""
        return await self._do("get", super().get(name))

    async def put(self, name, value):
        """Put."""
        await self._do("put", super().put(name, value))

    async def append(self, stream, values, keep):
        """Append."""
        await self._do("append", super().append(stream, values, keep))

    async def read(self, stream, limit):
        """Read."""
        return await self._do("read", super().read(stream, limit))

    async def drop(self, stream, numbers):
        """Drop."""
        await self._do("drop", super().drop(stream, numbers))

    async def _do(self, name, work):
        self.calls.append(name)
        self.moved()
        try:
            await anyio.lowlevel.checkpoint()
            if self.hanging:
                await anyio.sleep_forever()
            if self.down:
                raise StoreError("the store is down")
            return await work
        finally:
            work.close()
            self.moved()
