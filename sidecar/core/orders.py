"""What an operator or a rollback orders: it outranks what the probes see."""

from msgspec.structs import replace

from sidecar.core.actions import Action, BeginDrain, EndChild
from sidecar.core.drain import BEFORE_SIGNAL, DrainPhase, begin
from sidecar.core.errors import RefusedError
from sidecar.core.facts import DrainOrdered, MaintenanceBegun, MaintenanceEnded, ReplacementOrdered
from sidecar.core.identity import GatewayProcess
from sidecar.core.policy import refuse_order, refuse_replacement
from sidecar.core.restart import ChildPhase
from sidecar.core.state import GatewayPhase, State


def operator_spoke(
    state: State, fact: MaintenanceBegun | MaintenanceEnded | DrainOrdered | ReplacementOrdered, now: float
) -> tuple[State, tuple[Action, ...]]:
    """Take in a word or an order. Raises ``RefusedError`` for an order that cannot be carried out."""
    match fact:
        case MaintenanceBegun():
            return replace(state, maintenance=fact.maintenance), ()
        case MaintenanceEnded():
            return _end_maintenance(state, now), ()
        case DrainOrdered():
            return _drain_ordered(state, fact, now)
        case ReplacementOrdered():
            return _replacement_ordered(state, fact, now)


def expire(state: State, now: float) -> State:
    """End what an operator has said for a time that is over."""
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
    return _begin_drain(state, process, f"ordered by {fact.by}: {fact.reason}", now)


def _replacement_ordered(state: State, fact: ReplacementOrdered, now: float) -> tuple[State, tuple[Action, ...]]:
    """See to it that the command ends: the next one is started when it has."""
    process, why = state.gateway.process, refuse_replacement(state)
    if why is not None:
        raise RefusedError(f"cannot end the gateway: {why}")
    if state.drain.phase in BEFORE_SIGNAL:
        return replace(state, drain=replace(state.drain, ordered=True, reason=fact.reason)), ()
    if state.drain.phase is not DrainPhase.IDLE or state.child.phase is not ChildPhase.RUNNING:
        return state, ()
    if process is None or state.gateway.phase is GatewayPhase.GONE:
        return replace(state, child=replace(state.child, asked=True)), (EndChild(),)
    return _begin_drain(state, process, fact.reason, now)


def _begin_drain(state: State, process: GatewayProcess, reason: str, now: float) -> tuple[State, tuple[Action, ...]]:
    drain = begin(state.drain, process, reason, state.plan.drain, now, ordered=True)
    return replace(state, drain=drain, withheld=None), (BeginDrain(process, reason),)
