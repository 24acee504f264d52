"""Patience with a store that fails."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from sidecar.store.contract import StoreError

T = TypeVar("T")

FIRST_PAUSE = 1.0
"""Seconds between the first two tries; each pause is twice as long as the one before."""

LONGEST_PAUSE = 30.0
"""Seconds between two tries at most."""


class Patience:
    """Tries calls again until the store works. However many wait at once, people are told once that it does not."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._waiting = 0

    async def __call__(self, call: Callable[[], Awaitable[T]]) -> T:
        """Give what the call gives, as soon as it does."""
        try:
            return await call()
        except StoreError as error:
            if not self._waiting:
                self._say(f"{error}; it is tried again, and nothing is rolled back meanwhile")
        self._waiting += 1
        try:
            return await self._again(call)
        finally:
            self._waiting -= 1

    async def _again(self, call: Callable[[], Awaitable[T]]) -> T:
        pause = FIRST_PAUSE
        while True:
            await anyio.sleep(pause)
            try:
                return await call()
            except StoreError:
                pause = min(2 * pause, LONGEST_PAUSE)
