"""The clocks. Everything that measures age uses the one that counts suspension and never jumps."""

import time


def boottime() -> float:
    """Seconds since boot, suspension included: a machine that slept wakes with evidence that is too old."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
