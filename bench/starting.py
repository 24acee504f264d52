"""How long it takes from exec until the health port answers."""

import time
from pathlib import Path

from bench.client import ask
from bench.figures import Samples
from bench.processes import free_port, running_gateway, running_sidecar

_PAUSE = 0.001


def measure(directory: Path, starts: int) -> Samples:
    """Start sidecars one after the other beside a gateway that is up; /health is asked every millisecond."""
    taken = []
    port = free_port()
    with running_gateway(directory, port):
        for _ in range(starts):
            began = time.monotonic()
            with running_sidecar(directory, port) as sidecar:
                sidecar.wait(lambda: ask(sidecar.port, "/health").status == 200, "live", _PAUSE)
                taken.append(1000 * (time.monotonic() - began))
    return {"start": taken}
