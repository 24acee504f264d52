"""What was measured of a release: latencies as a histogram with fixed bounds, and errors."""

from bisect import bisect_left
from collections.abc import Mapping
from itertools import accumulate

from msgspec import Struct

BOUNDS = tuple(0.001 * 1.15**place for place in range(80))
"""Upper bounds of the buckets in seconds, from a millisecond to a minute, each 15 % above the one before; one more
bucket is unbounded. Fixed, so that one release can be held against another."""


class Sample(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests with their latencies. Errors are counted apart: how soon a request fails says nothing about speed."""

    answered: Mapping[int, int] = {}
    """How many were answered, by the place of their bucket."""
    errors: int = 0

    @property
    def answers(self) -> int:
        """How many were answered."""
        return sum(self.answered.values())

    @property
    def total(self) -> int:
        """How many were made."""
        return self.answers + self.errors


def add(sample: Sample, seconds: float, *, failed: bool) -> Sample:
    """Count one request."""
    if failed:
        return Sample(answered=sample.answered, errors=sample.errors + 1)
    place = bisect_left(BOUNDS, seconds)
    return Sample(answered={**sample.answered, place: sample.answered.get(place, 0) + 1}, errors=sample.errors)


def quantile(sample: Sample, share: float) -> float:
    """Give the latency in seconds that this share of the answers kept, as the upper bound of its bucket."""
    needed = share * sample.answers
    places = sorted(sample.answered)
    reached = accumulate(sample.answered[place] for place in places)
    place = next((place for place, count in zip(places, reached, strict=True) if count >= needed), len(BOUNDS))
    return BOUNDS[place] if place < len(BOUNDS) else float("inf")


def slower(sample: Sample, seconds: float) -> int:
    """Count the answers that surely took longer: those in buckets that begin at or above this latency."""
    first = bisect_left(BOUNDS, seconds) + 1
    return sum(count for place, count in sample.answered.items() if place >= first)
