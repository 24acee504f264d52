"""Verdicts that say the same become one entry, and it becomes verdicts again, each within ``SPREAD`` of its time."""

from collections.abc import Iterator
from math import inf

from msgspec import Struct

from sidecar.core.journal.entries import Verdicts, keep
from sidecar.core.verdict import Observation, Outcome, Verdict

SPREAD = 0.25
"""By how many seconds a verdict that was made of an entry may be off: its time, and how long its execution took."""

LONGEST = 300.0
"""Seconds that an entry covers at most: what is not written down yet is lost in a crash."""


class Run(Struct, frozen=True):
    """An entry that still grows."""

    entry: Verdicts
    least: float = 0.0
    most: float = inf
    """Between these seconds a step must lie for none of its verdicts to be off."""


def begin_run(probe: str, verdict: Verdict, at: float, took: float) -> Run:
    """Begin an entry with a verdict that was reported at this Unix time, ``took`` seconds after the look began."""
    return Run(
        Verdicts(
            at=at,
            probe=probe,
            outcome=verdict.outcome,
            reason=keep(verdict.reason),
            evidence=verdict.evidence,
            last=at,
            fastest=took,
            mean=took,
            slowest=took,
        )
    )


def extend_run(run: Run, verdict: Verdict, at: float, took: float, spread: float = SPREAD) -> Run | None:
    """Take one more verdict into the entry; None where it must begin another.

    An entry is drawn as a straight line through its first and its last verdict (number against time). The line may
    pass every verdict between at ``spread`` seconds at most, so each of them narrows the paces that are still allowed.
    """
    entry = run.entry
    place, after = entry.count, at - entry.at
    step = after / place
    fastest, slowest = min(entry.fastest, took), max(entry.slowest, took)
    if not (
        verdict.outcome is entry.outcome
        and verdict.evidence is entry.evidence
        and run.least <= step <= run.most
        and slowest - fastest <= spread
        and after <= LONGEST
        and _says_the_same(verdict, entry)
    ):
        return None
    grown = Verdicts(
        at=entry.at,
        probe=entry.probe,
        outcome=entry.outcome,
        reason=entry.reason,
        evidence=entry.evidence,
        last=at,
        count=place + 1,
        fastest=fastest,
        mean=entry.mean + (took - entry.mean) / (place + 1),
        slowest=slowest,
    )
    return Run(grown, max(run.least, (after - spread) / place), min(run.most, (after + spread) / place))


def spread_out(entry: Verdicts) -> Iterator[tuple[float, Verdict]]:
    """Make an entry's verdicts again, in order, each with the moment of its report: all in Unix time."""
    span, steps = entry.last - entry.at, max(1, entry.count - 1)
    for place in range(entry.count):
        at, took = entry.at + span * place / steps, _took(entry, place)
        seen = Observation(started=at - took, wall=at - took, elapsed=took)
        yield at, Verdict(entry.outcome, entry.reason, seen, entry.evidence)


def _took(entry: Verdicts, place: int) -> float:
    """Give one verdict's duration: the extremes come once each, so that they and the mean are as they were."""
    if place == 0:
        return entry.fastest
    if place == 1:
        return entry.slowest
    others = entry.count - 2
    return min(max((entry.mean * entry.count - entry.fastest - entry.slowest) / others, entry.fastest), entry.slowest)


def _says_the_same(verdict: Verdict, entry: Verdicts) -> bool:
    """Compare the reasons; of one that is no failure the rule alone, for a figure that is measured always differs."""
    if verdict.reason == entry.reason:
        return True
    if verdict.outcome is Outcome.FAIL:
        return keep(verdict.reason) == entry.reason
    return _rule(verdict.reason) == _rule(entry.reason)


def _rule(reason: str) -> str:
    return reason.partition(": found ")[0]
