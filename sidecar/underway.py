"""Calls that cannot be called off, such as one in a thread: while one is under way there is no second."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OneAtATime(Generic[T]):
    """One call after the other, however long each hangs: who comes while one is under way waits for that.

    Otherwise looks that give up and begin anew would take one thread after the other.
    """

    def __init__(self) -> None:
        self._call: asyncio.Task[T] | None = None

    async def result(self, begin: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Give what the call gives that is under way, or is begun now. Whoever is cut off leaves it alone."""
        if self._call is None or self._call.done():
            self._call = asyncio.create_task(begin())
            self._call.add_done_callback(mark_seen)
        return await asyncio.shield(self._call)

    def abandon(self) -> None:
        """Wait for the call under way no more."""
        if self._call is not None:
            self._call.cancel()


def mark_seen(task: "asyncio.Task[Any]") -> None:
    """Look at an error that nobody has waited for, which asyncio would complain about otherwise."""
    if not task.cancelled():
        task.exception()
