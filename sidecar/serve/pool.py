"""The open connections: bounded in number and in idleness."""

import asyncio
from collections import OrderedDict

from sidecar.serve.wire import Wire


class Pool:
    """The open connections, longest idle first. Idle is whoever completes no request, however busily it sends.

    When the pool is full, the connection that is longest idle makes room: thousands of idle connections never keep a
    health check from its answer. One timer serves all connections, and none runs while there are none.
    """

    def __init__(self, limit: int, idle_timeout: float) -> None:
        self._limit = limit
        self._idle_timeout = idle_timeout
        self._loop = asyncio.get_running_loop()
        self._idle_since: OrderedDict[Wire, float] = OrderedDict()
        self._sweep: asyncio.TimerHandle | None = None

    def add(self, connection: Wire) -> None:
        """Take in a new connection."""
        if len(self._idle_since) >= self._limit:
            self.evict()
        self._idle_since[connection] = self._loop.time()
        if self._sweep is None:
            self._sweep = self._loop.call_later(self._idle_timeout, self._close_idle)

    def touch(self, connection: Wire) -> None:
        """Note that a connection has just completed a request."""
        if connection in self._idle_since:
            self._idle_since[connection] = self._loop.time()
            self._idle_since.move_to_end(connection)

    def remove(self, connection: Wire) -> None:
        """Forget a connection that is lost."""
        self._idle_since.pop(connection, None)

    def evict(self) -> bool:
        """Close the connection that is longest idle; False when there is none."""
        if not self._idle_since:
            return False
        connection, _ = self._idle_since.popitem(last=False)
        connection.close()
        return True

    def close(self) -> None:
        """Close every connection."""
        if self._sweep is not None:
            self._sweep.cancel()
        while self.evict():
            pass

    def _close_idle(self) -> None:
        self._sweep = None
        while self._idle_since:
            until = next(iter(self._idle_since.values())) + self._idle_timeout
            if until > self._loop.time():
                self._sweep = self._loop.call_at(until, self._close_idle)
                return
            self.evict()
