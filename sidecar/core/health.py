"""A check: a probe's state after thresholds, stepped by verdicts."""

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.plan import OnFailure, ProbePlan
from sidecar.core.verdict import Cause, Evidence, Outcome, Verdict

GATING = (OnFailure.DRAIN, OnFailure.UNREADY)
"""A check that fails, or of which nothing is known for too long, stands against readiness."""


class CheckState(StrEnum):
    """What the thresholds have decided."""

    PENDING = "pending"
    """Nothing yet."""
    PASSING = "passing"
    FAILING = "failing"


class Check(Struct, frozen=True, kw_only=True):
    """One probe's state. Times are seconds of CLOCK_BOOTTIME."""

    since: float
    """When ``state`` was last changed."""
    state: CheckState = CheckState.PENDING
    failures: int = 0
    """Consecutive."""
    successes: int = 0
    """Consecutive; a warning is a success."""
    latched: bool = False
    """Has passed once: for the deployment, or for this process of the gateway."""
    verdict: Verdict | None = None
    reported_at: float
    """When the latest verdict's observation began, whatever it said."""
    known_at: float
    """When the latest verdict's observation began that was not ``unknown``."""
    believe_until: float
    """After this moment it has been silent for too long or, if it is gating, unknown."""
    local_since: float | None = None
    """Since when every verdict has been a failure with proven local cause."""

    @property
    def outcome(self) -> Outcome | None:
        """The latest verdict's outcome."""
        return self.verdict.outcome if self.verdict else None


def new_check(plan: ProbePlan, now: float, *, latched: bool = False) -> Check:
    """Begin a check that has not been looked at yet; its evidence is due after the initial delay."""
    due = now + plan.initial_delay
    return Check(since=now, reported_at=due, known_at=due, believe_until=due + plan.stale_after, latched=latched)


def step_check(check: Check, verdict: Verdict, cause: Cause | None, plan: ProbePlan, now: float) -> Check:
    """Count one verdict. ``unknown`` changes no count; it only breaks the proof of unbroken local failure."""
    seen_at = verdict.observation.started
    if verdict.outcome is Outcome.UNKNOWN:
        told_at = check.known_at if plan.on_failure in GATING else seen_at
        believe_until = told_at + plan.stale_after
        return replace(check, verdict=verdict, reported_at=seen_at, believe_until=believe_until, local_since=None)
    if verdict.outcome is Outcome.FAIL:
        failures, successes = check.failures + 1, 0
        local_since = (now if check.local_since is None else check.local_since) if cause is Cause.LOCAL else None
        decided = CheckState.FAILING if failures >= plan.failure_threshold else check.state
    else:
        failures, successes = 0, check.successes + 1
        local_since = None
        decided = CheckState.PASSING if successes >= plan.success_threshold else check.state
    return Check(
        since=check.since if decided is check.state else now,
        state=decided,
        failures=failures,
        successes=successes,
        latched=check.latched or decided is CheckState.PASSING,
        verdict=verdict,
        reported_at=seen_at,
        known_at=seen_at,
        believe_until=seen_at + plan.stale_after,
        local_since=local_since,
    )


def is_undecided(check: Check) -> bool:
    """Tell whether the latest verdicts contradict the state, or none is decided yet: time to look more often."""
    if check.state is CheckState.PENDING:
        return True
    return check.failures > 0 if check.state is CheckState.PASSING else check.successes > 0


def stale_at(check: Check, plan: ProbePlan) -> float:
    """Until when what is known of the target may be believed."""
    return check.known_at + plan.stale_after


def cause_of(verdict: Verdict, *, upstreams_pass: bool) -> Cause | None:
    """Tell where a failure comes from, as far as one replica can prove it by itself; None where it cannot.

    A process that is gone, refuses or keeps silent is at fault itself. A wrong reply is its own fault only while every
    upstream check passes, for a gateway often repeats its upstream's error. 401, 403, 404 and 406 prove nothing.
    """
    match verdict.evidence:
        case Evidence.OBSERVER:
            return Cause.OBSERVER
        case Evidence.GONE | Evidence.REFUSED | Evidence.SILENT:
            return Cause.LOCAL
        case Evidence.WRONG | Evidence.LIMIT:
            return Cause.LOCAL if upstreams_pass else None
        case _:
            return None
