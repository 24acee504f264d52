"""The events between two states that are about the release: what it has become, and what is done about it."""

from collections.abc import Iterator

from msgspec.structs import replace

from sidecar.core.events import Event, EventKind
from sidecar.core.facts import Fact, HoldEnded, MemoryRecalled, RollbackAdvanced
from sidecar.core.releases.memory import NOT_RECALLED
from sidecar.core.releases.release import JUDGED, ReleasePhase, ReleaseState
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.core.severity import Severity
from sidecar.core.state import State

_SEVERITY = {ReleasePhase.BAD: Severity.ERROR, ReleasePhase.HELD: Severity.ERROR}


def tell_release(before: State, after: State, fact: Fact, now: float) -> Iterator[Event]:
    """Tell what the step from one state to the other has changed about releases.

    What another replica has decided or done is told to people by that one, else they would hear it from each. But at
    the start everything is told: this replica may have said it itself, and been killed before it could tell.
    """
    is_learnt = _is_release_learnt(before, after, fact)
    is_read_again = isinstance(fact, MemoryRecalled) and before.memory.unfit != NOT_RECALLED
    begins_elsewhere = is_read_again and after.memory.unfinished is not None
    yield from _by(is_learnt, _release(before, after, now))
    yield from _by(is_read_again, _hold(before, after, fact, now))
    yield from _by(is_learnt or begins_elsewhere, _rollback(before, after, fact, now))


def _by(is_learnt: bool, events: Iterator[Event]) -> Iterator[Event]:  # noqa: FBT001
    return (replace(event, severity=Severity.INFO, elsewhere=True) if is_learnt else event for event in events)


def _is_release_learnt(before: State, after: State, fact: Fact) -> bool:
    """Tell whether the store says what has become of the release, or whoever carries its rollback out."""
    if isinstance(fact, RollbackAdvanced):
        # That it has failed, this replica may have found out alone, and it is better told twice than not at all.
        return before.rollback.phase is RollbackPhase.FOLLOWING and after.rollback.phase is RollbackPhase.VERIFIED
    if not isinstance(fact, MemoryRecalled) or before.memory.unfit == NOT_RECALLED or after.release is None:
        return False
    told = fact.memory.release
    return told is not None and told.phase is after.release.phase and told.phase not in JUDGED


def _release(before: State, after: State, now: float) -> Iterator[Event]:
    old, new = before.release, after.release
    if old is None or new is None or (old.phase is new.phase and old.id == new.id):
        return
    yield Event(
        kind=EventKind.RELEASE_CHANGED,
        at=now,
        severity=_SEVERITY.get(new.phase, Severity.INFO),
        cause="local" if new.phase is ReleasePhase.BAD and new.by is None else None,
        before=old.phase,
        after=new.phase,
        message=f"release {new.id} is {_WORDS[new.phase]}: {new.reason}",
        evidence=tuple(_figures(new)),
    )


_WORDS = {
    ReleasePhase.STARTING: "starting",
    ReleasePhase.BAKING: "baking",
    ReleasePhase.GOOD: "good",
    ReleasePhase.BAD: "bad",
    ReleasePhase.ROLLED_BACK: "rolled back",
    ReleasePhase.HELD: "held, and a person has to decide (sidecar rollback, sidecar promote)",
}


def _figures(release: ReleaseState) -> Iterator[str]:
    """Show what the decision rests on."""
    for name, sample in sorted(release.samples.items()):
        yield f"{name}: {sample.total} samples, {sample.errors} failed"
    if release.restarts:
        yield f"times it ended unasked: {release.restarts}"
    if release.unhealthy:
        yield f"unhealthy by its own fault: {release.unhealthy:.0f} s"


def _hold(before: State, after: State, fact: Fact, now: float) -> Iterator[Event]:
    old, new = before.memory.hold, after.memory.hold
    if new is not None and new != old:
        message = f"all automation is stopped by {new.by}: {new.reason}; no drain, no promotion, no rollback"
        yield Event(kind=EventKind.HOLD_BEGUN, at=now, severity=Severity.WARNING, message=message)
    elif old is not None and new is None:
        by = f" by {fact.by}" if isinstance(fact, HoldEnded) else ""
        yield Event(
            kind=EventKind.HOLD_ENDED,
            at=now,
            severity=Severity.INFO,
            message=f"automation goes on, the hold was ended{by}: {old.reason}",
        )


def _rollback(before: State, after: State, fact: Fact, now: float) -> Iterator[Event]:
    old, new, order = before.rollback, after.rollback, after.rollback.order
    if order is None or (old.order is order and old.phase is new.phase):
        return
    from_to = f"release {order.release} -> {order.target.release}"
    if old.order is not order:
        kind, severity = EventKind.ROLLBACK_BEGUN, Severity.WARNING
        message = f"rollback {from_to} begins" + (f", ordered by {order.by}" if order.by else "")
    elif new.phase is RollbackPhase.VERIFIED:
        kind, severity = EventKind.ROLLBACK_ENDED, Severity.WARNING
        message = f"rollback {from_to} is done, and it is healthy"
    elif new.phase in (RollbackPhase.FAILED, RollbackPhase.HELD):
        kind, severity = EventKind.ROLLBACK_ENDED, Severity.ERROR
        message = f"rollback {from_to} is {new.phase}, and a person has to look"
    else:
        kind, severity, message = EventKind.ROLLBACK_ADVANCED, Severity.INFO, f"rollback {from_to} is {new.phase}"
    detail = f": {fact.detail}" if isinstance(fact, RollbackAdvanced) and fact.detail else ""
    yield Event(kind=kind, at=now, severity=severity, before=old.phase, after=new.phase, message=f"{message}{detail}")
