"""A release that was restored tells that it is healthy, or that it is not in time."""

from collections.abc import Callable
from functools import partial
from time import time

import anyio

from sidecar.clock import boottime
from sidecar.core.events import Event, EventKind
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.core.severity import Severity
from sidecar.ledger.patience import Patience
from sidecar.ledger.records import Ledger
from sidecar.ledger.turns import confirm, is_unconfirmed, last_turns

LOOK_EVERY = 1.0
"""Seconds between two looks whether it is healthy."""


async def confirm_restoration(
    release: str,
    ledger: Ledger,
    *,
    began: float,
    within: float,
    is_ready: Callable[[], bool],
    patiently: Patience,
    tell: Callable[[Event], None],
) -> None:
    """Confirm the rollbacks to this release as soon as it is ready; tell if it is not ready in time.

    ``began`` is when this sidecar began, as Unix time; it has ``within`` seconds from then. Returns at
    once where nobody has rolled back to this release.
    """
    turns = await patiently(partial(last_turns, ledger.store))
    restoring = [turn for turn in turns if is_unconfirmed(turn, release, began)]
    if not restoring:
        return
    due = max(began, *(turn.asked_at or 0.0 for turn in restoring)) + within
    with anyio.move_on_after(max(0.0, due - time())) as in_time:
        await _become(is_ready)
    if in_time.cancelled_caught:
        late = f"rollback release {restoring[0].release} -> {release}: {release} runs again, and is not healthy in time"
        tell(_ended(RollbackPhase.FAILED, Severity.ERROR, late))
        await _become(is_ready)
    for done in await patiently(lambda: confirm(ledger.store, release, ledger.replica, began, time())):
        message = f"rollback release {done.release} -> {release} is done: {release} is healthy"
        tell(_ended(RollbackPhase.VERIFIED, Severity.WARNING, message))


def _ended(after: RollbackPhase, severity: Severity, message: str) -> Event:
    return Event(kind=EventKind.ROLLBACK_ENDED, at=boottime(), severity=severity, message=message, after=after)


async def _become(is_ready: Callable[[], bool]) -> None:
    while not is_ready():  # noqa: ASYNC110 - it is looked at now and then, and once
        await anyio.sleep(LOOK_EVERY)
