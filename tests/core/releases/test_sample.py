"""Samples: latencies in buckets, errors apart, and what is made of both."""

from bisect import bisect_left
from collections import Counter
from functools import reduce
from itertools import pairwise
from math import inf

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.releases.sample import BOUNDS, Sample, add, merge, quantile, slower

COARSE, OTHER = (0.1, 0.25, 1.0), (0.05, 0.25, 0.5, 1.0)
LATENCIES = st.lists(st.floats(0, 100), max_size=30)
SAMPLES = st.builds(
    lambda seconds, bounds, errors, untimed: Sample(
        answered=Counter(bisect_left(bounds, each) for each in seconds), errors=errors, untimed=untimed, bounds=bounds
    ),
    LATENCIES,
    st.sampled_from([COARSE, OTHER]),
    st.integers(0, 5),
    st.integers(0, 5),
)


def sample_of(*seconds):
    """Every one of these answered."""
    return reduce(lambda sample, each: add(sample, each, failed=False), seconds, Sample())


def same(sample):
    """What a sample says, buckets in whatever order."""
    return dict(sample.answered), sample.errors, sample.untimed, sample.bounds


def test_the_bounds_reach_from_a_millisecond_to_a_minute():
    """Each is 5 % above the one before."""
    assert BOUNDS[0] == 0.001
    assert 60 < BOUNDS[-1] < 64
    assert all(after == pytest.approx(before * 1.05) for before, after in pairwise(BOUNDS))


def test_errors_are_counted_without_their_latency():
    """A failure that came at once makes nothing faster."""
    sample = add(sample_of(0.2), 0.001, failed=True)
    assert (sample.answers, sample.errors, sample.total) == (1, 1, 2)
    assert quantile(sample, 0.5) >= 0.2


def test_adding_leaves_the_sample_before_as_it_was():
    """Samples are values."""
    before = sample_of(0.2)
    add(before, 0.2, failed=False)
    assert before.answers == 1


def test_answers_without_a_latency_count_as_requests_alone():
    """They are in the total, and in no quantile."""
    sample = Sample(answered={3: 4}, errors=2, untimed=10)
    assert (sample.answers, sample.total) == (4, 16)


@given(st.lists(st.floats(0, 60), min_size=1), st.sampled_from([0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_quantile_is_at_most_a_bucket_above_the_answer(seconds, share):
    """It is the upper bound of the bucket that holds the answer of that rank, never less than its latency."""
    ordered = sorted(seconds)
    exact = ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
    assert exact <= quantile(sample_of(*seconds), share) <= max(BOUNDS[0], exact * 1.0500001)


def test_a_quantile_of_nothing_or_beyond_the_bounds_is_infinite():
    """Nothing is promised that was not seen."""
    assert quantile(Sample(), 0.5) == quantile(Sample(errors=3), 0.5) == inf
    assert quantile(sample_of(0.1, 100.0), 0.99) == inf


@given(LATENCIES, st.floats(0, 100))
def test_only_what_surely_took_longer_is_slower(seconds, limit):
    """An answer counts when its whole bucket lies beyond: never one that kept the limit, always one 11 % beyond."""
    counted = slower(sample_of(*seconds), limit)
    assert counted <= sum(each > limit for each in seconds)
    if BOUNDS[0] <= limit < 50:
        assert counted >= sum(each > limit * 1.11 for each in seconds)


def test_the_bounds_of_somebody_else_are_kept():
    """Between two of them nothing is known: an answer of their bucket took surely no longer than its upper bound."""
    sample = Sample(answered={0: 90, 1: 8, 3: 2}, bounds=COARSE)
    assert (quantile(sample, 0.9), quantile(sample, 0.95), quantile(sample, 0.99)) == (0.1, 0.25, inf)
    assert (slower(sample, 0.1), slower(sample, 0.11), slower(sample, 1.0), slower(sample, 2.0)) == (10, 2, 2, 0)
    assert add(sample, 0.3, failed=False).answered == {0: 90, 1: 8, 2: 1, 3: 2}


@given(SAMPLES, SAMPLES, SAMPLES)
def test_samples_are_merged_in_whatever_order(one, two, three):
    """Also where their bounds differ."""
    assert same(merge(one, two)) == same(merge(two, one))
    assert same(merge(merge(one, two), three)) == same(merge(one, merge(two, three)))


@given(SAMPLES, SAMPLES)
def test_merging_loses_no_request(one, two):
    """Every one is counted once."""
    merged = merge(one, two)
    assert (merged.answers, merged.errors, merged.untimed) == (
        one.answers + two.answers,
        one.errors + two.errors,
        one.untimed + two.untimed,
    )


@given(LATENCIES, LATENCIES)
def test_merging_is_adding(one, two):
    """What two replicas have measured is what one would have."""
    assert same(merge(sample_of(*one), sample_of(*two))) == same(sample_of(*one, *two))


def test_of_different_bounds_the_shared_ones_are_kept():
    """Each bucket of the result is made of whole ones."""
    merged = merge(Sample(answered={0: 1, 1: 2, 3: 4}, bounds=COARSE), Sample(answered={1: 10, 2: 20}, bounds=OTHER))
    assert (merged.bounds, dict(merged.answered)) == ((0.25, 1.0), {0: 13, 1: 20, 2: 4})


def test_nothing_merged_changes_nothing():
    """Whatever bounds nothing has."""
    sample = Sample(answered={0: 1}, bounds=COARSE)
    assert same(merge(Sample(), sample)) == same(merge(sample, Sample(bounds=OTHER))) == same(sample)


@given(SAMPLES)
def test_a_sample_survives_being_stored(sample):
    """As JSON, which has no other keys than texts."""
    assert same(msgspec.json.decode(msgspec.json.encode(sample), type=Sample)) == same(sample)


def test_a_stored_sample_is_small():
    """What is at its default is left out, the bounds above all."""
    assert msgspec.json.encode(sample_of(0.0, 0.0)) == b'{"answered":{"0":2}}'
