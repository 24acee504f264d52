"""A release held against its baseline: what is found, what is said of it, and how often chance is taken for a fault."""

from bisect import bisect_left
from collections import Counter
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.core.releases.baseline import Standing, compare, keeps_within, look_due, risk_of_look
from sidecar.core.releases.sample import BOUNDS, Sample, merge
from sidecar.core.rules import ReleasePlan

RULES = ReleasePlan()
STRICT = ReleasePlan(tolerance=1.0, slack=0.0, error_slack=0.0)
"""Nothing is allowed but what chance explains: then chance is found out."""
RISK = 0.05


def sample_of(seconds, errors=0):
    """Answers with these latencies, and some errors."""
    return Sample(answered=Counter(bisect_left(BOUNDS, each) for each in seconds), errors=errors)


def steady(count, seconds=0.1, errors=0):
    """Every answer takes as long."""
    return sample_of([seconds] * count, errors)


def held(before, now, rules=RULES, risk=RISK):
    """Compare one probe."""
    return compare({"mcp": before}, {"mcp": now}, rules, risk)


@pytest.mark.parametrize(
    ("before", "now", "standing"),
    [
        (steady(60), steady(60), Standing.MET),
        (steady(60), steady(60, 0.12), Standing.MET),
        (steady(60), steady(60, 0.2), Standing.MISSED),
        (steady(60, 0.001), steady(60, 0.010), Standing.MET),
        (steady(60, 0.001), steady(60, 0.020), Standing.MISSED),
        (steady(60), steady(57, errors=3), Standing.MET),
        (steady(60), steady(40, errors=20), Standing.MISSED),
        (steady(60), steady(0, errors=60), Standing.MISSED),
        (steady(0, errors=60), steady(0, errors=60), Standing.MET),
        (steady(40, errors=20), steady(40, errors=20), Standing.MET),
        (steady(59), steady(1000, 9.0), Standing.INCONCLUSIVE),
        (steady(1000), steady(59, 9.0), Standing.INCONCLUSIVE),
        (steady(60, 99.0), steady(60, 99.0), Standing.MET),
    ],
)
def test_a_release_is_held_against_its_baseline(before, now, standing):
    """Latency by tolerance and slack, errors by their share, nothing with fewer samples than ``min_samples``."""
    assert held(before, now).standing is standing


def test_a_slow_tail_is_found_though_the_median_is_the_same():
    """One answer in five is slow, where it was one in a hundred."""
    before = sample_of([0.1] * 198 + [1.0] * 2)
    assert held(before, sample_of([0.1] * 160 + [1.0] * 40)).standing is Standing.MISSED


def test_a_fast_release_is_better_not_different():
    """The test is one-sided."""
    assert held(steady(1000, 1.0, errors=100), steady(1000, 0.01)).standing is Standing.MET


def test_a_baseline_of_few_samples_is_not_taken_for_the_truth():
    """What 6,000 samples prove is no proof beside 60: their 95 % quantile may lie anywhere between 90 and 99."""
    tail = sample_of([0.1] * 91 + [1.0] * 9).answered
    now = Sample(answered={place: count * 60 for place, count in tail.items()})
    assert held(sample_of([0.1] * 57 + [0.2] * 3), now).standing is Standing.MET
    assert held(sample_of([0.1] * 5700 + [0.2] * 300), now).standing is Standing.MISSED


def test_a_reason_for_a_fault_shows_rule_and_values():
    """The strongest proof is told, with its probability, and how many more there are."""
    standing, reason = held(steady(300, 0.09), sample_of([0.09] * 169 + [0.2] * 31))
    assert standing is Standing.MISSED
    assert reason == "mcp: 99 % of answers within 121 ms: found 31 of 200 slower, p < 1e-09 (and 1 more)"
    _, reason = held(steady(200, 0.09), sample_of([0.09] * 169 + [0.2] * 31))
    assert reason == "mcp: 95 % of answers within 121 ms: found 31 of 200 slower, p = 0.0004"


def test_a_reason_for_errors_shows_what_was_allowed():
    """The share of the baseline with ``error_slack`` added."""
    _, reason = held(steady(980, errors=20), steady(150, errors=50))
    assert reason == "mcp: at most 3 % of requests fail: found 50 of 200, p < 1e-09"


def test_what_was_met_says_on_how_many_samples():
    """Nobody has to believe in a comparison of nothing."""
    found = compare({"a": steady(60), "b": steady(90)}, {"b": steady(80), "a": steady(70)}, RULES, RISK)
    assert found == (Standing.MET, "no worse than the baseline: 70 samples of a, 80 samples of b")


