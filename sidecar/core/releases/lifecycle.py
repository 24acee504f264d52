"""Steps the release by every fact: what was measured, which time counts, what people and the store say."""

from typing import NamedTuple

from msgspec.structs import replace

from sidecar.core.actions import Action, BeginRollback, SaveGood, SaveHold, SaveRelease
from sidecar.core.errors import IllegalTransitionError, RefusedError
from sidecar.core.facts import (
    ChildEnded,
    Fact,
    GatewayExited,
    HoldBegun,
    HoldEnded,
    MemoryRecalled,
    ObserverLate,
    ProbeReported,
    ReleaseFact,
    ReleasePromoted,
    RollbackAdvanced,
    RollbackOrdered,
    StandingRecalled,
    TrafficMeasured,
)
from sidecar.core.plan import Plan
from sidecar.core.releases import probation
from sidecar.core.releases.admission import INSURMOUNTABLE, Forbidden, admit, obstacles
from sidecar.core.releases.memory import NOT_RECALLED
from sidecar.core.releases.release import JUDGED, ReleasePhase, ReleaseState, ReleaseStep, advance, outranks
from sidecar.core.releases.rollback import FINAL, RollbackOrder, RollbackPhase, RollbackStep
from sidecar.core.releases.rollback import advance as advance_rollback
from sidecar.core.releases.sample import Sample
from sidecar.core.restart import ChildPhase
from sidecar.core.rules import PlatformKind, ReleaseMode
from sidecar.core.standing import take_up
from sidecar.core.state import RollbackState, State

CHECKPOINT = 30.0
"""Seconds after which what was measured is written down again: a crash costs no more of it than that."""

TOGETHER = 1.0
"""Seconds within which two replicas that find the same by themselves do not correct each other; a person does."""


class Followed(NamedTuple):
    """What a fact has led to."""

    state: State
    actions: tuple[Action, ...]


def begin_release(plan: Plan, now: float) -> ReleaseState | None:
    """Begin with a release of which nothing is known; None where none is judged."""
    if plan.release.id is None or plan.release.mode is ReleaseMode.OFF:
        return None
    return ReleaseState(id=plan.release.id, since=now, at=now, saved=now)


def take_in(state: State, fact: ReleaseFact, now: float) -> Followed:
    """Take in a fact about releases. Raises ``RefusedError`` for an order that must not be carried out."""
    match fact:
        case MemoryRecalled():
            return Followed(_recall(state, fact, now), ())
        case StandingRecalled():
            return Followed(take_up(replace(state, standing=fact.standing)), ())
        case TrafficMeasured() if state.release is not None:
            measured = probation.measure_traffic(state, state.release, fact.sample)
            return Followed(replace(state, release=measured), ())
        case TrafficMeasured():
            return Followed(state, ())
        case HoldBegun():
            held = replace(state, memory=replace(state.memory, hold=fact.hold))
            return Followed(held, (SaveHold(fact.hold),))
        case HoldEnded():
            return Followed(_end_hold(state, fact.by, now), (SaveHold(None),))
        case ReleasePromoted():
            return _promote(state, fact, now)
        case RollbackOrdered():
            return Followed(_order_rollback(state, fact, now), ())
        case RollbackAdvanced():
            return Followed(_advance_rollback(state, fact, now), ())


def follow(before: State, state: State, fact: Fact, now: float) -> Followed:
    """Let a release follow a fact of any kind, once the deployment's health is known."""
    release = state.release
    if release is None:
        return Followed(state, ())
    release = _count(before, state, release, fact, now)
    release, decision = probation.decide(state, release, now)
    if decision is not None:
        release = advance(release, decision.step, decision.reason, now)
    state = _consider_rollback(replace(state, release=release), now)
    state, saves = _save(before, state, now)
    return Followed(_with_restored(state, now), (*saves, *_begin_rollback(before, state)))


def _with_restored(state: State, now: float) -> State:
    """Go on with the earlier release, where it is the sidecar itself that has put it in place of the bad one."""
    release, order = state.release, state.rollback.order or state.memory.unfinished
    if release is None or order is None or release.phase is not ReleasePhase.ROLLED_BACK:
        return state
    if state.plan.rollback.platform is not PlatformKind.PARENT:
        return state
    target, why = order.target, f"it runs again, in the place of {release.id}"
    restored = ReleaseState(
        id=target.release, phase=ReleasePhase.GOOD, since=now, at=now, saved=now, served=True, reason=why
    )
    return replace(state, release=restored)


