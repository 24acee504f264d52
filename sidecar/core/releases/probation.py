"""A release on probation: whether it may take traffic, whether it is bad, whether it is good."""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from sidecar.core.blame import is_unhealthy_by_itself, upstreams_pass
from sidecar.core.drain import DrainPhase
from sidecar.core.plan import ProbePlan, Target
from sidecar.core.releases.baseline import Standing, compare, keeps_within, look_due, risk_of_look
from sidecar.core.releases.memory import NOT_RECALLED
from sidecar.core.releases.release import JUDGED, ReleasePhase, ReleaseState, ReleaseStep
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.core.releases.sample import Sample, add, merge
from sidecar.core.rules import PlatformKind, ReleaseMode
from sidecar.core.state import State
from sidecar.core.verdict import Outcome, Verdict

TRAFFIC = "traffic"
"""The name of what the gateway itself has measured, among those of the probes."""

LONGEST_SILENCE = 30.0
"""Seconds between two facts that count against a release: what is longer is the observer's failing."""

RECALL_WITHIN = 5.0
"""Seconds that the store has to tell what is known of a release; then it is one of which nothing is known."""


class Decision(NamedTuple):
    """What follows for the release, and why."""

    step: ReleaseStep
    reason: str


def is_paused(state: State) -> bool:
    """Tell whether the time does not count: an operator has said so, or somebody is stopping the gateway."""
    return state.memory.hold is not None or _is_out(state)


def is_excused(state: State, release: ReleaseState) -> bool:
    """Tell whether a release that starts has an upstream to wait for: that is somebody else's outage, not its fault.

    Not before the store is read, for which there is a deadline.
    """
    recalled = state.memory.unfit != NOT_RECALLED
    return release.phase is ReleasePhase.STARTING and recalled and not upstreams_pass(state)


def measure(state: State, release: ReleaseState, probe: ProbePlan, verdict: Verdict) -> ReleaseState:
    """Count one look at the gateway. During an outage of an upstream it would be the upstream that is measured."""
    if probe.target is not Target.GATEWAY or verdict.outcome is Outcome.UNKNOWN or not _counts(state, release):
        return release
    seconds, failed = verdict.observation.elapsed, verdict.outcome is Outcome.FAIL
    if release.phase is ReleasePhase.BAKING:
        sample = add(release.samples.get(probe.name, Sample()), seconds, failed=failed)
        return replace(release, samples={**release.samples, probe.name: sample})
    baseline = state.memory.baseline.get(probe.name)
    keeps = not failed and (baseline is None or keeps_within(baseline, seconds, state.plan.release))
    row = release.within.get(probe.name, 0) + 1 if keeps else 0
    return replace(release, within={**release.within, probe.name: row})


def measure_traffic(state: State, release: ReleaseState, sample: Sample) -> ReleaseState:
    """Take in what the gateway itself has measured."""
    if release.phase is not ReleasePhase.BAKING or not _counts(state, release):
        return release
    known = release.samples.get(TRAFFIC, Sample())
    return replace(release, samples={**release.samples, TRAFFIC: merge(known, sample)})


def spend(before: State, release: ReleaseState, now: float) -> ReleaseState:
    """Let the time pass since the last fact: it counts for the bake, against the release, or not at all."""
    passed = now - release.at
    if is_paused(before) or is_excused(before, release):
        return replace(release, at=now, since=release.since + passed)
    if release.phase is ReleasePhase.BAKING and not is_asked(before) and is_unhealthy_by_itself(before):
        return replace(release, at=now, unhealthy=release.unhealthy + min(passed, LONGEST_SILENCE))
    return replace(release, at=now)


def decide(state: State, release: ReleaseState, now: float) -> tuple[ReleaseState, Decision | None]:
    """Decide what follows for the release; it comes back with the looks at its samples counted."""
    rules = state.plan.release
    if release.phase not in JUDGED or _is_out(state) or _may_be_known(state, release, now):
        return release, None
    if release.phase is ReleasePhase.STARTING and state.health.started and not any(missing(state, release)):
        return release, Decision(ReleaseStep.SERVE, "every startup check has passed")
    if state.memory.hold is not None:
        return release, None  # who starts while automation is stopped takes traffic all the same, but nothing more
    if release.restarts > rules.restart_budget:
        why = f"restart_budget is {rules.restart_budget}: its gateway has ended unasked {release.restarts} times"
        return release, Decision(ReleaseStep.CONDEMN, why)
    if release.phase is ReleasePhase.STARTING:
        return release, _decide_start(state, release, now)
    return _decide_bake(state, release, now)


