"""A release held against the last good one: whether it is slower or fails more often than chance explains.

**Latency.** The last good release's 95 % quantile, say, is the latency of one of its answers: the ``r``-th fastest of
``m``. If the new release is as fast, its ``n`` answers and the ``m`` stand in a random order, so the number of new ones
behind that one has an exact distribution, whatever the latencies look like. That is the precedence test (B. Epstein,
Annals of Mathematical Statistics 25, 1954; L. S. Nelson, Technometrics 5, 1963), and its tail is that of Fisher's exact
test with ``m - r`` answers of the last release counted as slow. It respects that few samples know their quantile
badly, which a binomial test against a threshold taken for true would not. Tolerance and slack, and buckets of which
only those count that lie wholly beyond, make the number of slow answers smaller, never larger: the test errs to the
safe side.

**Errors.** Fisher's exact test on the two shares, with ``error_slack`` added to the errors of the last release. Taken
from the new one's instead, it would leave chance out of the errors that are allowed.

**Many tests.** A release is wrongly found worse if any test says so by chance. Each gets an equal part of the risk
(Bonferroni), and so does each look at a growing sample (a spending of the risk: K. K. G. Lan, D. L. DeMets, Biometrika
70, 1983). How many tests there are depends on the baseline alone, so more bad samples never make a release look better.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from math import ceil, ldexp
from typing import NamedTuple

from msgspec import Struct

from sidecar.core.judge import milliseconds
from sidecar.core.releases.fisher import chance_of_more
from sidecar.core.releases.sample import Sample, quantile, rank, slower
from sidecar.core.rules import ReleasePlan

QUANTILES = (0.5, 0.95, 0.99)
_BEYOND = 3
"""A quantile is known well enough to be tested where so many answers of the baseline lie beyond it."""


class Baseline(Struct, frozen=True, kw_only=True):
    """What was measured of the last good release."""

    release: str
    at: float
    """When it was found good, as Unix time."""
    samples: Mapping[str, Sample]
    """By probe."""


class Standing(StrEnum):
    """How a release stands beside its baseline."""

    MET = "met"
    MISSED = "missed"
    INCONCLUSIVE = "inconclusive"


class Comparison(NamedTuple):
    """How it stands, with a reason that shows rule and values."""

    standing: Standing
    reason: str


class _Finding(NamedTuple):
    chance: float
    """How probable it is for a release that is as good as the one before."""
    reason: str


def compare(
    baseline: Mapping[str, Sample], samples: Mapping[str, Sample], rules: ReleasePlan, significance: float
) -> Comparison:
    """Hold what was measured against the baseline, with this probability of finding an equally good release worse."""
    known = _known(baseline, rules)
    compared = [probe for probe in known if probe in samples and samples[probe].total >= rules.min_samples]
    if not compared:
        return Comparison(Standing.INCONCLUSIVE, _too_few(baseline, samples, rules))
    risk = significance / sum(1 + len(_quantiles(sample, rules)) for sample in known.values())
    findings = [finding for probe in compared for finding in _test(probe, known[probe], samples[probe], rules)]
    if missed := sorted(finding for finding in findings if finding.chance <= risk):
        others = f" (and {len(missed) - 1} more)" if len(missed) > 1 else ""
        return Comparison(Standing.MISSED, missed[0].reason + others)
    counts = ", ".join(f"{samples[probe].total} samples of {probe}" for probe in compared)
    return Comparison(Standing.MET, f"no worse than the baseline: {counts}")


def keeps_within(baseline: Sample, seconds: float, rules: ReleasePlan) -> bool:
    """Tell whether one answer took no longer than the baseline lets expect: any does while that is not known."""
    return baseline.answers < rules.min_samples or seconds <= _threshold(baseline, QUANTILES[-1], rules)


def look_due(baseline: Mapping[str, Sample], samples: Mapping[str, Sample], looks: int, rules: ReleasePlan) -> bool:
    """Tell whether the samples have grown enough since the last look for another one to be worth its risk.

    The smallest of those that can be compared decides, and has to double each time. A fast one must not hurry the
    looks: in the first seconds caches are cold, which in the baseline is but a small part of its whole bake.
    """
    counts = [samples[probe].total for probe in _known(baseline, rules) if probe in samples]
    return bool(counts) and min(counts) >= rules.min_samples << looks


def risk_of_look(look: int, significance: float) -> float:
    """Give the part of the risk that a look takes, counted from 0: a half, a quarter and so on, in sum never all."""
    return ldexp(significance, -1 - look)


def _known(baseline: Mapping[str, Sample], rules: ReleasePlan) -> dict[str, Sample]:
    return {probe: sample for probe, sample in sorted(baseline.items()) if sample.total >= rules.min_samples}


def _quantiles(baseline: Sample, rules: ReleasePlan) -> list[float]:
    answers = baseline.answers
    if answers < rules.min_samples:
        return []
    return [share for share in QUANTILES if answers - rank(baseline, share) >= _BEYOND]


def _test(probe: str, baseline: Sample, sample: Sample, rules: ReleasePlan) -> Iterator[_Finding]:
    yield _test_errors(probe, baseline, sample, rules)
    if sample.answers >= rules.min_samples:
        for share in _quantiles(baseline, rules):
            yield _test_latency(probe, share, baseline, sample, rules)


def _test_errors(probe: str, baseline: Sample, sample: Sample, rules: ReleasePlan) -> _Finding:
    allowed = min(baseline.total, baseline.errors + ceil(rules.error_slack * baseline.total))
    chance = chance_of_more(sample.errors, sample.total, allowed, baseline.total)
    rule = f"at most {allowed / baseline.total * 100:.3g} % of requests fail"
    return _Finding(chance, f"{probe}: {rule}: found {sample.errors} of {sample.total}, {_shown(chance)}")


def _test_latency(probe: str, share: float, baseline: Sample, sample: Sample, rules: ReleasePlan) -> _Finding:
    threshold = _threshold(baseline, share, rules)
    slow, slow_before = slower(sample, threshold), baseline.answers - rank(baseline, share)
    chance = chance_of_more(slow, sample.answers, slow_before, baseline.answers)
    rule = f"{share * 100:.0f} % of answers within {milliseconds(threshold)}"
    return _Finding(chance, f"{probe}: {rule}: found {slow} of {sample.answers} slower, {_shown(chance)}")


def _threshold(baseline: Sample, share: float, rules: ReleasePlan) -> float:
    known = quantile(baseline, share)
    return max(known * rules.tolerance, known + rules.slack)


def _shown(chance: float) -> str:
    return f"p = {chance:.1g}" if chance >= 1e-9 else "p < 1e-09"


def _too_few(baseline: Mapping[str, Sample], samples: Mapping[str, Sample], rules: ReleasePlan) -> str:
    counts = ", ".join(
        f"{probe} {samples[probe].total} (baseline {baseline[probe].total})"
        for probe in sorted(baseline.keys() & samples.keys())
    )
    return f"min_samples is {rules.min_samples}: found {counts or 'nothing that the baseline has too'}"
