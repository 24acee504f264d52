"""What an operator may order about releases, and what comes of it."""

from collections.abc import Callable
from time import time
from typing import Any

import msgspec

from sidecar.core.errors import RefusedError
from sidecar.core.facts import Fact, HoldBegun, HoldEnded, ReleasePromoted, RollbackOrdered
from sidecar.core.releases.release import Hold, KnownGood, ReleasePhase
from sidecar.core.state import State
from sidecar.ledger.recall import Stored, known_good, read, standings
from sidecar.releases import Releases
from sidecar.serve import orders
from sidecar.serve.orders import Answer, ReleaseOrder
from sidecar.store.contract import StoreError

KEPT_WITHIN = 5.0
"""Seconds for the store to keep an operator's word before the answer says that it has not yet."""


class ReleaseOrders:
    """Carries orders about releases out. Orders come one at a time."""

    def __init__(self, releases: Releases, state: Callable[[], State], record: Callable[[Fact], None]) -> None:
        self._releases = releases
        self._state = state
        self._record = record

    async def carry_out(self, order: ReleaseOrder, by: str) -> Answer:
        """Carry out an order; a refusal is an answer too."""
        try:
            match order:
                case orders.Hold(reason):
                    return await self._hold(Hold(reason=reason, by=by, at=time()))
                case orders.Unhold(reason):
                    return await self._unhold(f"{by} ({reason})")
                case orders.Promote(reason):
                    self._record(ReleasePromoted(reason, by))
                    message = f"release {self._running()} is good, and what a later one is rolled back to"
                    return Answer(done=True, message=f"{message}; {await self._kept()}")
                case orders.Rollback(reason, release, force):
                    return await self._roll_back(reason, release, by, force=force)
                case orders.Releases():
                    return Answer(done=True, document=self._document(await read(self._releases.ledger)))
        except (RefusedError, StoreError) as refusal:
            return Answer(done=False, message=str(refusal))

    async def _hold(self, hold: Hold) -> Answer:
        self._record(HoldBegun(hold))  # first of all it holds
        stopped = "all automation is stopped until sidecar unhold: no drain, no promotion, no rollback"
        return Answer(done=True, message=f"{stopped}; {await self._kept()}")

    async def _unhold(self, by: str) -> Answer:
        was_on = self._state().memory.hold is not None
        self._record(HoldEnded(by))
        if not await self._releases.flush(KEPT_WITHIN):
            why = "the store fails: until it works again, other replicas stay on hold"
            return Answer(done=False, message=f"automation goes on here, but {why}")
        return Answer(done=True, message="automation goes on" if was_on else "it was not stopped")

    async def _roll_back(self, reason: str, release: str | None, by: str, *, force: bool) -> Answer:
        target = None
        if release is not None:
            target = _find(await read(self._releases.ledger), release, force=force)
        self._record(RollbackOrdered(target, reason, by, force))
        order = self._state().rollback.order
        chosen = order.target.release if order is not None else release
        message = f"rolling back from release {self._running()} to {chosen}; `sidecar releases` tells how far it is"
        return Answer(done=True, message=f"{message}; {await self._kept()}")

    async def _kept(self) -> str:
        """Wait until what was said is written down, and say whether it is."""
        if not self._releases.is_lasting:
            return "it is not written down, and ends with the sidecar: set state.dir or STATE_DIRECTORY"
        if await self._releases.flush(KEPT_WITHIN):
            return "it is written down"
        return "the store fails: until it works again, it counts for this replica alone, and ends with the sidecar"

    def _running(self) -> str:
        return self._state().running or "?"

    def _document(self, stored: Stored) -> dict[str, Any]:
        """Show releases and rollbacks, the newest first. Times are Unix times."""
        state = self._state()
        standing = sorted(standings(stored.records).values(), key=lambda record: record.since, reverse=True)
        shown = ("id", "phase", "since", "reason", "by", "served", "schema", "deployments", "replica")
        return {
            "running": state.release.id if state.release else None,
            "mode": state.plan.release.mode,
            "platform": state.plan.rollback.platform,
            "unfit": state.memory.unfit,
            "hold": msgspec.to_builtins(state.memory.hold),
            "releases": [{key: getattr(record, key) for key in shown} for record in standing],
            "rollbacks": [
                {
                    "release": record.release,
                    "target": record.target.release,
                    "phase": record.phase,
                    "begun": record.begun,
                    "by": record.by,
                    "replica": record.replica,
                    "detail": record.detail,
                }
                for record in sorted(stored.rollbacks, key=lambda record: record.begun, reverse=True)
            ],
        }


def _find(stored: Stored, release: str, *, force: bool) -> KnownGood:
    """Find the release that is asked for. Raises ``RefusedError`` when it is not known, or not known to be good."""
    record = standings(stored.records).get(release)
    if record is None:
        known = ", ".join(sorted(standings(stored.records))) or "none"
        raise RefusedError(f"cannot roll back: release {release} is not known; known are {known}")
    if record.phase is not ReleasePhase.GOOD and not force:
        raise RefusedError(f"cannot roll back: release {release} is {record.phase}, not good; --force overrides it")
    return known_good(record, stored.records)
