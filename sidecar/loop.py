"""The event loop of the sidecar's own process."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio

from sidecar.underway import mark_seen

T = TypeVar("T")


class Loop(asyncio.SelectorEventLoop):
    """asyncio's, but that a name which is being looked up is not looked up beside it: further ones join.

    A lookup takes one of few threads, cannot be called off, and lasts for half a minute when no DNS server answers.
    Looks that give up sooner and begin anew would take all threads, and the names of other probes would want for one.
    Client libraries look their names up here as well.
    """

    def __init__(self) -> None:
        super().__init__()
        self._lookups: dict[tuple[object, ...], asyncio.Task[Any]] = {}

    async def getaddrinfo(self, host: Any, port: Any, **hints: int) -> Any:
        """Look up, or join who is doing so."""
        asked = (host, port, *sorted(hints.items()))
        lookup = self._lookups.get(asked)
        if lookup is None:
            lookup = self._lookups[asked] = self.create_task(super().getaddrinfo(host, port, **hints))
            lookup.add_done_callback(mark_seen)
            lookup.add_done_callback(lambda _: self._lookups.pop(asked))
        return await asyncio.shield(lookup)


def run(main: Callable[..., Awaitable[T]], *arguments: object) -> T:
    """Run an asynchronous function on this loop."""
    return anyio.run(main, *arguments, backend_options={"loop_factory": Loop})
