"""How long it takes from the gateway's SIGKILL until readiness is 503."""

import os
import signal
import time
from pathlib import Path

import msgspec

from bench.client import Client, ask
from bench.figures import Samples
from bench.processes import CannotMeasureError, Sidecar, free_port, running_gateway, running_sidecar

_WITHIN = 10.0
_WARM_UP = 20


def measure(directory: Path, kills: int) -> Samples:
    """Kill gateways one after the other beside one sidecar."""
    port = free_port()
    taken = []
    with running_sidecar(directory, port) as sidecar:
        for _ in range(kills):
            with running_gateway(directory, port) as gateway:
                sidecar.wait(lambda: _knows(sidecar, gateway.pid), f"ready with process {gateway.pid}")
                taken.append(1000 * _kill(sidecar, gateway.pid))
    return {"kill": taken}


def _knows(sidecar: Sidecar, pid: int) -> bool:
    answer = ask(sidecar.port, "/health/ready")
    known = msgspec.json.decode(answer.body)["gateway"].get("pid")
    return answer.status == 200 and known == pid


def _kill(sidecar: Sidecar, pid: int) -> float:
    """Ask without pause over one connection, before the kill and after it; returns seconds until 503."""
    with Client(sidecar.port) as client:
        for _ in range(_WARM_UP):
            client.ask("/health/ready")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        while client.ask("/health/ready").status != 503:
            if time.monotonic() - began > _WITHIN:
                raise CannotMeasureError("readiness never became 503 after the gateway was killed")
        return time.monotonic() - began
