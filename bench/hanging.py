"""Whether the health port answers as quickly while every probe hangs."""

from pathlib import Path

from bench.answering import load
from bench.figures import Samples
from bench.processes import free_port, running_gateway, running_sidecar, running_target

_PROBES = 50
_PROBE = """
[probes.p{number}]
kind = "http"
url = "http://127.0.0.1:{port}/{path}"
on_failure = "observe"
startup = false
interval = "1s"
"""


def measure(directory: Path, seconds: float) -> Samples:
    """Load two sidecars in turns: one whose probes are answered, and one whose probes never are."""
    p99 = {path: _p99(directory, seconds, path) for path in ("ok", "hang/")}
    return {"hanging_p99": [1000 * p99["hang/"]], "hanging_ratio": [p99["hang/"] / p99["ok"]]}


def _p99(directory: Path, seconds: float, path: str) -> float:
    gateway, target = free_port(), free_port()
    probes = (_PROBE.format(number=number, port=target, path=path) for number in range(_PROBES))
    config = "derive = false\n" + "".join(probes)
    with (
        running_gateway(directory, gateway),
        running_target(directory, target),
        running_sidecar(directory, gateway, config) as sidecar,
    ):
        sidecar.wait_ready()
        return load(directory, sidecar.pid, sidecar.port, "/health/ready", seconds).p99
