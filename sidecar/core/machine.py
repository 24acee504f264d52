"""The one way to change the state: a fact steps it, and says what follows."""

from typing import NamedTuple

from msgspec.structs import replace

from sidecar.core import narrate
from sidecar.core.drain import BEFORE_SIGNAL, SIGNALS, DrainPhase, DrainStep, advance, begin
from sidecar.core.errors import IllegalTransitionError, RefusedError
from sidecar.core.events import (
    Action,
    BeginDrain,
    CancelDrain,
    CancelStart,
    ChildEnded,
    ChildStarted,
    DrainAdvanced,
    DrainOrdered,
    Event,
    Fact,
    GatewayAppeared,
    GatewayExited,
    GiveUp,
    MaintenanceBegun,
    MaintenanceEnded,
    ObserverLate,
    ProbeNow,
    ProbeReported,
    Replanned,
    StartChild,
    StopRequested,
    TimePassed,
)
from sidecar.core.health import new_check
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import Plan, Target
from sidecar.core.policy import Begin, decide_drain, refuse_order, still_due
from sidecar.core.report import pass_again, probe_reported
from sidecar.core.restart import ChildPhase, decide_restart, started
from sidecar.core.rollup import roll_up
from sidecar.core.state import GatewayPhase, GatewayState, State, Withhold


class Step(NamedTuple):
    """What a fact has led to."""

    state: State
    events: tuple[Event, ...]
    actions: tuple[Action, ...]


def begin_state(plan: Plan, now: float) -> State:
    """Begin: nothing is known yet."""
    checks = {probe.name: new_check(probe, now) for probe in plan.probes}
    return _with_health(State(plan=plan, checks=checks), now)


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
    taken, actions = _take_in(_expire(state, now), fact, now)
    if taken is state and not actions:
        return Step(state, (), ())
    taken = _with_health(taken, now)
    taken, drain_actions = _decide(taken, now)
    actions = (*actions, *drain_actions)
    return Step(taken, narrate.tell(state, taken, fact, actions, now), actions)


def _take_in(state: State, fact: Fact, now: float) -> tuple[State, tuple[Action, ...]]:
    match fact:
        case ProbeReported():
            return probe_reported(state, fact, now), ()
        case GatewayAppeared() | GatewayExited() | ChildStarted() | ChildEnded():
            return _process_changed(state, fact, now)
        case DrainAdvanced():
            return _drain_advanced(state, fact, now), ()
        case ObserverLate():
            # What a late observer has not seen, it has not seen unbroken: every proof begins anew.
            checks = {name: replace(check, local_since=None) for name, check in state.checks.items()}
            return replace(state, checks=checks), ()
        case StopRequested():
            return _stop_requested(state)
        case TimePassed():
            return state, ()
        case MaintenanceBegun() | MaintenanceEnded() | DrainOrdered():
            return _operator_spoke(state, fact, now)
        case Replanned():
            return _replanned(state, fact.plan, now)


def _process_changed(
    state: State, fact: GatewayAppeared | GatewayExited | ChildStarted | ChildEnded, now: float
) -> tuple[State, tuple[Action, ...]]:
    match fact:
        case GatewayAppeared():
            return _gateway_appeared(state, fact, now)
        case GatewayExited():
            return _gateway_exited(state, fact, now), ()
        case ChildStarted():
            return _child_started(state, now), ()
        case ChildEnded():
            return _child_ended(state, fact, now)


def _operator_spoke(
    state: State, fact: MaintenanceBegun | MaintenanceEnded | DrainOrdered, now: float
) -> tuple[State, tuple[Action, ...]]:
    match fact:
        case MaintenanceBegun():
            return replace(state, maintenance=fact.maintenance), ()
        case MaintenanceEnded():
            return _end_maintenance(state, now), ()
        case DrainOrdered():
            return _drain_ordered(state, fact, now)


def _expire(state: State, now: float) -> State:
    is_over = state.maintenance is not None and now >= state.maintenance.until
    return _end_maintenance(state, now) if is_over else state


