"""What becomes of the state when the gateway's process, or the command that started it, comes or goes."""

from msgspec.structs import replace

from sidecar.core.actions import Action, CancelStart, GiveUp, ProbeNow, StartChild
from sidecar.core.drain import DrainPhase, DrainStep, advance
from sidecar.core.facts import ChildEnded, ChildStarted, GatewayAppeared, GatewayExited
from sidecar.core.health import new_check
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import Target
from sidecar.core.restart import ChildPhase, decide_restart, started
from sidecar.core.standing import take_up
from sidecar.core.state import GatewayPhase, GatewayState, State


def process_changed(
    state: State, fact: GatewayAppeared | GatewayExited | ChildStarted | ChildEnded, now: float
) -> tuple[State, tuple[Action, ...]]:
    """Take in who is the gateway, or how the command is."""
    match fact:
        case GatewayAppeared():
            appeared, actions = _gateway_appeared(state, fact, now)
            return take_up(appeared), actions
        case GatewayExited():
            return _gateway_exited(state, fact, now), ()
        case ChildStarted():
            return _child_started(state, now), ()
        case ChildEnded():
            return _child_ended(state, fact, now)


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


def stop_requested(state: State) -> tuple[State, tuple[Action, ...]]:
    """Take in that the sidecar is to end; a command that waits for its restart is not started again."""
    if state.child.phase is not ChildPhase.RESTARTING:
        return replace(state, stopping=True), ()
    return replace(state, stopping=True, child=replace(state.child, phase=ChildPhase.ENDED)), (CancelStart(),)
