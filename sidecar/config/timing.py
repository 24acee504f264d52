"""How a probe's times fit together.

What a probe says itself is taken at its word, and a contradiction in it is an error. What it inherits, from
``[defaults]`` or from the built-in values, gives way: a probe that says ``interval = "1s"`` and nothing else gets a
time-out of at most one second.
"""

from collections.abc import Collection
from typing import TypeVar

from msgspec.structs import replace

from sidecar.config.lines import Path
from sidecar.config.report import Report
from sidecar.config.tables import Defaults
from sidecar.config.units import write_duration
from sidecar.config.words import quote

T = TypeVar("T", bound=Defaults)

_STALE_AT_LEAST = 30.0


def settle(keys: T, own: Collection[str], path: Path, report: Report) -> T:
    """Hold the times against each other; ``own`` names those that must not give way."""

    def reject(name: str, found: float, expected: str) -> None:
        report.add((*path, name), quote(write_duration(found)), expected)

    interval, timeout, slow, stale_after = keys.interval, keys.timeout, keys.slow, keys.stale_after
    within = f"at most the interval, {write_duration(interval)}"
    if keys.fast_interval > interval and "fast_interval" in own:
        reject("fast_interval", keys.fast_interval, within)
    if timeout > interval:
        if "timeout" in own:
            reject("timeout", timeout, within)
        timeout = interval
    if slow is not None and slow >= timeout:
        if "slow" in own:
            reject("slow", slow, f"less than the timeout, {write_duration(timeout)}, or it could never be noticed")
        slow = None
    if stale_after is not None and stale_after < interval + timeout and "stale_after" in own:
        reject("stale_after", stale_after, f"at least interval + timeout, {write_duration(interval + timeout)}")
    return replace(
        keys,
        fast_interval=min(keys.fast_interval, interval),
        timeout=timeout,
        slow=slow,
        stale_after=None if stale_after is None else max(stale_after, interval + timeout),
    )


def believed_for(keys: Defaults) -> float:
    """Tell for how long the last known state is believed, said or not."""
    if keys.stale_after is not None:
        return keys.stale_after
    return max(_STALE_AT_LEAST, 3 * keys.interval + keys.timeout)
