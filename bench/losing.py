"""How long it takes from the SIGKILL of Redis or PostgreSQL until /health has a new verdict on it."""

import os
import signal
import time
from pathlib import Path
from typing import Any

import msgspec

from bench.client import Client, ask
from bench.figures import Samples
from bench.processes import CannotMeasureError, Sidecar, free_port, running_gateway, running_sidecar
from bench.servers import PostgresServer, RedisServer, running_postgres, running_redis

_WITHIN = 30.0
_APART = 1.2
"""Seconds between two losses, at least: a probe's tripwire is heeded once in a ``fast_interval``."""


def measure(directory: Path, losses: int) -> Samples:
    """Kill the servers of a sidecar with its embedded default, whose next look is up to five seconds away."""
    port = free_port()
    with running_redis(directory) as redis, running_postgres() as postgres, running_gateway(directory, port):
        urls = {"REDIS_URL": redis.url, "DATABASE_URL": postgres.url}
        with running_sidecar(directory, port, further=urls) as sidecar:
            return {
                "lost_redis": [_lose(sidecar, redis, "cache") for _ in range(losses)],
                "lost_postgres": [_lose(sidecar, postgres, "database") for _ in range(losses)],
            }


def _lose(sidecar: Sidecar, server: RedisServer | PostgresServer, check: str) -> float:
    sidecar.wait(lambda: _failures(ask(sidecar.port, "/health").body, check) == 0, f"content with its {check}")
    time.sleep(_APART)
    with Client(sidecar.port) as client:
        began = time.monotonic()
        os.kill(server._process.pid, signal.SIGKILL)  # noqa: SLF001 - the tests stop it in gentler ways
        while _failures(client.ask("/health").body, check) == 0:
            if time.monotonic() - began > _WITHIN:
                raise CannotMeasureError(f"no new verdict on the {check} after its server was killed")
        taken = 1000 * (time.monotonic() - began)
    server.stop()
    server.start()
    return taken


def _failures(body: bytes, check: str) -> int:
    """Read how often the check has failed; 1 while it has no verdict."""
    checks: dict[str, Any] = msgspec.json.decode(body)["checks"]
    (found,) = checks.get(f"{check}:responseTime", [{}])
    return int(found.get("failures", 1)) if found.get("status") == "pass" or "failures" in found else 1