def missing(state: State, release: ReleaseState) -> Iterator[str]:
    """Tell what a starting release still needs before it takes traffic, beside its startup checks."""
    needed = state.plan.release.start_samples
    for name in sorted(state.memory.baseline):
        check = state.checks.get(name)
        row = release.within.get(name, 0)
        if check is not None and row < needed:
            yield f"{name}: {row} of {needed} looks in a row within the baseline of {state.memory.baseline_of}"


def holds_back(state: State, now: float) -> Iterator[str]:
    """Tell why readiness stays 503 although every check may pass: the release has never taken traffic, and must not."""
    release = state.release
    if release is None or release.served or state.plan.release.mode is not ReleaseMode.AUTO or _is_replaced(state):
        return
    if _may_be_known(state, release, now):
        yield f"release {release.id}: {NOT_RECALLED}"
    elif release.phase is ReleasePhase.STARTING:
        yield from (f"release {release.id}: {what}" for what in missing(state, release))
    else:
        yield f"release {release.id} never took traffic and is {release.phase}: {release.reason}"


def _is_replaced(state: State) -> bool:
    """Tell whether the earlier release runs here already, in the place of the one that is judged.

    Also if it has taken longer to become healthy than was allowed: then it runs all the same, and nobody else does.
    """
    is_asked = state.rollback.phase in (RollbackPhase.VERIFYING, RollbackPhase.FAILED) and not state.child.asked
    return is_asked and state.plan.rollback.platform is PlatformKind.PARENT


def _may_be_known(state: State, release: ReleaseState, now: float) -> bool:
    """Tell whether the store may still say that this release must not take traffic, or is watched already."""
    return state.memory.unfit == NOT_RECALLED and now - release.since < RECALL_WITHIN


def _decide_start(state: State, release: ReleaseState, now: float) -> Decision | None:
    if now - release.since < state.plan.release.start_within:
        return None
    late = [probe for probe in state.plan.probes if probe.startup and not state.checks[probe.name].latched]
    if any(probe.target is Target.UPSTREAM for probe in late):
        return None  # an outage of somebody else: it goes on waiting, and takes no traffic meanwhile
    lacking = [*missing(state, release), *(f"{probe.name} has not passed" for probe in late)]
    why = f"start_within is {state.plan.release.start_within:g} s: {'; '.join(lacking)}"
    return Decision(ReleaseStep.CONDEMN, why)


def _decide_bake(state: State, release: ReleaseState, now: float) -> tuple[ReleaseState, Decision | None]:
    rules, baked = state.plan.release, now - release.since
    if release.unhealthy > rules.unhealthy_budget:
        unhealthy = f"unhealthy by its own fault for {release.unhealthy:.0f} s"
        why = f"unhealthy_budget is {rules.unhealthy_budget:g} s: {unhealthy}"
        return release, Decision(ReleaseStep.CONDEMN, why)
    is_done = baked >= rules.bake and state.health.ready
    is_last = is_done and baked >= rules.bake_limit
    if not state.memory.baseline:
        enough = is_done and any(sample.total >= rules.min_samples for sample in release.samples.values())
        why = f"baked for {baked:.0f} s without fault; there is no baseline to hold it against"
        return release, Decision(ReleaseStep.PROMOTE, why) if enough or is_last else None
    if not is_done and not look_due(state.memory.baseline, release.samples, release.looks, rules):
        return release, None
    return _look(state, release, baked, is_done=is_done, is_last=is_last)


def _look(
    state: State, release: ReleaseState, baked: float, *, is_done: bool, is_last: bool
) -> tuple[ReleaseState, Decision | None]:
    """Hold the samples against the baseline, which takes its part of the risk to be wrong."""
    rules = state.plan.release
    risk = risk_of_look(release.looks, rules.significance)
    standing, reason = compare(state.memory.baseline, release.samples, rules, risk)
    if standing is Standing.INCONCLUSIVE:
        why = f"baked for {baked:.0f} s without fault, and bake_limit is over: {reason}"
        return release, Decision(ReleaseStep.PROMOTE, why) if is_last else None
    release = replace(release, looks=release.looks + 1)
    if standing is Standing.MISSED:
        return release, Decision(ReleaseStep.CONDEMN, f"worse than {state.memory.baseline_of}: {reason}")
    return release, Decision(ReleaseStep.PROMOTE, f"baked for {baked:.0f} s: {reason}") if is_done else None


def _counts(state: State, release: ReleaseState) -> bool:
    return (
        release.phase in JUDGED
        and not _is_out(state)
        and state.drain.phase is DrainPhase.IDLE
        and upstreams_pass(state)
    )


def is_asked(state: State) -> bool:
    """Tell whether the sidecar itself is ending the gateway, or has just done so."""
    return state.drain.phase is not DrainPhase.IDLE or state.child.asked


def _is_out(state: State) -> bool:
    """Tell whether the replica is out of traffic by somebody's word, so that nothing seen of it counts."""
    return state.maintenance is not None or state.stopping
