"""Flapping: too many changes within too little time, as Nagios counts it, but by time instead of by results.

Nagios keeps the last 21 results of a check, between which there may be 20 changes, and lets newer ones weigh more: from
0.8 to 1.2. Here only changes are heard of, so a window of time stands in for the results.
"""

from collections.abc import Iterable

CHANGES_AT_MOST = 20
_OLDEST, _NEWEST = 0.8, 1.2


def note_change(changes: tuple[float, ...], now: float, window: float) -> tuple[float, ...]:
    """Add a change that happens now, and leave out what is past the window, or more than it holds."""
    return (*recent(changes, now, window), now)[-CHANGES_AT_MOST:]


def recent(changes: Iterable[float], now: float, window: float) -> tuple[float, ...]:
    """Keep what lies within the window. After a clock was set back, a change of the future is none."""
    return tuple(at for at in changes if 0 <= now - at < window)


def share_of_changes(changes: Iterable[float], now: float, window: float) -> float:
    """Tell which share of the changes that the window can hold have happened, from 0 to 1."""
    weights = (_NEWEST - (_NEWEST - _OLDEST) * (now - at) / window for at in recent(changes, now, window))
    return min(1.0, sum(weights) / CHANGES_AT_MOST)
