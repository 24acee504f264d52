"""What was measured of a release: latencies as a histogram with fixed bounds, and errors."""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate
from math import ceil, inf

from msgspec import Struct
from msgspec.structs import replace

BOUNDS = tuple(0.001 * 1.05**place for place in range(227))
"""Upper bounds of the buckets in seconds, from a millisecond to a minute, each 5 % above the one before; one more
bucket is unbounded. Fixed, so that one release can be held against another."""


class Sample(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests with their latencies. Errors are counted apart: how soon a request fails says nothing about speed."""

    answered: Mapping[int, int] = {}
    """How many were answered, by the place of their bucket."""
    errors: int = 0
    untimed: int = 0
    """How many more were answered, with a latency that nobody has measured."""
    bounds: tuple[float, ...] = BOUNDS
    """Upper bounds of the buckets in seconds, rising: others than ours where somebody else has counted."""

    @property
    def answers(self) -> int:
        """How many were answered with a latency that is known."""
        return sum(self.answered.values())

    @property
    def total(self) -> int:
        """How many were made."""
        return self.answers + self.untimed + self.errors


def add(sample: Sample, seconds: float, *, failed: bool) -> Sample:
    """Count one request."""
    if failed:
        return replace(sample, errors=sample.errors + 1)
    place = bisect_left(sample.bounds, seconds)
    return replace(sample, answered={**sample.answered, place: sample.answered.get(place, 0) + 1})


def merge(one: Sample, other: Sample) -> Sample:
    """Count two samples as one, in whatever order.

    Of different bounds those are kept that both share: then each of the buckets is made of whole buckets of either.
    """
    timed = [sample for sample in (one, other) if sample.answered]
    bounds = timed[0].bounds if timed else BOUNDS
    if any(sample.bounds != bounds for sample in timed):
        bounds = tuple(sorted(set(one.bounds) & set(other.bounds)))
    answered: dict[int, int] = {}
    for sample in timed:
        is_the_same = sample.bounds == bounds
        for place, count in sample.answered.items():
            shared = place if is_the_same else bisect_left(bounds, _upper(sample, place))
            answered[shared] = answered.get(shared, 0) + count
    errors, untimed = one.errors + other.errors, one.untimed + other.untimed
    return Sample(answered=answered, errors=errors, untimed=untimed, bounds=bounds)


def rank(sample: Sample, share: float) -> int:
    """Tell how many of the answers, the fastest first, make up this share."""
    return ceil(share * sample.answers)


def quantile(sample: Sample, share: float) -> float:
    """Give the latency in seconds that this share of the answers kept, as the upper bound of its bucket.

    It is infinite where the answer lies in the unbounded bucket, or there is none.
    """
    places = sorted(sample.answered)
    reached = accumulate(sample.answered[place] for place in places)
    needed = rank(sample, share)
    return next((_upper(sample, place) for place, count in zip(places, reached, strict=True) if count >= needed), inf)


def slower(sample: Sample, seconds: float) -> int:
    """Count the answers that surely took longer: those in buckets that begin at or above this latency."""
    first = bisect_left(sample.bounds, seconds) + 1
    return sum(count for place, count in sample.answered.items() if place >= first)


def _upper(sample: Sample, place: int) -> float:
    return sample.bounds[place] if place < len(sample.bounds) else inf
