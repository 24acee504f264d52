"""Carries a rollback out, step by step. Each step is asked for first, and what it is about to do is written down first.

The sidecar may be killed at any point: whoever goes on from what is written never asks the platform again for what it
may have heard. Two replicas never ask both: see ``sidecar.ledger.turns``.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from time import time

import anyio
from msgspec.structs import replace

from sidecar.actors.seat import Pace, Seat
from sidecar.core.errors import IllegalTransitionError, SidecarError
from sidecar.core.releases.release import ReleasePhase
from sidecar.core.releases.rollback import (
    ENDS,
    FINAL,
    Restorable,
    RollbackOrder,
    RollbackPhase,
    RollbackRecord,
    RollbackStep,
    entry,
)
from sidecar.core.rules import RollbackPlan
from sidecar.ledger.recall import standings
from sidecar.ledger.records import Ledger
from sidecar.ledger.turns import Turns
from sidecar.platforms.contract import Platform, PlatformError, Restoration, UnavailableError, UncertainError
from sidecar.store.contract import Store, StoreError

ASKED_AT_MOST = 3
"""So often the platform is asked, each time only where it surely has not heard before."""

Next = tuple[RollbackStep, str]
"""The step that follows, and what people should know of why."""

_TAKEN_OVER: Next = (RollbackStep.FOLLOW, "somebody else has gone on from here")
_END_OF = {phase: step for step, phase in ENDS.items()}


class Rollback:
    """One replica's part in the rollback of one release. ``run`` carries it out to its end."""

    def __init__(
        self,
        order: RollbackOrder,
        rules: RollbackPlan,
        *,
        platform: Platform,
        store: Store,
        replica: str,
        advance: Callable[[RollbackStep, str], None],
        pace: Pace = Pace(),  # noqa: B008 - it is frozen
        wall: Callable[[], float] = time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._order = order
        self._rules = rules
        self._platform = platform
        self._store = store
        self._replica = replica
        self._advance = advance
        """Asks for a step; raises ``IllegalTransitionError`` where it is refused."""
        self._pace = pace
        self._wall = wall
        self._seat = Seat(Turns(store, order.release), pace=pace, wall=wall, sleep=sleep)
        self._found = Restorable("")

    async def run(self) -> None:
        """Begin, or go on from what is written down, until an end."""
        carry_out: dict[RollbackStep, Callable[[], Awaitable[Next]]] = {
            RollbackStep.SEEK: self._seek,
            RollbackStep.CLAIM: self._claim,
            RollbackStep.ASK: self._ask,
            RollbackStep.LOOK: self._look,
            RollbackStep.VERIFY: self._verify,
            RollbackStep.FOLLOW: self._follow,
        }
        try:
            step, detail = await self._enter()
            while step not in ENDS:
                self._advance(step, detail)
                step, detail = await carry_out[step]()
        except IllegalTransitionError as refusal:
            step, detail = RollbackStep.HOLD, f"called off: {refusal}"
        except SidecarError as error:
            step, detail = RollbackStep.HOLD, str(error)
        with suppress(StoreError):  # what stands there then is the step before, and who goes on from it looks first
            await self._seat.patiently(partial(self._seat.write, phase=ENDS[step], detail=detail))
        with suppress(IllegalTransitionError):  # whoever has called it off knows that it has ended
            self._advance(step, detail)

    async def _enter(self) -> Next:
        record = await self._seat.last()
        step = entry(record, self._replica, anew=self._order.anew)
        if record is None:
            return step, ""
        if step is RollbackStep.FOLLOW or record.phase in FINAL:
            return step, f"it is {record.phase}, by {record.replica}"
        self._sit(record)
        return step, f"going on where it was left: {record.phase}"

    async def _seek(self) -> Next:
        """Find out whether the target can be restored. A platform that cannot be reached is tried for a while."""
        target = self._order.target
        _, own = await self._seat.patiently(Turns(self._store, target.release).last)
        if own is not None and own.asked:
            return RollbackStep.HOLD, f"{target.release} was itself rolled back, to {own.target.release}"
        give_up = self._wall() + self._rules.verify_within
        for pause in self._pace.pauses():
            try:
                self._found = await self._platform.find(target)
            except UnavailableError as error:
                wait = max(pause, error.retry_after or 0.0)
                if self._wall() + wait > give_up:
                    return RollbackStep.HOLD, f"given up after {self._rules.verify_within:g} s: {error}"
                await self._seat.wait(wait)
            except PlatformError as error:
                return RollbackStep.HOLD, str(error)
            else:
                break
        return RollbackStep.CLAIM, f"{self._platform.name} can restore {self._found.deployment}"

    async def _claim(self) -> Next:
        """See to it that no other replica does the same."""
        order, now = self._order, self._wall()
        record = RollbackRecord(
            release=order.release,
            target=order.target,
            phase=RollbackPhase.CLAIMING,
            replica=self._replica,
            by=order.by,
            begun=now,
            seen=now,
            found=self._found,
        )
        if not self._seat.taken and not await self._seat.claim(record):
            return RollbackStep.FOLLOW, "another replica was faster"
        return RollbackStep.ASK, self._question()

    async def _ask(self) -> Next:
        """Write down that the platform is being asked, and ask it, if that is still ours to do."""
        objection = None if self._order.by else await self._seat.patiently(self._objection)
        if objection is not None:
            return RollbackStep.HOLD, objection
        asked = self._seat.record.asked + 1

        async def announce() -> bool:
            return await self._seat.announce(
                phase=RollbackPhase.ASKING, found=self._found, asked=asked, asked_at=self._wall()
            )

        if not await self._seat.patiently(announce):
            return _TAKEN_OVER
        try:
            await self._platform.roll_back(self._order.target, self._found, self._order.release)
        except UncertainError as error:
            return RollbackStep.LOOK, str(error)
        except UnavailableError as error:
            wait = error.retry_after or self._pace.longest
            if wait > self._rules.verify_within:
                return RollbackStep.HOLD, str(error)
            await self._seat.wait(wait)
            return self._once_more(str(error))
        except PlatformError as error:
            return RollbackStep.HOLD, str(error)
        return RollbackStep.VERIFY, f"{self._platform.name} has accepted"

    async def _objection(self) -> str | None:
        """Find what a person has said against it at another replica, perhaps a moment ago."""
        ledger = Ledger(self._store, self._replica)
        hold, records = await ledger.hold(), await ledger.releases()
        if hold is not None:
            return f"on hold by {hold.by}: {hold.reason}"
        standing = standings(records).get(self._order.release)
        is_promoted = standing is not None and standing.phase is ReleasePhase.GOOD and standing.by is not None
        return standing.reason if standing is not None and is_promoted else None

    async def _look(self) -> Next:
        """Find out whether the platform has heard. Only when nothing has shown up for long enough, it has not.

        That counts from here, not from what is written: who has asked may have been held up after writing it down.
        """
        settled = self._wall() + self._rules.timeout + self._pace.settle
        give_up = max(settled, self._asked_at() + self._rules.verify_within)
        for pause in self._pace.pauses():
            if not await self._seat.is_ours():
                break
            now = self._wall()
            seen, words = await self._see()
            if seen is Restoration.UNKNOWN:
                return RollbackStep.HOLD, f"nobody knows whether it was heard: {words}"
            if seen is Restoration.UNHEARD and now >= settled:
                return self._once_more(words)
            if seen not in (None, Restoration.UNHEARD):
                return RollbackStep.VERIFY, words
            if now >= give_up:
                return RollbackStep.HOLD, f"cannot find out whether it was heard: {words}"
            await self._seat.wait(pause)
        return _TAKEN_OVER

    async def _verify(self) -> Next:
        """Wait until the earlier release is healthy, or surely will not be. A failed look is no reason for anything."""
        with suppress(StoreError):  # who goes on from the step before looks first
            await self._seat.write(phase=RollbackPhase.VERIFYING)
        deadline = self._asked_at() + self._rules.verify_within
        for pause in self._pace.pauses():
            if not await self._seat.is_ours():
                break
            now = self._wall()
            seen, words = await self._see()
            if seen is Restoration.HEALTHY:
                return RollbackStep.CONFIRM, words
            if seen is Restoration.FAILED:
                return RollbackStep.FAIL, words
            if now >= deadline:
                return RollbackStep.FAIL, f"not healthy within {self._rules.verify_within:g} s: {words}"
            await self._seat.wait(pause)
        return _TAKEN_OVER

    async def _follow(self) -> Next:
        """Watch who carries it out, to the end; take over from who falls silent."""
        patience = self._pace.silence + self._rules.timeout
        heard, since = None, self._wall()
        for pause in self._pace.pauses():
            record = await self._seat.last()
            if record is None:
                break
            if record.phase in FINAL:
                return _END_OF[record.phase], f"{record.replica} tells: {record.detail}"
            if record != heard:
                heard, since = record, self._wall()
            elif self._wall() - since > patience and await self._take_over(record):
                return entry(self._seat.record, self._replica, anew=False), f"{record.replica} is silent"
            await self._seat.wait(pause)
        return RollbackStep.HOLD, "what was written down of it is gone"

    async def _take_over(self, record: RollbackRecord) -> bool:
        """Claim the next turn. Whether the one before has asked meanwhile is not known, so that is looked at first."""
        now = self._wall()
        ours = replace(record, replica=self._replica, seen=now)
        if record.phase is not RollbackPhase.VERIFYING:
            ours = replace(ours, phase=RollbackPhase.ASKING, asked=max(record.asked, 1), asked_at=now)
        if not await self._seat.claim(ours):
            return False
        self._sit(ours)
        return True

    async def _see(self) -> tuple[Restoration | None, str]:
        """Look once; None where the platform cannot be looked at."""
        try:
            progress = await self._platform.progress(self._order.target, self._found)
        except PlatformError as error:
            return None, str(error)
        return progress.restoration, progress.words

    def _once_more(self, why: str) -> Next:
        """Ask again what surely was not heard."""
        if self._seat.record.asked >= ASKED_AT_MOST:
            return RollbackStep.HOLD, f"asked {ASKED_AT_MOST} times in vain: {why}"
        return RollbackStep.ASK, f"{self._question()} once more: {why}"

    def _sit(self, record: RollbackRecord) -> None:
        self._seat.resume(record)
        self._found = record.found

    def _question(self) -> str:
        bad, target = self._order.release, self._order.target.release
        return f"{self._platform.name} is asked to restore {target} ({self._found.deployment}) in the place of {bad}"

    def _asked_at(self) -> float:
        asked_at = self._seat.record.asked_at
        assert asked_at is not None  # noqa: S101 - for the type checker: who looks or verifies has asked
        return asked_at
