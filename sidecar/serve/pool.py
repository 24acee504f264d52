"""The open connections: bounded in number and in idleness."""

import asyncio
from collections import OrderedDict


class Pool:
    """The open connections, longest idle first. Idle is whoever completes no request, however busily it sends.

    When the pool is full, the connection that is longest idle makes room: thousands of idle connections never keep a
    health check from its answer. One timer serves all connections, and none runs while there are none.
    """

    def __init__(self, limit: int, idle_timeout: float) -> None:
        self._limit = limit
        self._idle_timeout = idle_timeout
        self._loop = asyncio.get_running_loop()
        self._idle_since: OrderedDict[asyncio.Transport, float] = OrderedDict()
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False
        self._present = 0
        self._empty = asyncio.Event()
        self._empty.set()

    def add(self, transport: asyncio.Transport) -> None:
        """Take in a new connection; it is aborted at once when the pool is closed."""
        self._present += 1
        self._empty.clear()
        if self._closed:
            transport.abort()
            return
        if len(self._idle_since) >= self._limit:
            self.evict()
        self._idle_since[transport] = self._loop.time()
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._idle_timeout, self._close_idle)

    def touch(self, transport: asyncio.Transport) -> None:
        """Note that a connection has just completed a request."""
        if transport in self._idle_since:
            self._idle_since[transport] = self._loop.time()
            self._idle_since.move_to_end(transport)

    def remove(self, transport: asyncio.Transport) -> None:
        """Forget a connection that is lost."""
        self._idle_since.pop(transport, None)
        self._present -= 1
        if not self._present:
            self._empty.set()

    def evict(self) -> bool:
        """Abort the connection that is longest idle; False when there is none."""
        if not self._idle_since:
            return False
        transport, _ = self._idle_since.popitem(last=False)
        transport.abort()
        return True

    def close(self) -> None:
        """Abort every connection, and every one that is added from now on."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        while self.evict():
            pass

    async def wait_empty(self) -> None:
        """Wait until every connection is lost."""
        await self._empty.wait()

    def _close_idle(self) -> None:
        self._sweep = None
        while self._idle_since:
            until = next(iter(self._idle_since.values())) + self._idle_timeout
            if until > self._loop.time():
                self._sweep = self._loop.call_at(until, self._close_idle)
                return
            self.evict()
