"""The one way to change the state: a fact steps it, and says what follows."""

from typing import NamedTuple

from msgspec.structs import replace

from sidecar.core import narrate
from sidecar.core.actions import Action, BeginDrain, CancelDrain, SaveStanding
from sidecar.core.drain import BEFORE_SIGNAL, SIGNALS, DrainPhase, DrainStep, advance, begin
from sidecar.core.errors import IllegalTransitionError
from sidecar.core.events import Event
from sidecar.core.facts import (
    ChildEnded,
    ChildStarted,
    DrainAdvanced,
    DrainOrdered,
    Fact,
    GatewayAppeared,
    GatewayExited,
    MaintenanceBegun,
    MaintenanceEnded,
    ObserverLate,
    ProbeReported,
    ReplacementOrdered,
    Replanned,
    StopRequested,
    TimePassed,
)
from sidecar.core.health import new_check
from sidecar.core.orders import expire, operator_spoke
from sidecar.core.plan import Plan
from sidecar.core.policy import Begin, decide_drain, still_due
from sidecar.core.processes import process_changed, stop_requested
from sidecar.core.releases import lifecycle
from sidecar.core.report import pass_again, probe_reported
from sidecar.core.restart import ChildPhase
from sidecar.core.rollup import roll_up
from sidecar.core.standing import has_changed, standing_of
from sidecar.core.state import State, Withhold


class Step(NamedTuple):
    """What a fact has led to."""

    state: State
    events: tuple[Event, ...]
    actions: tuple[Action, ...]


def begin_state(plan: Plan, now: float) -> State:
    """Begin: nothing is known yet."""
    checks = {probe.name: new_check(probe, now) for probe in plan.probes}
    return _with_health(State(plan=plan, checks=checks, release=lifecycle.begin_release(plan, now)), now)


def step(state: State, fact: Fact, now: float) -> Step:
    """Take in one fact.

    Raises ``IllegalTransitionError`` for a drain step that is not allowed, ``RefusedError`` for an order that is not;
    nothing has changed then.
    """
    if isinstance(fact, ProbeReported) and (unchanged := pass_again(state, fact, now)) is not None:
        return Step(unchanged, (), ())
    return step_in_full(state, fact, now)


def step_in_full(state: State, fact: Fact, now: float) -> Step:
    """Do the same as ``step`` without its shortcut: look at every check, whatever the fact."""
    taken, actions = _take_in(expire(state, now), fact, now)
    if taken is state and not actions:
        return Step(state, (), ())
    taken, release_actions = lifecycle.follow(state, _with_health(taken, now), fact, now)
    taken, drain_actions = _decide(_with_health(taken, now), now)
    actions = (*actions, *release_actions, *drain_actions)
    if has_changed(state, taken):
        actions = (*actions, SaveStanding(standing_of(taken)))
    return Step(taken, narrate.tell(state, taken, fact, actions, now), actions)


def _take_in(state: State, fact: Fact, now: float) -> tuple[State, tuple[Action, ...]]:
    match fact:
        case ProbeReported():
            return probe_reported(state, fact, now), ()
        case GatewayAppeared() | GatewayExited() | ChildStarted() | ChildEnded():
            return process_changed(state, fact, now)
        case DrainAdvanced():
            return _drain_advanced(state, fact, now), ()
        case ObserverLate():
            # What a late observer has not seen, it has not seen unbroken: every proof begins anew.
            checks = {name: replace(check, local_since=None) for name, check in state.checks.items()}
            return replace(state, checks=checks), ()
        case StopRequested():
            return stop_requested(state)
        case TimePassed():
            return state, ()
        case MaintenanceBegun() | MaintenanceEnded() | DrainOrdered() | ReplacementOrdered():
            return operator_spoke(state, fact, now)
        case Replanned():
            return _replanned(state, fact.plan, now)
        case _:
            return lifecycle.take_in(state, fact, now)


def _drain_advanced(state: State, fact: DrainAdvanced, now: float) -> State:
    drain = state.drain
    if fact.step is DrainStep.SIGNAL and now > state.health.believe_until and not drain.ordered:
        raise IllegalTransitionError("the evidence is too old to send a signal on it")
    drain = advance(drain, fact.step, state.plan.drain, now)
    if drain.phase not in SIGNALS or state.child.phase is not ChildPhase.RUNNING:
        return replace(state, drain=drain)
    return replace(state, drain=drain, child=replace(state.child, asked=True))


def _replanned(state: State, plan: Plan, now: float) -> tuple[State, tuple[Action, ...]]:
    """Keep what is known of unchanged probes; what has once started stays started.

    A drain goes by the rules under which it began. When they change before the signal it is called off, and the new
    rules decide whether another begins.
    """
    checks = {
        probe.name: state.checks[probe.name]
        if state.plan.by_name.get(probe.name) == probe
        else new_check(probe, now, latched=state.health.started or _latched(state, probe.name))
        for probe in plan.probes
    }
    replanned = replace(state, plan=plan, checks=checks)
    is_called_off = state.drain.phase in BEFORE_SIGNAL and plan.drain != state.plan.drain
    if not is_called_off:
        return replanned, ()
    drain = advance(state.drain, DrainStep.CANCEL, state.plan.drain, now)
    return replace(replanned, drain=drain), (CancelDrain("the drain's rules have changed"),)


def _latched(state: State, name: str) -> bool:
    check = state.checks.get(name)
    return check is not None and check.latched


def _with_health(state: State, now: float) -> State:
    return replace(state, health=roll_up(state, now))


def _decide(state: State, now: float) -> tuple[State, tuple[Action, ...]]:
    if state.drain.phase is not DrainPhase.IDLE:
        return _reconsider(state, now)
    decision = decide_drain(state, now)
    match decision:
        case Begin(process, reason):
            drain = begin(state.drain, process, reason, state.plan.drain, now)
            begun = _with_health(replace(state, drain=drain, withheld=None), now)
            return begun, (BeginDrain(process, reason),)
        case Withhold(guard, _) if state.withheld is None or guard is not state.withheld.guard:
            counts = {**state.withheld_counts, guard: state.withheld_counts.get(guard, 0) + 1}
            return replace(state, withheld=decision, withheld_counts=counts), ()
        case None if state.withheld is not None:
            return replace(state, withheld=None), ()
    return state, ()


def _reconsider(state: State, now: float) -> tuple[State, tuple[Action, ...]]:
    """Call a drain off that is no longer right, as long as no signal has been sent."""
    if state.drain.process != state.gateway.process:
        why, step = "another process is the gateway now", DrainStep.FINISH
    elif state.drain.phase in SIGNALS:
        return state, ()
    elif state.stopping:
        why, step = "the sidecar was asked to stop", DrainStep.CANCEL
    elif state.maintenance is not None:
        why, step = "maintenance has begun", DrainStep.CANCEL
    elif state.memory.hold is not None and not state.drain.ordered:
        why, step = "an operator has stopped all automation", DrainStep.CANCEL
    elif not state.drain.ordered and not still_due(state):
        why, step = "the failure is over, or no longer proven", DrainStep.CANCEL
    else:
        return state, ()
    called_off = replace(state, drain=advance(state.drain, step, state.plan.drain, now))
    return _with_health(called_off, now), (CancelDrain(why),)
