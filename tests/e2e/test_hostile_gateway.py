"""A gateway that answers nonsense, without end, in circles, or not at all: a clear verdict, in time, at no cost."""

import re
import time

import psutil
import pytest
from servers.asking import ask, tell
from servers.configuration import short
from servers.deployment import Deployment

PROBES = """
[probes.gateway]
kind = "http"
expect_body = "the sham gateway answers"
follow_redirects = 10

[probes.mcp]
kind = "mcp"
startup = false
on_failure = "observe"
"""

REASONS = {
    "silent": "replies within",
    "hang_up": "closed",
    "garbage": "HTTP",
    "endless_head": "head",
    "endless_body": "body",
    "redirects": "302",
}

MORE_CHECKS = 20
"""For each manner of the gateway, and of each probe."""

LOOK_EVERY = 0.02
"""Seconds between two looks at the counters, whose change no event tells."""

GROWTH = 8 * 1024 * 1024
"""Bytes that the sidecar's memory may grow over all these checks."""


@pytest.mark.parametrize("manner", REASONS)
def test_every_misbehaviour_has_its_reason(deployment: Deployment, manner: str) -> None:
    """The check fails with words that tell this misbehaviour from others, and recovers with the gateway."""
    deployment.gateway()
    patient = short(PROBES, enabled=False).replace('interval = "300ms"', 'interval = "1s"')
    sidecar = deployment.sidecar(patient)
    sidecar.event("status_changed", after="ready")

    tell(deployment.gateway_port, f"become/{manner}")
    failing = sidecar.event("check_changed", probe="gateway", after="failing")
    assert ask(deployment.port).status == 503
    tell(deployment.gateway_port, "become/status/200")
    sidecar.event("status_changed", after="ready")

    assert REASONS[manner] in failing["message"]


def test_memory_stays_flat_whatever_the_gateway_sends(deployment: Deployment) -> None:
    """Hundreds of checks of a gateway that does its worst leave nothing behind, neither memory nor descriptors."""
    deployment.gateway()
    sidecar = deployment.sidecar(short(PROBES, enabled=False).replace("300ms", "50ms").replace("100ms", "50ms"))
    sidecar.event("started")
    process = psutil.Process(sidecar.pid)

    misbehave(deployment, checks=2)
    before, open_before = process.memory_info().rss, process.num_fds()
    misbehave(deployment, checks=MORE_CHECKS)

    assert process.memory_info().rss - before < GROWTH
    assert process.num_fds() - open_before < MORE_CHECKS


def misbehave(deployment: Deployment, checks: int) -> None:
    """Let the gateway misbehave in every manner, each for so many checks of every probe."""
    for manner in REASONS:
        tell(deployment.gateway_port, f"become/{manner}")
        enough = executions(deployment) + checks
        while executions(deployment) < enough:
            time.sleep(LOOK_EVERY)


def executions(deployment: Deployment) -> int:
    """Count the executions of the probe that has been executed least."""
    metrics = ask(deployment.port, "/metrics").body
    counts = re.findall(r"^sidecar_probe_duration_seconds_count\S+ (\d+)$", metrics, re.MULTILINE)
    return min(map(int, counts))
