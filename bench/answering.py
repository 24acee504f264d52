"""What an answer of the health port costs, and how many it gives."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec

from bench.client import Answer, Client, ask
from bench.figures import Samples
from bench.processes import (
    CannotMeasureError,
    Sidecar,
    free_port,
    pin,
    running,
    running_gateway,
    running_sidecar,
    unpin,
)
from bench.usage import processor_seconds

_LOAD = Path(__file__).with_name("load.py")
_PATH = "/health/ready"
_CONNECTIONS = 32
_AT_MOST = 100_000


class Done(NamedTuple):
    """What a load came to. Times are in seconds."""

    per_second: float
    per_cpu_second: float
    p50: float
    p99: float


def measure(directory: Path, seconds: float, questions: int) -> Samples:
    """Ask for readiness in three manners, while the probes of the embedded default go on.

    32 connections that are kept alive ask without pause for so many seconds: the sidecar then takes many questions in
    one turn of its loop. One connection, and one after the other, ask so many questions: a turn and a wake-up for each.
    """
    port = free_port()
    with running_gateway(directory, port), running_sidecar(directory, port) as sidecar:
        sidecar.wait_ready()
        done = load(directory, sidecar.pid, sidecar.port, _PATH, seconds)
        unpin(sidecar.pid)
        with Client(sidecar.port) as client:
            one_by_one = _answers_per_cpu_second(sidecar, lambda: client.ask(_PATH), questions)
        fresh = _answers_per_cpu_second(sidecar, lambda: ask(sidecar.port, _PATH), questions)
    return {
        "answers_per_cpu_second": [done.per_cpu_second],
        "answers_one_by_one": [one_by_one],
        "answers_fresh": [fresh],
        "answers_per_second": [done.per_second],
        "latency_p50": [1000 * done.p50],
        "latency_p99": [1000 * done.p99],
    }


def load(directory: Path, pid: int, port: int, path: str, seconds: float) -> Done:
    """Load a process, which is pinned to one core, from another core (where there is one), after a warm-up."""
    pin(pid, 0)
    _ask_much(directory, port, path, seconds / 10)
    before = processor_seconds(pid)
    done = _ask_much(directory, port, path, seconds)
    used = processor_seconds(pid) - before
    return Done(done["answers"] / done["seconds"], done["answers"] / used, done["p50"], done["p99"])


def _answers_per_cpu_second(sidecar: Sidecar, question: Callable[[], Answer], number: int) -> float:
    before = processor_seconds(sidecar.pid)
    for _ in range(number):
        if question().status != 200:
            raise CannotMeasureError("readiness was not 200 all the time")
    return number / (processor_seconds(sidecar.pid) - before)


def _ask_much(directory: Path, port: int, path: str, seconds: float) -> dict[str, float]:
    command = [sys.executable, "-S", str(_LOAD), str(port), path]
    command += [str(_CONNECTIONS), str(seconds), str(_AT_MOST)]
    with running(command, directory, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as asking:
        pin(asking.pid, 1)
        # "ready" is waited for with the answer: connecting costs the server as much as some of the many answers.
        output, _ = asking.communicate(b"go\n", timeout=seconds + 30)
    if asking.returncode:
        raise CannotMeasureError("the load has failed; what it said stands above")
    return msgspec.json.decode(output.splitlines()[-1], type=dict[str, float])
