"""From all checks together to what the deployment is."""

from collections.abc import Iterator, Mapping
from math import inf
from operator import attrgetter

from sidecar.core.drain import DrainPhase
from sidecar.core.health import GATING, Check, CheckState, stale_at
from sidecar.core.plan import OnFailure, ProbePlan, Target
from sidecar.core.releases.probation import holds_back
from sidecar.core.restart import ChildPhase
from sidecar.core.state import DeploymentStatus, GatewayPhase, Health, State
from sidecar.core.verdict import Evidence, Outcome

_UNRESPONSIVE = (Evidence.GONE, Evidence.REFUSED, Evidence.SILENT)
_BELIEVED = attrgetter("believe_until")
"""Of all that is asked at every verdict, the one thing that takes all checks: so it is asked in C."""


def roll_up(state: State, now: float) -> Health:
    """Work out the deployment's health at this moment."""
    pairs = [(probe, state.checks[probe.name]) for probe in state.plan.probes]
    # A check that passes has passed once, and stands against nothing as long as it may be believed: most are left out.
    odd = [
        (probe, check)
        for probe, check in pairs
        if check.state is not CheckState.PASSING or check.verdict is None or check.verdict.outcome is not Outcome.PASS
    ]
    until = believe_until(state.checks)
    started = all(check.latched for probe, check in odd if probe.startup)
    against = tuple(_against_readiness(state, pairs if now > until else odd, now))
    concerns = tuple(_concerns(odd))
    held_back = tuple(holds_back(state, now))
    missing = (*_not_started(odd), *held_back) if not started else held_back
    if not started or held_back:
        status = DeploymentStatus.STARTING
    elif against:
        status = DeploymentStatus.UNHEALTHY
    else:
        status = DeploymentStatus.DEGRADED if concerns else DeploymentStatus.READY
    draining = state.drain.phase is not DrainPhase.IDLE
    excused = state.stopping or state.maintenance is not None or draining or _is_started_again(state)
    return Health(
        status=status,
        ready=started and not held_back and not against,
        live=excused or not _dead_or_hung(state, odd, started=started),
        started=started,
        reasons=tuple(dict.fromkeys(against + missing + concerns)),
        believe_until=until,
    )


def believe_until(checks: Mapping[str, Check]) -> float:
    """Find the moment when the first check falls silent, or the first gating one is unknown for too long."""
    return min(map(_BELIEVED, checks.values()), default=inf)


def _against_readiness(state: State, pairs: list[tuple[ProbePlan, Check]], now: float) -> Iterator[str]:
    if state.maintenance is not None:
        yield f"maintenance ({state.maintenance.by}): {state.maintenance.reason}"
    if state.stopping:
        yield "stopping: asked to stop"
    if state.drain.phase is not DrainPhase.IDLE:
        yield f"draining ({state.drain.phase}): {state.drain.reason}"
    if state.child.phase is ChildPhase.RESTARTING:
        yield "gateway: its command has ended, and is started again"
    elif state.gateway.phase is GatewayPhase.GONE and state.plan.watches_gateway:
        yield "gateway: its process is gone"
    for probe, check in pairs:
        if probe.on_failure in GATING:
            if check.state is CheckState.FAILING:
                yield f"{probe.name}: {_reason(check)}"
            elif now > stale_at(check, probe):
                yield f"{probe.name}: nothing is known for {now - check.known_at:.0f} s"


def _concerns(pairs: list[tuple[ProbePlan, Check]]) -> Iterator[str]:
    """Collect what degrades a deployment that is ready."""
    for probe, check in pairs:
        if check.outcome is Outcome.PASS and check.state is not CheckState.FAILING:
            continue
        doubtful = check.outcome in (Outcome.WARN, Outcome.UNKNOWN)
        failing = probe.on_failure is OnFailure.DEGRADE and check.state is CheckState.FAILING
        if probe.on_failure is not OnFailure.OBSERVE and (doubtful or failing):
            yield f"{probe.name}: {_reason(check)}"


def _not_started(pairs: list[tuple[ProbePlan, Check]]) -> list[str]:
    return [
        f"{probe.name}: has not passed yet" + (f": {_reason(check)}" if check.verdict else "")
        for probe, check in pairs
        if probe.startup and not check.latched
    ]


def _is_started_again(state: State) -> bool:
    """Tell whether the sidecar has ended the gateway and waits for its command to follow, or starts it again."""
    child = state.child
    return child.phase is ChildPhase.RESTARTING or (child.asked and state.gateway.phase is GatewayPhase.GONE)


def _dead_or_hung(state: State, pairs: list[tuple[ProbePlan, Check]], *, started: bool) -> bool:
    if not state.plan.watches_gateway:
        return False
    if state.gateway.phase is GatewayPhase.GONE and state.child.phase is not ChildPhase.RUNNING:
        return True  # while a command of ours runs, its own end decides: that is told in the same moment
    return started and any(
        probe.target is Target.GATEWAY
        and probe.on_failure is OnFailure.DRAIN
        and check.state is CheckState.FAILING
        and check.verdict is not None
        and check.verdict.evidence in _UNRESPONSIVE
        for probe, check in pairs
    )


def _reason(check: Check) -> str:
    return check.verdict.reason if check.verdict else "no verdict yet"
