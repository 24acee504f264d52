"""When a sick gateway is drained, and why not."""

from msgspec import Struct

from sidecar.core.drain import DrainPhase, cool_down_until, in_last_hour
from sidecar.core.health import Check, CheckState
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import OnFailure, ProbePlan, Target
from sidecar.core.releases.release import Hold
from sidecar.core.state import GatewayPhase, GatewayState, Guard, State, Withhold
from sidecar.core.verdict import Outcome


class Begin(Struct, frozen=True):
    """Drain this process now."""

    process: GatewayProcess
    reason: str


def decide_drain(state: State, now: float) -> Begin | Withhold | None:
    """Decide whether a drain begins; None while none is due."""
    sick = _sick(state)
    if not sick or state.gateway.phase is GatewayPhase.GONE:
        return None
    drain_after = state.plan.drain.drain_after
    proven = [(check.local_since, probe, check) for probe, check in sick if check.local_since is not None]
    if not proven:
        return _not_proven(sick, drain_after, now)
    since, probe, check = min(proven, key=lambda item: item[0])
    if now < since + drain_after:  # as it is foretold: a difference may be less by the last bit of a fraction
        return None
    reason = f"{probe.name} has failed for {now - since:.0f} s: {check.verdict.reason if check.verdict else ''}"
    forbidding = _guard(state, now)
    if forbidding is not None:
        guard, why = forbidding
        return Withhold(guard, f"{reason}; {why}")
    return Begin(state.gateway.process, reason) if state.gateway.process else None


def is_sick(state: State) -> bool:
    """Tell whether a check fails for which a gateway is drained, proven to be its own fault or not."""
    return bool(_sick(state))


def drain_due_at(state: State) -> float | None:
    """Tell when a drain is due if its failure goes on; None while none is."""
    if state.gateway.phase is GatewayPhase.GONE:
        return None
    proofs = [check.local_since for _, check in _sick(state) if check.local_since is not None]
    return min(proofs) + state.plan.drain.drain_after if proofs else None


def refuse_order(state: State) -> str | None:
    """Tell why an operator's drain must not begin; None when it may.

    It needs no failure and heeds no threshold, no age and no pause; but the process must be proven, as for any signal.
    """
    gateway, drain = state.gateway, state.drain
    reasons = (
        *_never_ended(state),
        (drain.phase is not DrainPhase.IDLE, f"one is under way ({drain.phase}): {drain.reason}"),
        (gateway.phase is GatewayPhase.GONE, "the gateway's process is gone, so there is nothing to drain"),
        (gateway.process is None, _unproven(gateway)),
    )
    return next((why for refused, why in reasons if refused), None)


def refuse_replacement(state: State) -> str | None:
    """Tell why the command must not be ended for another one to take its place; None when it may.

    The sidecar has started it, so that it need not be proven; a drain that is under way is just what is wanted, if no
    recovery calls it off.
    """
    shadow = (state.plan.drain.shadow, "drain.shadow is true: the gateway is never signalled")
    return next((why for refused, why in (*_never_ended(state), shadow) if refused), None)


def _never_ended(state: State) -> tuple[tuple[bool, str], ...]:
    """Name what forbids to end the gateway, whoever has ordered it."""
    return (
        (state.stopping, "the sidecar is stopping"),
        (state.maintenance is not None, "maintenance is on, and no drain begins in it: sidecar maintenance off"),
        (not state.plan.drain.enabled, "drain.enabled is false: the gateway is never signalled"),
    )


def still_due(state: State) -> bool:
    """Tell whether the failure that a drain began for is still there and still proven local."""
    return any(check.local_since is not None for _, check in _sick(state))


def _sick(state: State) -> list[tuple[ProbePlan, Check]]:
    return [
        (probe, state.checks[probe.name])
        for probe in state.plan.probes
        if probe.target is Target.GATEWAY
        and probe.on_failure is OnFailure.DRAIN
        and state.checks[probe.name].state is CheckState.FAILING
    ]


def _not_proven(sick: list[tuple[ProbePlan, Check]], drain_after: float, now: float) -> Withhold | None:
    probe, check = min(sick, key=lambda item: item[1].since)
    if now < check.since + drain_after or check.verdict is None:
        return None
    if check.outcome is Outcome.UNKNOWN:
        return Withhold(Guard.UNKNOWN, f"{probe.name} cannot tell any more: {check.verdict.reason}")
    return Withhold(Guard.NOT_LOCAL, f"{probe.name} fails, but not provably by this gateway: {check.verdict.reason}")


def _guard(state: State, now: float) -> tuple[Guard, str] | None:
    """Find the first guard that forbids a drain, and say why."""
    rules, gateway = state.plan.drain, state.gateway
    age = now - gateway.process.started if gateway.process else 0.0
    cool = cool_down_until(state.drain, rules) or now
    guards = (
        (not rules.enabled, Guard.DISABLED, "drain.enabled is false"),
        (state.maintenance is not None, Guard.MAINTENANCE, "maintenance is on"),
        (state.memory.hold is not None, Guard.HOLD, _on_hold(state.memory.hold)),
        (state.stopping, Guard.STOPPING, "the sidecar is stopping"),
        (not state.health.started, Guard.STARTING, "the deployment has not started yet"),
        (now > state.health.believe_until, Guard.STALE, "the evidence is too old to act on"),
        (gateway.process is None, Guard.UNPROVEN_PROCESS, _unproven(gateway)),
        (age < rules.min_uptime, Guard.MIN_UPTIME, f"it is {age:.0f} s old, min_uptime is {rules.min_uptime:.0f} s"),
        (
            in_last_hour(state.drain, now) >= rules.max_per_hour,
            Guard.MAX_PER_HOUR,
            f"{rules.max_per_hour} drains in the last hour are the maximum",
        ),
        (now < cool, Guard.COOL_DOWN, f"cooling down for another {cool - now:.0f} s"),
    )
    return next(((guard, why) for forbids, guard, why in guards if forbids), None)


def _on_hold(hold: Hold | None) -> str:
    return f"on hold by {hold.by}: {hold.reason}" if hold else ""


def _unproven(gateway: GatewayState) -> str:
    return gateway.unproven or "no process of the gateway is known"
