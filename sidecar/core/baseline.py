"""A release held against the last good one: whether it is slower or fails more often than chance explains."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from sidecar.core.rules import ReleasePlan
from sidecar.core.sample import Sample


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


class Comparison(Struct, frozen=True):
    """How it stands, with a reason that shows rule and values."""

    standing: Standing
    reason: str


def compare(
    baseline: Mapping[str, Sample], samples: Mapping[str, Sample], rules: ReleasePlan, significance: float
) -> Comparison:
    """Hold what was measured against the baseline, with this probability of finding an equally good release worse."""
    raise NotImplementedError


def keeps_within(baseline: Sample, seconds: float, rules: ReleasePlan) -> bool:
    """Tell whether one answer took no longer than the baseline lets expect."""
    raise NotImplementedError
