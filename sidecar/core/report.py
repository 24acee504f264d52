"""What a probe's report changes in the state."""

from msgspec.structs import replace

from sidecar.core.blame import upstreams_pass
from sidecar.core.facts import ProbeReported
from sidecar.core.health import CheckState, cause_of, step_check
from sidecar.core.plan import Target
from sidecar.core.releases.release import JUDGED
from sidecar.core.rollup import believe_until
from sidecar.core.state import State
from sidecar.core.verdict import Outcome


def pass_again(state: State, fact: ProbeReported, now: float) -> State | None:
    """Take in that a passing check passes again; None where more than times may change with it.

    It is what nearly always happens, so it looks at no other check but for how long that may be believed. While the
    deployment is ready, and nothing is past its time, it changes no answer, tells of nothing, and begins no drain. A
    release that is being judged is measured by it, though.
    """
    if state.release is not None and state.release.phase in JUDGED:
        return None
    check = state.checks.get(fact.name)
    passes_again = (
        check is not None
        and check.state is CheckState.PASSING
        and check.outcome is Outcome.PASS
        and fact.verdict.outcome is Outcome.PASS
    )
    if not (passes_again and state.health.ready and now <= state.health.believe_until):
        return None
    taken = probe_reported(state, fact, now)
    until = believe_until(taken.checks)
    return replace(taken, health=replace(state.health, believe_until=until)) if now <= until else None


def probe_reported(state: State, fact: ProbeReported, now: float) -> State:
    """Take in what a probe has reported; the state as it stands where that is about nobody any more."""
    probe = state.plan.by_name.get(fact.name)
    if probe is None:
        return state  # reported by a probe that a reload has taken away meanwhile
    if probe.target is Target.GATEWAY and fact.verdict.observation.started < state.gateway.since:
        return state  # seen before this process appeared or the last one exited: about somebody else
    failed = fact.verdict.outcome is Outcome.FAIL
    cause = cause_of(fact.verdict, upstreams_pass=failed and upstreams_pass(state))
    check = step_check(state.checks[fact.name], fact.verdict, cause, probe, now)
    return replace(state, checks={**state.checks, fact.name: check})