@pytest.mark.parametrize(
    ("before", "now", "reason"),
    [
        ({"a": steady(99)}, {"a": steady(59), "b": steady(99)}, "found a 59 (baseline 99)"),
        ({"a": steady(99)}, {"b": steady(99)}, "found nothing that the baseline has too"),
        ({}, {}, "found nothing that the baseline has too"),
    ],
)
def test_without_enough_samples_nothing_is_concluded(before, now, reason):
    """The reason says what there is, and what would be needed."""
    assert compare(before, now, RULES, RISK) == (Standing.INCONCLUSIVE, f"min_samples is 60: {reason}")


def test_one_probe_that_misses_is_enough():
    """And one that cannot be compared takes nothing from the others."""
    before = {"a": steady(60), "b": steady(60), "c": steady(3)}
    assert compare(before, {"a": steady(60), "b": steady(60, 0.5)}, RULES, RISK).standing is Standing.MISSED
    assert compare(before, {"a": steady(60), "c": steady(60, 9.0)}, RULES, RISK).standing is Standing.MET


def test_latencies_that_nobody_has_measured_do_not_keep_errors_from_being_compared():
    """A gateway that counts its requests, but does not time them."""
    before, now = Sample(untimed=1000, errors=5), Sample(untimed=900, errors=100)
    assert held(before, before).standing is Standing.MET
    assert held(before, now).standing is Standing.MISSED


def test_a_coarse_histogram_condemns_nobody_for_crossing_one_of_its_bounds():
    """From just below a bound to just above it is within the tolerance, though a whole bucket of answers moves."""
    bounds = (0.1, 0.25, 0.5, 1.0)
    before = Sample(answered={1: 1000}, bounds=bounds)
    assert held(before, Sample(answered={2: 1000}, bounds=bounds)).standing is Standing.MET
    assert held(before, Sample(answered={3: 1000}, bounds=bounds)).standing is Standing.MISSED


def test_a_histogram_with_other_bounds_is_still_compared():
    """A release may change what its gateway counts: only what is surely slower counts against it."""
    before = Sample(answered={0: 1000}, bounds=(0.1, 0.5))
    assert held(before, Sample(answered={0: 1000}, bounds=(0.2, 1.0))).standing is Standing.MET
    assert held(before, Sample(answered={1: 1000}, bounds=(0.2, 1.0))).standing is Standing.MISSED


def test_millions_are_compared_at_once():
    """A tenth of a per cent too many of three million is found, a tenth of that is chance."""
    before = Sample(answered={50: 2_850_000, 60: 150_000}, errors=30_000)
    assert held(before, Sample(answered={50: 2_850_000, 60: 150_000}, errors=30_000)).standing is Standing.MET
    strict = held(before, Sample(answered={50: 2_846_000, 61: 154_000}), STRICT)
    assert strict.reason.startswith("mcp: 99 % of answers within")
    assert held(before, Sample(answered={50: 2_850_000, 60: 150_000}, errors=34_000), STRICT).reason.startswith(
        "mcp: at most 0.99 % of requests fail: found 34000 of 3034000"
    )


def dice(seed):
    """The same numbers every time."""
    return Random(seed)  # noqa: S311 - no secret


def drawn(random_, count, errors=0.0, slower=1.0):
    """A sample of this many requests, as a gateway with a long tail answers them."""
    failed = sum(random_.random() < errors for _ in range(count))
    return sample_of([random_.lognormvariate(-2.0, 0.7) * slower for _ in range(count - failed)], failed)


@pytest.mark.parametrize(("before", "now"), [(60, 60), (60, 600), (600, 60), (400, 400)])
def test_an_equally_good_release_is_rarely_found_worse(before, now):
    """Not more often than the significance says, though nothing is tolerated, and four tests are made.

    Of 1000 rounds 50 are expected at most; 85 or more would come by chance once in a million.
    """
    random_ = dice(f"{before} {now}")
    rounds = [(drawn(random_, before, 0.03), drawn(random_, now, 0.03)) for _ in range(1000)]
    missed = sum(held(*both, STRICT).standing is Standing.MISSED for both in rounds)
    assert missed < 85


def test_looking_again_and_again_adds_nothing_to_the_risk():
    """Four looks at a growing sample, and the last at the end of the bake."""
    random_ = dice(4)
    missed = 0
    for _ in range(400):
        before, now, looks = drawn(random_, 300, 0.03), Sample(), 0
        for _ in range(32):
            now = merge(now, drawn(random_, 20, 0.03))
            if look_due({"mcp": before}, {"mcp": now}, looks, STRICT):
                looks += 1
                if held(before, now, STRICT, risk_of_look(looks - 1, RISK)).standing is Standing.MISSED:
                    missed += 1
                    break
        else:
            assert looks == 4
    assert missed < 43  # 20 are expected at most; so many would come once in a million


