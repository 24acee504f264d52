"""What is counted of each probe, for the metrics."""

from bisect import bisect_left

from msgspec import Struct

from sidecar.core.verdict import Outcome, Verdict

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds of the latency histogram in seconds; one more bucket is unbounded."""


class Tally(Struct, frozen=True, kw_only=True):
    """Counts since the sidecar's start."""

    outcomes: dict[Outcome, int]
    buckets: tuple[int, ...] = (0,) * (len(BUCKETS) + 1)
    """Executions by duration, not cumulative."""
    seconds: float = 0.0
    """The durations' sum."""


def new_tally() -> Tally:
    """Begin with zero for every outcome, so that a rate can be computed from the first change."""
    return Tally(outcomes=dict.fromkeys(Outcome, 0))


def count(tally: Tally, verdict: Verdict) -> Tally:
    """Count one verdict."""
    elapsed = verdict.observation.elapsed
    place = bisect_left(BUCKETS, elapsed)
    buckets = tally.buckets
    return Tally(
        outcomes={**tally.outcomes, verdict.outcome: tally.outcomes[verdict.outcome] + 1},
        buckets=(*buckets[:place], buckets[place] + 1, *buckets[place + 1 :]),
        seconds=tally.seconds + elapsed,
    )
