"""What holds the status, how old the evidence is, and what happens next unless something changes."""

from collections.abc import Iterator
from math import inf

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.drain import SIGNALS, DrainPhase
from sidecar.core.health import GATING, Check, CheckState, is_undecided, stale_at
from sidecar.core.plan import OnFailure, ProbePlan
from sidecar.core.policy import Begin, decide_drain, drain_due_at, is_sick
from sidecar.core.releases.probation import is_excused, is_paused
from sidecar.core.releases.release import ReleasePhase
from sidecar.core.snapshot import TOO_OLD, Snapshot, health_at
from sidecar.core.state import DeploymentStatus, GatewayPhase, State, Withhold
from sidecar.core.verdict import Outcome

_CONSEQUENCE = {
    OnFailure.DRAIN: "unready",
    OnFailure.UNREADY: "unready",
    OnFailure.DEGRADE: "degraded",
    OnFailure.OBSERVE: "failing, which changes nothing else",
}


class Outlook(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One check: what it rests on, and what comes of it. Times are seconds from now."""

    name: str
    state: CheckState
    outcome: Outcome | None = None
    age: float | None = None
    """How long ago the latest evidence was gathered."""
    next_look: float
    """When the next look is due; it may come up to one tick earlier or later."""
    next: str | None = None
    """What the next looks can change."""


class Forecast(Struct, frozen=True, kw_only=True, rename="camel"):
    """The whole deployment."""

    ready: bool
    live: bool
    started: bool
    held_by: tuple[str, ...]
    """The rules that keep the status from being better; empty when it is ready."""
    next: tuple[str, ...]
    """What happens to the deployment, soonest decided first."""
    checks: tuple[Outlook, ...]


def forecast(snapshot: Snapshot, now: float) -> Forecast:
    """Tell what may be expected at this moment."""
    state = snapshot.state
    health = health_at(snapshot, now)
    checks = tuple(_outlook(probe, state.checks[probe.name], now) for probe in state.plan.probes)
    expected = [*_orders(state, now), *_drain(state, now), *_release(state, now)]
    if health.reasons[:1] == (TOO_OLD,):
        expected.append("ready again at the earliest with the next verdicts: these are overdue")
    elif health.ready and health.believe_until < inf:
        expected.append(f"unready in {_seconds(health.believe_until - now)} should the probes fall silent")
    expected += [f"{check.name}: {check.next}" for check in checks if check.next]
    return Forecast(
        ready=health.ready,
        live=health.live,
        started=health.started,
        held_by=() if health.status is DeploymentStatus.READY else health.reasons,
        next=tuple(expected),
        checks=checks,
    )


def _outlook(probe: ProbePlan, check: Check, now: float) -> Outlook:
    pause = probe.fast_interval if is_undecided(check) else probe.interval
    due = max(0.0, check.reported_at + (pause if check.verdict else 0.0) - now)
    return Outlook(
        name=probe.name,
        state=check.state,
        outcome=check.outcome,
        age=round(max(0.0, now - check.reported_at), 1) if check.verdict else None,
        next_look=round(due, 1),
        next=_decision(probe, check, due, now),
    )


def _decision(probe: ProbePlan, check: Check, due: float, now: float) -> str | None:
    """Word what the next looks decide; None while all is well."""
    consequence, left = _CONSEQUENCE[probe.on_failure], stale_at(check, probe) - now
    if check.outcome is Outcome.UNKNOWN and probe.on_failure in GATING and check.state is not CheckState.FAILING:
        return (
            f"unready in {_seconds(left)} unless it can tell again" if left > 0 else "unready until it can tell again"
        )
    if check.state is CheckState.FAILING:
        return f"{_more(probe.success_threshold - check.successes, 'pass', due)}: passing again"
    if check.failures:
        return f"{_more(probe.failure_threshold - check.failures, 'failure', due)}: {consequence}"
    if check.state is CheckState.PENDING:
        return f"{_more(probe.success_threshold - check.successes, 'pass', due)}: passing"
    return None


def _more(count: int, what: str, due: float) -> str:
    plural = {"pass": "passes", "failure": "failures"}[what]
    if count == 1:
        return f"1 more {what} in {_seconds(due)}"
    return f"{count} more {plural}, the next look in {_seconds(due)}"


def _orders(state: State, now: float) -> Iterator[str]:
    if state.stopping:
        yield "the sidecar stops when the gateway is gone"
    if state.maintenance is not None:
        yield f"maintenance ends in {_seconds(state.maintenance.until - now)}, then the probes decide again"
    if state.plan.watches_gateway and state.gateway.phase is GatewayPhase.GONE:
        yield "unready until another process listens on the gateway's port and passes"


def _drain(state: State, now: float) -> Iterator[str]:
    if state.drain.phase is not DrainPhase.IDLE:
        yield _drain_step(state, now)
        return
    decision = decide_drain(state, now)
    if isinstance(decision, Withhold):
        yield f"a drain is withheld ({decision.guard}): {decision.reason}"
        return
    due = drain_due_at(state)
    if due is None or due <= now:
        if is_sick(state) and state.gateway.phase is not GatewayPhase.GONE:
            yield "no drain, unless the failure proves to be the gateway's own"
        return
    # Taken that the probes go on to report, so that the evidence will be fresh then.
    then = decide_drain(replace(state, health=replace(state.health, believe_until=inf)), due)
    if isinstance(then, Begin):
        yield f"drain in {_seconds(due - now)} unless it recovers"
    elif isinstance(then, Withhold):
        yield f"a drain is due in {_seconds(due - now)} unless it recovers, and will be withheld: {then.guard}"


def _release(state: State, now: float) -> Iterator[str]:
    release, rules, rollback = state.release, state.plan.release, state.rollback
    if state.memory.hold is not None:
        yield "nothing happens by itself until sidecar unhold: no drain, no promotion, no rollback"
    if rollback.is_under_way and rollback.order is not None:
        yield f"the rollback to release {rollback.order.target.release} is {rollback.phase}: {rollback.detail}"
    if release is None or is_paused(state):
        return
    passed = now - release.since
    if is_excused(state, release):
        yield f"release {release.id} waits for an upstream: until all of them pass, release.start_within does not run"
    elif release.phase is ReleasePhase.STARTING:
        yield f"release {release.id} is bad in {_seconds(rules.start_within - passed)} unless it has started"
    elif release.phase is ReleasePhase.BAKING and passed < rules.bake:
        yield f"release {release.id} is good in {_seconds(rules.bake - passed)} unless a fault is found"
    elif release.phase is ReleasePhase.BAKING:
        last = _seconds(rules.bake_limit - passed)
        yield f"release {release.id} is good as soon as its samples suffice and it is ready, in {last} without them"
    elif release.phase is ReleasePhase.HELD:
        yield f"release {release.id} stays as it is until sidecar rollback, sidecar promote, or another deployment"


def _drain_step(state: State, now: float) -> str:
    drain, rules = state.drain, state.plan.drain
    end = " (shadow: it is not sent)" if rules.shadow else ""
    called_off = "" if drain.phase in SIGNALS or drain.ordered else " unless it recovers"
    match drain.phase:
        case DrainPhase.LAME_DUCK:
            left = drain.begun + rules.lame_duck - now
            return f"lame duck ends in {_seconds(left)}, SIGTERM{end} follows within {rules.quiesce:g} s{called_off}"
        case DrainPhase.QUIESCING:
            return f"SIGTERM{end} in {_seconds(drain.since + rules.quiesce - now)} at the latest{called_off}"
        case DrainPhase.SIGNALLED:
            then = "SIGKILL" if rules.escalate else "the drain gives up"
            return f"{then} in {_seconds(drain.since + rules.grace - now)} unless the gateway exits"
        case _:
            return "the gateway's end by SIGKILL is awaited"


def _seconds(count: float) -> str:
    """Write a duration for people, never below zero."""
    whole = max(0, round(count))
    if whole < 120:
        return f"{whole} s"
    return f"{round(whole / 60)} min" if whole < 7200 else f"{whole // 3600} h {whole % 3600 // 60} min"