def _count(before: State, state: State, release: ReleaseState, fact: Fact, now: float) -> ReleaseState:
    if release.phase not in JUDGED:
        return release
    if isinstance(fact, ObserverLate):
        return replace(release, at=now, since=release.since + fact.lag)
    release = probation.spend(before, release, now)
    if isinstance(fact, ProbeReported) and (probe := state.plan.by_name.get(fact.name)) is not None:
        return probation.measure(state, release, probe, fact.verdict)
    if _ended_unasked(before, fact):
        return replace(release, restarts=release.restarts + 1, within={})
    return release


def _ended_unasked(before: State, fact: Fact) -> bool:
    """Tell whether the gateway has crashed. In parent mode it is the command's end that tells, and nothing else."""
    if probation.is_paused(before) or probation.is_asked(before):
        return False
    if before.child.phase is ChildPhase.NONE:
        return isinstance(fact, GatewayExited) and fact.process == before.gateway.process
    return isinstance(fact, ChildEnded)


def _consider_rollback(state: State, now: float) -> State:
    release, unfinished = state.release, state.memory.unfinished
    if release is None or release.phase not in (ReleasePhase.BAD, ReleasePhase.HELD):
        return state
    if state.rollback.order is not None:
        return state
    if unfinished is not None:
        if release.phase is ReleasePhase.HELD:
            release = advance(release, ReleaseStep.RECONSIDER, release.reason, now)
        return replace(state, release=release, rollback=RollbackState(order=unfinished))
    if release.phase is ReleasePhase.HELD or state.stopping or state.memory.unfit == NOT_RECALLED:
        return state
    answer = admit(state, state.memory.target, now)
    if isinstance(answer, Forbidden):
        held = advance(release, ReleaseStep.HOLD, f"{release.reason}; not rolled back: {answer.reason}", now)
        return replace(state, release=held)
    return replace(state, rollback=RollbackState(order=RollbackOrder(release=release.id, target=answer)))


def _begin_rollback(before: State, state: State) -> tuple[Action, ...]:
    """Have a rollback begun that was decided on, or ordered, just now."""
    order = state.rollback.order
    return () if order is None or order is before.rollback.order else (BeginRollback(order),)


def _save(before: State, state: State, now: float) -> Followed:
    """Have written down what must not be lost: decisions at once and before all else, measurements now and then."""
    old, new = before.release, state.release
    if new is None or old is None:
        return Followed(state, ())
    is_decided = new.phase is not old.phase or new.restarts != old.restarts or new.looks != old.looks
    if not is_decided and not (new.phase in JUDGED and now - new.saved >= CHECKPOINT):
        return Followed(state, ())
    new = replace(new, saved=now)
    saves: tuple[Action, ...] = (SaveRelease(new),)
    if new.phase is ReleasePhase.GOOD and old.phase is not ReleasePhase.GOOD:
        # What later ones are held against comes first: once the release is written down as good, nobody measures it.
        saves = (SaveGood(new, _baseline_of(new, state)), *saves)
    return Followed(replace(state, release=new), saves)


def _baseline_of(release: ReleaseState, state: State) -> dict[str, Sample]:
    """Choose what later releases are held against: what was measured enough; nothing, if no known probe is among it."""
    known, least = state.memory.baseline, state.plan.release.min_samples
    measured = {name: sample for name, sample in release.samples.items() if sample.total >= least}
    return measured if not known or known.keys() & measured.keys() else {}


def _recall(state: State, fact: MemoryRecalled, now: float) -> State:
    """Take over what the store knows. What another replica or a person has decided outranks what is seen here."""
    memory, own, told = fact.memory, state.release, fact.memory.release
    is_first = state.memory.unfit == NOT_RECALLED
    state = replace(state, memory=memory)
    if own is None or told is None or told.id != own.id:
        return state
    if is_first and own.phase in JUDGED:
        return replace(state, release=_resume(own, told, now))
    is_news = told.phase is not own.phase and told.phase not in JUDGED
    if is_news and (own.phase in JUDGED or outranks(told, own, margin=TOGETHER if told.by is None else 0.0)):
        decided = replace(own, phase=told.phase, since=told.since, reason=told.reason, by=told.by, served=told.served)
        return replace(state, release=decided)
    return state


def _resume(own: ReleaseState, told: ReleaseState, now: float) -> ReleaseState:
    """Go on with a release where it was left. Nobody has watched it since then, so that time does not count."""
    unwatched = max(0.0, now - told.at) if told.phase in JUDGED else 0.0
    return replace(told, since=told.since + unwatched, at=now, saved=now, restarts=told.restarts + own.restarts)


