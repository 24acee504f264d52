"""The drain's course, as a table. A step that the table does not have raises and changes nothing."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.errors import IllegalTransitionError
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import DrainPlan


class DrainPhase(StrEnum):
    """How far a drain has come."""

    IDLE = "idle"
    LAME_DUCK = "lame_duck"
    """Readiness says 503 while the gateway still serves, so that traffic leaves."""
    QUIESCING = "quiescing"
    """Waiting for in-flight work."""
    SIGNALLED = "signalled"
    """SIGTERM is sent; waiting for the exit."""
    KILLED = "killed"
    """SIGKILL is sent."""


class DrainStep(StrEnum):
    """What moves a drain on."""

    BEGIN = "begin"
    QUIESCE = "quiesce"
    SIGNAL = "signal"
    ESCALATE = "escalate"
    CANCEL = "cancel"
    """Recovery, or a stop from outside, before the signal."""
    FINISH = "finish"
    """The process is gone, or nothing further is allowed."""


TRANSITIONS: dict[tuple[DrainPhase, DrainStep], DrainPhase] = {
    (DrainPhase.IDLE, DrainStep.BEGIN): DrainPhase.LAME_DUCK,
    (DrainPhase.LAME_DUCK, DrainStep.QUIESCE): DrainPhase.QUIESCING,
    (DrainPhase.LAME_DUCK, DrainStep.CANCEL): DrainPhase.IDLE,
    (DrainPhase.LAME_DUCK, DrainStep.FINISH): DrainPhase.IDLE,
    (DrainPhase.QUIESCING, DrainStep.SIGNAL): DrainPhase.SIGNALLED,
    (DrainPhase.QUIESCING, DrainStep.CANCEL): DrainPhase.IDLE,
    (DrainPhase.QUIESCING, DrainStep.FINISH): DrainPhase.IDLE,
    (DrainPhase.SIGNALLED, DrainStep.ESCALATE): DrainPhase.KILLED,
    (DrainPhase.SIGNALLED, DrainStep.FINISH): DrainPhase.IDLE,
    (DrainPhase.KILLED, DrainStep.FINISH): DrainPhase.IDLE,
}

BEFORE_SIGNAL = frozenset({DrainPhase.LAME_DUCK, DrainPhase.QUIESCING})
"""The phases in which a drain can still be called off."""

SIGNALS = frozenset({DrainPhase.SIGNALLED, DrainPhase.KILLED})
"""The phases in which a signal has been sent: there is no way back."""


class DrainState(Struct, frozen=True, kw_only=True):
    """The drain under way, and those before it."""

    phase: DrainPhase = DrainPhase.IDLE
    since: float = 0.0
    """When this phase began."""
    begun: float = 0.0
    """When the drain began, and readiness with it said 503."""
    process: GatewayProcess | None = None
    reason: str = ""
    history: tuple[float, ...] = ()
    """When drains came to their signal, or would have in shadow; oldest first, as long as a guard can ask for them."""
    total: int = 0
    """Drains begun."""


def advance(state: DrainState, step: DrainStep, plan: DrainPlan, now: float) -> DrainState:
    """Move a drain on by one step.

    Raises ``IllegalTransitionError`` for a step the table does not have, and for a signal before readiness has said 503
    for ``lame_duck`` seconds.
    """
    phase = TRANSITIONS.get((state.phase, step))
    if phase is None:
        raise IllegalTransitionError(f"a drain that is {state.phase} has no step {step}")
    if step in (DrainStep.QUIESCE, DrainStep.SIGNAL) and now - state.begun < plan.lame_duck:
        raise IllegalTransitionError(f"lame duck has {plan.lame_duck - (now - state.begun):.3f} s to go")
    history = _remember(state, plan, now) if _costs_a_drain(state, step, plan) else state.history
    if phase is DrainPhase.IDLE:
        return replace(state, phase=phase, since=now, process=None, reason="", history=history)
    return replace(state, phase=phase, since=now, history=history)


def begin(state: DrainState, process: GatewayProcess, reason: str, plan: DrainPlan, now: float) -> DrainState:
    """Begin a drain of this process."""
    begun = advance(state, DrainStep.BEGIN, plan, now)
    return replace(begun, begun=now, process=process, reason=reason, total=state.total + 1)


def in_last_hour(state: DrainState, now: float) -> int:
    """Count the drains of the last hour."""
    return sum(1 for at in state.history if now - at < 3600)


def cool_down_until(state: DrainState, plan: DrainPlan) -> float | None:
    """Tell until when the last drains forbid another: each one in a row doubles the pause. None without any.

    A drain stands in a row with the one before it unless twice the longest pause lies between them.
    """
    if not state.history:
        return None
    row = 1
    for later, earlier in zip(state.history[:0:-1], state.history[-2::-1], strict=True):
        if later - earlier >= 2 * plan.cool_down_max:
            break
        row += 1
    return state.history[-1] + min(plan.cool_down * 2.0 ** min(row - 1, 32), plan.cool_down_max)


def _costs_a_drain(state: DrainState, step: DrainStep, plan: DrainPlan) -> bool:
    """Tell whether this step is the signal, or in shadow the end that stands for it. What is called off is free."""
    would_signal = plan.shadow and state.phase is DrainPhase.QUIESCING and step is DrainStep.FINISH
    return step is DrainStep.SIGNAL or would_signal


def _remember(state: DrainState, plan: DrainPlan, now: float) -> tuple[float, ...]:
    memory = max(3600.0, 16 * plan.cool_down_max)
    return (*(at for at in state.history if now - at < memory), now)