def _end_maintenance(state: State, now: float) -> State:
    """Let the probes decide again. What was broken meanwhile has ``drain_after`` from now to come back."""
    if state.maintenance is None:
        return state
    checks = {
        name: check if check.local_since is None else replace(check, local_since=now)
        for name, check in state.checks.items()
    }
    return replace(state, maintenance=None, checks=checks)


def _drain_ordered(state: State, fact: DrainOrdered, now: float) -> tuple[State, tuple[Action, ...]]:
    process, why = state.gateway.process, refuse_order(state)
    if why is not None or process is None:
        raise RefusedError(f"cannot drain: {why}")
    reason = f"ordered by {fact.by}: {fact.reason}"
    drain = begin(state.drain, process, reason, state.plan.drain, now, ordered=True)
    return replace(state, drain=drain, withheld=None), (BeginDrain(process, reason),)


def _gateway_appeared(state: State, fact: GatewayAppeared, now: float) -> tuple[State, tuple[Action, ...]]:
    known = state.gateway
    if known.phase is GatewayPhase.UP and known.process == fact.process and known.unproven == fact.unproven:
        return state, ()
    gateway = replace(
        known,
        phase=GatewayPhase.UP,
        process=fact.process,
        unproven=fact.unproven,
        last_proven=fact.process or known.last_proven,
    )
    if not _is_somebody_else(known, fact.process):
        return replace(state, gateway=gateway), (ProbeNow(Target.GATEWAY),)
    return _with_clean_counts(state, replace(gateway, since=now), now), (ProbeNow(Target.GATEWAY),)


def _with_clean_counts(state: State, gateway: GatewayState, now: float) -> State:
    """Begin the gateway's checks anew: what they have counted was another process's."""
    checks = {
        probe.name: new_check(probe, now) if probe.target is Target.GATEWAY else state.checks[probe.name]
        for probe in state.plan.probes
    }
    return replace(state, gateway=gateway, checks=checks)


def _is_somebody_else(known: GatewayState, process: GatewayProcess | None) -> bool:
    """Tell whether what the checks have counted was another process's.

    What was seen before the first process was found, was seen of it; and a doubt alone changes nobody.
    """
    if known.phase is GatewayPhase.GONE:
        return True
    return process is not None and known.last_proven is not None and process != known.last_proven


def _gateway_exited(state: State, fact: GatewayExited, now: float) -> State:
    if state.gateway.process != fact.process or state.gateway.phase is GatewayPhase.GONE:
        return state
    return _gone(state, now)


def _gone(state: State, now: float) -> State:
    drain = state.drain
    if drain.phase is not DrainPhase.IDLE:
        drain = advance(drain, DrainStep.FINISH, state.plan.drain, now)
    return replace(state, drain=drain, gateway=replace(state.gateway, phase=GatewayPhase.GONE, since=now))


def _child_started(state: State, now: float) -> State:
    """Wait for another process to listen; what is observed from now on is about it."""
    running = replace(state, child=started(state.child))
    return _with_clean_counts(running, GatewayState(since=now), now)


def _child_ended(state: State, fact: ChildEnded, now: float) -> tuple[State, tuple[Action, ...]]:
    """Whoever listened has ended with the command, or is about to be ended: nothing of it stays behind."""
    ended = state if state.gateway.phase is GatewayPhase.GONE else _gone(state, now)
    if state.stopping:
        return replace(ended, child=replace(state.child, phase=ChildPhase.ENDED)), ()
    child, pause = decide_restart(state.child, state.plan.parent, now)
    action = GiveUp(fact.ending.status or 1) if pause is None else StartChild(pause)
    return replace(ended, child=child), (action,)


def _stop_requested(state: State) -> tuple[State, tuple[Action, ...]]:
    if state.child.phase is not ChildPhase.RESTARTING:
        return replace(state, stopping=True), ()
    return replace(state, stopping=True, child=replace(state.child, phase=ChildPhase.ENDED)), (CancelStart(),)


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
    elif not state.drain.ordered and not still_due(state):
        why, step = "the failure is over, or no longer proven", DrainStep.CANCEL
    else:
        return state, ()
    called_off = replace(state, drain=advance(state.drain, step, state.plan.drain, now))
    return _with_health(called_off, now), (CancelDrain(why),)