def _end_hold(state: State, by: str, now: float) -> State:
    state = replace(state, memory=replace(state.memory, hold=None))
    if state.release is None or state.release.phase is not ReleasePhase.HELD:
        return state
    reconsidered = advance(state.release, ReleaseStep.RECONSIDER, state.release.reason, now, by=by)
    return replace(state, release=reconsidered, rollback=RollbackState())


def _promote(state: State, fact: ReleasePromoted, now: float) -> Followed:
    if state.release is None:
        raise RefusedError("cannot promote: no release is judged here; set release.id, and release.mode other than off")
    if state.rollback.is_under_way:
        raise RefusedError(f"cannot promote: {_under_way(state.rollback)}")
    try:
        good = advance(state.release, ReleaseStep.PROMOTE, f"promoted by {fact.by}: {fact.reason}", now, by=fact.by)
    except IllegalTransitionError:
        raise RefusedError(f"cannot promote release {state.release.id}: it is {state.release.phase} already") from None
    return Followed(replace(state, release=good, rollback=RollbackState()), ())


def _order_rollback(state: State, fact: RollbackOrdered, now: float) -> State:
    """Take an order for what a person wants: the release needs no fault, but the same things are checked."""
    release, target = state.release, fact.target or state.memory.target
    if release is None:
        raise RefusedError("cannot roll back: no release is known here; set release.id")
    if release.phase is ReleasePhase.ROLLED_BACK:
        raise RefusedError(f"cannot roll back: release {release.id} has been rolled back already")
    if state.rollback.is_under_way:
        raise RefusedError(f"cannot roll back: {_under_way(state.rollback)}")
    if target is not None and target.release == release.id:
        raise RefusedError(f"cannot roll back: release {release.id} is the one that runs")
    found = obstacles(state, target, now)
    for obstacle, why in found:
        advice = "" if obstacle in INSURMOUNTABLE else "; --force overrides it"
        if obstacle in INSURMOUNTABLE or not fact.forced:
            raise RefusedError(f"cannot roll back: {why}{advice}")
    assert target is not None  # noqa: S101 - for the type checker: without one there is an obstacle
    overridden = f"; forced over: {'; '.join(why for _, why in found)}" if found else ""
    why = f"rollback ordered by {fact.by}: {fact.reason}{overridden}"
    if release.phase is ReleasePhase.BAD:
        release = replace(release, reason=f"{release.reason}; {why}", by=fact.by)
    else:
        step = ReleaseStep.RECONSIDER if release.phase is ReleasePhase.HELD else ReleaseStep.CONDEMN
        release = advance(release, step, why, now, by=fact.by)
    order = RollbackOrder(release=release.id, target=target, by=fact.by, anew=True)
    return replace(state, release=release, rollback=RollbackState(order=order))


def _under_way(rollback: RollbackState) -> str:
    target = rollback.order.target.release if rollback.order else "?"
    return f"a rollback to release {target} is under way; `sidecar releases` tells how far it is"


def _require_automation(state: State) -> None:
    """Raise ``IllegalTransitionError`` where nothing must be done that no person has ordered."""
    hold, mode = state.memory.hold, state.plan.release.mode
    if hold is not None:
        raise IllegalTransitionError(f"on hold by {hold.by}: {hold.reason}")
    if mode is not ReleaseMode.AUTO:
        raise IllegalTransitionError(f"release.mode is {mode}")


def _advance_rollback(state: State, fact: RollbackAdvanced, now: float) -> State:
    """Move the rollback on. At its end the release has been replaced, or waits for a person."""
    order = state.rollback.order
    if fact.step in (RollbackStep.CLAIM, RollbackStep.ASK) and order is not None and not order.by:
        _require_automation(state)
    phase = advance_rollback(state.rollback.phase, fact.step)
    state = replace(state, rollback=replace(state.rollback, phase=phase, detail=fact.detail))
    release = state.release
    if phase not in FINAL:
        return state
    state = replace(state, memory=replace(state.memory, unfinished=None))
    if release is None or release.phase is not ReleasePhase.BAD:
        return state
    step = ReleaseStep.ROLL_BACK if phase is RollbackPhase.VERIFIED else ReleaseStep.HOLD
    return replace(state, release=advance(release, step, f"{release.reason}; {fact.detail}", now, by=release.by))
