"""What an answer of the health port costs, and how many it gives."""

import subprocess
import sys
from pathlib import Path

import msgspec

from bench.figures import Samples
from bench.processes import CannotMeasureError, free_port, running, running_gateway, running_sidecar
from bench.usage import processor_seconds

_LOAD = Path(__file__).with_name("load.py")
_CONNECTIONS = 32
_AT_MOST = 100_000


def measure(directory: Path, seconds: float) -> Samples:
    """Ask for readiness over 32 connections that are kept alive, while the probes of the embedded default go on."""
    port = free_port()
    with running_gateway(directory, port), running_sidecar(directory, port) as sidecar:
        sidecar.wait_ready()
        _load(directory, sidecar.port, seconds / 10)  # to warm up
        before = processor_seconds(sidecar.pid)
        done = _load(directory, sidecar.port, seconds)
        used = processor_seconds(sidecar.pid) - before
    return {
        "answers_per_cpu_second": [done["answers"] / used],
        "answers_per_second": [done["answers"] / done["seconds"]],
        "latency_p50": [1000 * done["p50"]],
        "latency_p99": [1000 * done["p99"]],
    }


def _load(directory: Path, port: int, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-S", str(_LOAD), str(port), "/health/ready"]
    command += [str(_CONNECTIONS), str(seconds), str(_AT_MOST)]
    with running(command, directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as load:
        # "ready" is waited for with the answer: connecting costs the sidecar as much as some of the many answers.
        output, _ = load.communicate(b"go\n", timeout=seconds + 30)
    if load.returncode:
        raise CannotMeasureError("the load on the health port has failed; what it said stands above")
    return msgspec.json.decode(output.splitlines()[-1], type=dict[str, float])
