"""Five hundred HTTP probes: how late they are, what a check costs among many, and how many there could be."""

import time
from collections import defaultdict
from pathlib import Path

import msgspec

from bench.client import ask
from bench.figures import Samples
from bench.processes import CannotMeasureError, free_port, running_gateway, running_sidecar, running_target
from bench.usage import processor_seconds

_PROBES = 500
_FEW = 50
_GRID = 0.25
"""Seconds between two ticks of the sidecar's schedule."""

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
        time.sleep(min(3.0, seconds))
        ask(target, "/-/arrivals")
        before = processor_seconds(sidecar.pid)
        time.sleep(seconds)
        used = processor_seconds(sidecar.pid) - before
        arrivals = msgspec.json.decode(ask(target, "/-/arrivals").body, type=dict[str, list[float]])
    every = sorted(at for times in arrivals.values() for at in times)
    if not every or (interval == "1s" and abs(len(every) / (probes * seconds) - 1) > 1.0 / seconds):
        raise CannotMeasureError(f"expected {probes * seconds:.0f} checks in {seconds:g} s, found {len(every)}")
    return {"slip": _slip(every), "per_cpu_second": len(every) / used}


def _slip(arrivals: list[float]) -> float:
    """Tell by how much checks come later than the first of their tick: the 99th percentile, in seconds."""
    ticks: dict[int, list[float]] = defaultdict(list)
    for at in arrivals:
        ticks[int(at // _GRID)].append(at)
    whole = list(ticks.values())[1:] or list(ticks.values())  # the first one may be cut
    late = sorted(at - times[0] for times in whole for at in times)
    return late[len(late) * 99 // 100]
