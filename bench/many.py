"""Five hundred HTTP probes: how late they are, what a check costs among many, and how many there could be."""

import time
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from math import ceil
from pathlib import Path

import msgspec

from bench.client import ask
from bench.figures import Samples
from bench.processes import CannotMeasureError, free_port, running_gateway, running_sidecar, running_target
from bench.usage import processor_seconds
from sidecar.core.schedule import GRID

_PROBES = 500
_FEW = 50
_INTERVAL = 1.0
_JITTER = 0.1 * GRID
"""By how many seconds a tick may be late on purpose."""

_PROBE = """
[probes.p{number}]
kind = "http"
url = "http://127.0.0.1:{port}/{number}"
on_failure = "observe"
interval = "{interval}"
fast_interval = "{interval}"
initial_delay = "{delay}ms"
"""


def measure(directory: Path, seconds: float) -> Samples:
    """Run them at an interval of a second: all begun at once, and begun on each of the four ticks of a second.

    Fifty of them show what the number costs. Five hundred that are due ten times as often are more than there is time
    for: what is done then is all that can be.
    """
    few = _run(directory, seconds, "1s", 0, probes=_FEW)
    together = _run(directory, seconds, "1s", 0)
    spread = _run(directory, seconds, "1s", 250)
    saturated = _run(directory, seconds, "100ms", 0)
    return {
        "slip_spread": [1000 * spread["slip"]],
        "slip_together": [1000 * together["slip"]],
        "checks_few": [few["per_cpu_second"]],
        "checks_per_cpu_second": [spread["per_cpu_second"]],
        "checks_saturated": [saturated["per_cpu_second"]],
    }


def _run(directory: Path, seconds: float, interval: str, apart: int, probes: int = _PROBES) -> dict[str, float]:
    gateway, target = free_port(), free_port()
    tables = (
        _PROBE.format(number=number, port=target, interval=interval, delay=number % 4 * apart)
        for number in range(probes)
    )
    config = "derive = false\n" + "".join(tables)
    with (
        running_gateway(directory, gateway),
        running_target(directory, target),
        running_sidecar(directory, gateway, config) as sidecar,
    ):
        sidecar.wait(lambda: ask(sidecar.port, "/health/live").status == 200, "live")
        time.sleep(min(3.0, seconds + _INTERVAL))  # so that each has come once before
        earlier = _arrivals(target)
        before = processor_seconds(sidecar.pid)
        time.sleep(seconds)  # the time that is measured
        used = processor_seconds(sidecar.pid) - before
        arrivals = _arrivals(target)
    number = sum(map(len, arrivals.values()))
    if not number or (interval == "1s" and abs(number / (probes * seconds) - 1) > 1.0 / seconds):
        raise CannotMeasureError(f"expected {probes * seconds:.0f} checks in {seconds:g} s, found {number}")
    slip = _slip(earlier.get(path, [])[-1:] + times for path, times in arrivals.items()) if interval == "1s" else 0.0
    return {"per_cpu_second": number / used, "slip": slip}


def _arrivals(target: int) -> dict[str, list[float]]:
    return msgspec.json.decode(ask(target, "/-/arrivals").body, type=dict[str, list[float]])


def _slip(arrivals: Iterable[list[float]]) -> float:
    """Tell by how much checks come later than they are due: the 99th percentile, in seconds.

    A check is due on the tick that is nearest to an interval after the one before it. By how much the tick is late on
    purpose is not known here, but never more than ``_JITTER``, and never more than the first check that comes on it.
    """
    ticks: dict[int, list[float]] = defaultdict(list)
    for times in arrivals:
        for before, at in pairwise(sorted(times)):
            slot = ceil((before + _INTERVAL) / GRID - 0.5)
            ticks[slot].append(at - slot * GRID)
    late = sorted(max(0.0, at - min(_JITTER, max(0.0, min(times)))) for times in ticks.values() for at in times)
    if not late:
        raise CannotMeasureError("no probe has come twice")
    return late[len(late) * 99 // 100]
