"""Moments as the health port writes them."""

from datetime import UTC, datetime

from sidecar.core.snapshot import Snapshot

_LAST_SECOND = 253402300799.0
"""Of the year 9999: the last that RFC 3339 can write."""


def moment(wall: float) -> datetime | None:
    """Turn Unix time into a moment in UTC, to the millisecond; None where RFC 3339 cannot write it."""
    return datetime.fromtimestamp(round(wall, 3), UTC) if 0 <= wall <= _LAST_SECOND else None


def when(at: float, snapshot: Snapshot) -> datetime | None:
    """Turn a moment of CLOCK_BOOTTIME into one for people."""
    return moment(snapshot.wall + (at - snapshot.at))
