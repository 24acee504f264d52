"""Whether memory grows: the looks of an hour, six probes every five seconds, in the shortest time that can be."""

import time
from pathlib import Path

from bench.client import ask
from bench.figures import Samples
from bench.processes import free_port, running_gateway, running_sidecar, running_target
from bench.usage import memory

_PROBES = 6
_INTERVAL = 0.05
_HOUR = 720
"""Looks of each probe."""

_PROBE = """
[probes.p{number}]
kind = "http"
url = "http://127.0.0.1:{port}/{number}"
interval = "50ms"
"""


def measure(directory: Path, part: float) -> Samples:
    """Let this part of an hour's looks pass, after a tenth of them to warm up; how much memory has grown in it."""
    gateway, target = free_port(), free_port()
    config = "derive = false\n" + "".join(_PROBE.format(number=number, port=target) for number in range(_PROBES))
    with (
        running_gateway(directory, gateway),
        running_target(directory, target),
        running_sidecar(directory, gateway, config) as sidecar,
    ):
        sidecar.wait_ready()
        ask(sidecar.port, "/metrics")
        time.sleep(part * _HOUR * _INTERVAL / 10)  # what is measured is time that passes: first unseen, then seen
        before = memory(sidecar.pid).resident
        time.sleep(part * _HOUR * _INTERVAL)
        return {"memory_grown": [(memory(sidecar.pid).resident - before) / 1e6]}
