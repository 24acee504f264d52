"""A held connection as a tripwire: whatever happens on it while it is idle is a reason to look again."""

import asyncio
import os
from collections.abc import Callable


class Tripwire:
    """Calls ``on_trip`` once when anything arrives on an idle connection: its end, or a word that nobody asked for.

    It proves nothing by itself: servers close idle connections, and say things. It lives in the event loop.
    """

    def __init__(self, on_trip: Callable[[], None]) -> None:
        self._on_trip = on_trip
        self._descriptor: int | None = None

    def arm(self, descriptor: int) -> None:
        """Watch the connection with this descriptor, from now until it trips or is disarmed."""
        self.disarm()
        # A descriptor of our own: the event loop lets no second reader watch the one that a transport reads.
        self._descriptor = os.dup(descriptor)
        asyncio.get_running_loop().add_reader(self._descriptor, self._trip)

    def disarm(self) -> None:
        """Stop watching, if it does."""
        if self._descriptor is not None:
            asyncio.get_running_loop().remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = None

    def _trip(self) -> None:
        self.disarm()
        self._on_trip()
