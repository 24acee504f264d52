"""One replica's place among the turns of a rollback: what it has written down, and its patience with the store."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.releases.rollback import RollbackRecord
from sidecar.ledger.turns import Turns
from sidecar.store.contract import StoreError

T = TypeVar("T")


class Pace(Struct, frozen=True):
    """How patient a rollback is, in seconds."""

    first: float = 2.0
    """The first pause between two looks. It doubles up to ``longest``: a platform may allow a hundred looks an hour."""
    longest: float = 15.0
    settle: float = 30.0
    """For so long beyond a call's deadline what was asked for may still show up."""
    silence: float = 60.0
    """Who is not heard of for so long, and for the longest call besides, does not carry it out any more. A store that
    cannot be used is tried for so long."""

    def pauses(self) -> Iterator[float]:
        """Give one pause after another, without end."""
        pause = self.first
        while True:
            yield pause
            pause = min(2 * pause, self.longest)


class Seat:
    """Holds the last turn that is known, and what is written in it once it is ours."""

    def __init__(
        self, turns: Turns, *, pace: Pace, wall: Callable[[], float], sleep: Callable[[float], Awaitable[None]]
    ) -> None:
        self._turns = turns
        self._pace = pace
        self._wall = wall
        self._sleep = sleep
        self._turn = 0
        self._record: RollbackRecord | None = None

    @property
    def taken(self) -> bool:
        """The last turn is ours."""
        return self._record is not None

    @property
    def record(self) -> RollbackRecord:
        """What is written in our turn."""
        assert self._record is not None  # noqa: S101 - for the type checker: who asks has taken the seat
        return self._record

    async def last(self) -> RollbackRecord | None:
        """Find the last turn, and leave our own. Raises ``StoreError``."""
        self._turn, last = await self.patiently(self._turns.last)
        self._record = None
        return last

    def resume(self, record: RollbackRecord) -> None:
        """Sit down where we sat before: the last turn is our own."""
        self._record = record

    async def claim(self, record: RollbackRecord) -> bool:
        """Try to take the next turn; tell whether it is ours. Raises ``StoreError``."""
        if not await self.patiently(partial(self._turns.claim, self._turn + 1, record)):
            return False
        self._turn, self._record = self._turn + 1, record
        return True

    async def write(self, **changes: Any) -> None:
        """Write down what has changed, and that we live; without a turn of our own, nothing. Raises ``StoreError``."""
        if self._record is not None:
            self._record = replace(self._record, seen=self._wall(), **changes)
            await self._turns.write(self._turn, self._record)

    async def announce(self, **changes: Any) -> bool:
        """Write down what is about to be done; tell whether that is still ours to do. Raises ``StoreError``."""
        await self.write(**changes)
        return await self._turns.is_last(self._turn)

    async def is_ours(self) -> bool:
        """Tell whether nobody has taken over. A store that cannot tell is no reason to stop looking."""
        try:
            return await self._turns.is_last(self._turn)
        except StoreError:
            return True

    async def wait(self, seconds: float) -> None:
        """Let time pass, and be heard of."""
        while seconds > 0:
            await self._sleep(min(seconds, self._pace.longest))
            seconds -= self._pace.longest
            with suppress(StoreError):
                await self.write()

    async def patiently(self, call: Callable[[], Awaitable[T]]) -> T:
        """Use the store, again and again for a while where it fails. Raises ``StoreError``."""
        give_up = self._wall() + self._pace.silence
        pauses = self._pace.pauses()
        while True:
            try:
                return await call()
            except StoreError:
                pause = next(pauses)
                if self._wall() + pause > give_up:
                    raise
            await self._sleep(pause)
