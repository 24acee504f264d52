"""When a probe is next due.

Probes that are due close together run on one tick, which costs a quarter of the processor time of spread ones. The
ticks lie on a grid; each is late by a fraction that depends on the replica's seed and on the tick, so that a fleet's
sidecars never beat in step.
"""

from math import ceil

GRID = 0.25
"""Seconds between two possible ticks."""

_JITTER = 0.1
"""How much of the grid a tick may be late."""


def next_tick(after: float, delay: float, seed: int) -> float:
    """Find the tick for a probe that ran at ``after`` and is due again ``delay`` seconds later.

    All times are seconds of one clock. The tick is the one nearest to the moment when it is due; a delay shorter than
    the grid is taken exactly, because somebody wants it exactly.
    """
    due = after + delay
    if delay < 2 * GRID:
        return due
    slot = ceil(due / GRID - 0.5)
    return slot * GRID + _JITTER * GRID * _fraction(seed, slot)


def _fraction(seed: int, slot: int) -> float:
    """Spread evenly over [0, 1) by a multiplicative hash (Knuth, TAOCP 6.4)."""
    mixed = (seed ^ slot) * 2654435761 & 0xFFFFFFFF
    mixed = (mixed ^ mixed >> 15) * 2246822519 & 0xFFFFFFFF
    return (mixed ^ mixed >> 13 & 0xFFFFFFFF) / 2**32