def test_errors_within_the_slack_are_rarely_taken_for_a_fault():
    """A release just at the limit: its errors scatter, and those of the baseline too."""
    random_ = dice(5)
    rules = replace(STRICT, error_slack=0.02)
    rounds = [(drawn(random_, 200, 0.01), drawn(random_, 200, 0.03)) for _ in range(1000)]
    assert sum(held(*both, rules).standing is Standing.MISSED for both in rounds) < 85


@given(st.integers(0, 10_000))
def test_a_release_that_is_twice_as_slow_is_always_found(seed):
    """With 400 answers on either side, whatever they are."""
    random_ = dice(seed)
    assert held(drawn(random_, 400), drawn(random_, 400, slower=2.0)).standing is Standing.MISSED


PLACES = st.dictionaries(st.integers(40, 90), st.integers(1, 40), max_size=8)
SAMPLES = st.builds(lambda answered, errors: Sample(answered=answered, errors=errors), PLACES, st.integers(0, 40))
LENIENT = ReleasePlan(min_samples=5, tolerance=1.05)


@given(SAMPLES, SAMPLES, st.integers(1, 400))
def test_more_slow_answers_never_turn_a_fault_into_none(before, now, count):
    """However many tests they bring with them; errors, which they would dilute, left aside."""
    now = replace(now, errors=0)
    slow = merge(now, Sample(answered={len(BOUNDS): count}))
    if held(before, now, LENIENT).standing is Standing.MISSED:
        assert held(before, slow, LENIENT).standing is Standing.MISSED


@given(SAMPLES, SAMPLES, st.integers(1, 400))
def test_more_errors_never_turn_a_fault_into_none(before, now, count):
    """Whatever the fault was."""
    worse = replace(now, errors=now.errors + count)
    if held(before, now, LENIENT).standing is Standing.MISSED:
        assert held(before, worse, LENIENT).standing is Standing.MISSED


@given(SAMPLES, SAMPLES)
def test_an_answer_that_gets_slower_never_turns_a_fault_into_none(before, now):
    """Every answer moved on by one bucket."""
    slow = replace(now, answered={place + 1: count for place, count in now.answered.items()})
    if held(before, now, LENIENT).standing is Standing.MISSED:
        assert held(before, slow, LENIENT).standing is Standing.MISSED


@given(SAMPLES, SAMPLES, SAMPLES)
def test_the_order_in_which_samples_come_does_not_matter(before, one, two):
    """Two replicas, or two minutes, in whatever order."""
    assert held(before, merge(one, two), LENIENT) == held(before, merge(two, one), LENIENT)


@pytest.mark.parametrize(
    ("baseline", "seconds", "keeps"),
    [
        (steady(60), 0.13, True),
        (steady(60), 0.15, False),
        (steady(60, 0.001), 0.011, True),
        (steady(60, 0.001), 0.012, False),
        (sample_of([0.1] * 990 + [1.0] * 10), 0.5, False),
        (sample_of([0.1] * 980 + [1.0] * 20), 1.0, True),
        (steady(59), 60.0, True),
        (steady(0, errors=60), 60.0, True),
        (Sample(), inf, True),
    ],
)
def test_one_answer_is_held_against_the_slowest_hundredth(baseline, seconds, keeps):
    """With tolerance and slack; a baseline that is not known well enough forbids nothing."""
    assert keeps_within(baseline, seconds, RULES) is keeps


@pytest.mark.parametrize(
    ("counts", "looks", "due"),
    [
        ({"a": 59}, 0, False),
        ({"a": 60}, 0, True),
        ({"a": 119}, 1, False),
        ({"a": 120}, 1, True),
        ({"a": 60_000}, 9, True),
        ({"a": 60_000, "b": 59}, 0, False),
        ({"a": 60_000, "b": 60}, 0, True),
        ({"a": 60, "few": 1}, 0, True),
        ({"a": 60, "new": 1}, 0, True),
        ({"new": 1000}, 0, False),
        ({}, 0, False),
        ({"a": 60_000}, 5000, False),
    ],
)
def test_a_look_is_due_when_the_smallest_sample_has_doubled(counts, looks, due):
    """Of those whose baseline has enough samples: the others are not compared."""
    baseline = {"a": steady(60), "b": steady(60), "few": steady(59)}
    samples = {probe: steady(count) for probe, count in counts.items()}
    assert look_due(baseline, samples, looks, RULES) is due


def test_all_looks_together_take_no_more_than_the_whole_risk():
    """However many there are."""
    parts = [risk_of_look(look, 0.01) for look in range(5000)]
    assert parts[:3] == [0.005, 0.0025, 0.00125]
    assert sum(parts) <= 0.01
