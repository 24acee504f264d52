"""A gateway that is frozen, and one that is merely slow: answered at once, and not mistaken for each other."""

import os
import signal

from servers.asking import ask, tell, watching
from servers.configuration import GATEWAY_PROBES, short
from servers.deployment import Deployment, Program, shell
from servers.processes import freeze

SLOW_AFTER = GATEWAY_PROBES.replace('kind = "http"', 'kind = "http"\nslow = "20ms"')

ANSWERED_WITHIN = 2.0
"""Seconds; far more than an answer takes, and far less than a frozen gateway takes, which is for ever."""


def under_honcho(deployment: Deployment, config: str) -> tuple[Program, int]:
    """Start the sham gateway and the sidecar under honcho; returns it and the gateway's pid."""
    deployment.configure(config, "conf/sidecar.toml")
    honcho = deployment.honcho(
        f"web: exec {shell(deployment.gateway_command())}\n"
        "health: exec env GATEWAY_PORT=$GATEWAY_PORT SIDECAR_PORT=$SIDECAR_PORT sidecar run\n"
    )
    pid: int = honcho.event("listening")["pid"]
    honcho.event("status_changed", after="ready")
    return honcho, pid


def test_a_frozen_gateway_is_unready_and_hung_and_ready_again_when_it_thaws(deployment: Deployment) -> None:
    """kill -STOP: after the threshold readiness and liveness say 503, at once each time; kill -CONT: both say 200."""
    honcho, pid = under_honcho(deployment, short(drain_after="1h"))

    with watching(deployment.port) as readiness:
        freeze(pid)
        seen = [honcho.event("check_changed", after="failing")]
        honcho.event("status_changed", after="unhealthy")
        seen += [honcho.event("check_changed", after="failing")]
        assert (ask(deployment.port).status, ask(deployment.port, "/health").status) == (503, 503)
        assert ask(deployment.port, "/health/startup").status == 200
        os.kill(pid, signal.SIGCONT)
        honcho.event("status_changed", after="ready")
        assert (ask(deployment.port).status, ask(deployment.port, "/health").status) == (200, 200)

    told = {event["probe"]: event["message"] for event in seen}
    assert "replies within 0.3 s: found nothing after connect" in told["gateway"]
    assert f"pid {pid} stopped by a signal" in told["process"]
    assert {event["cause"] for event in seen} == {"local"}
    assert max(answer.answered - answer.asked for answer in readiness.answers) < ANSWERED_WITHIN
    assert not honcho.named("gateway_exited")


def test_a_frozen_gateway_is_drained_and_killed(deployment: Deployment) -> None:
    """SIGTERM waits for a frozen process in vain, so SIGKILL ends it, and liveness is not its judge meanwhile."""
    gateway = deployment.gateway()
    sidecar = deployment.sidecar(short(lame_duck="2s", quiesce="300ms", grace="300ms"))
    sidecar.event("status_changed", after="ready")

    freeze(gateway.pid)
    sidecar.event("drain_begun")
    assert ask(deployment.port, "/health").status == 200
    sidecar.event("drain_advanced", after="killed")

    assert gateway.exit_status() == -signal.SIGKILL
    sidecar.event("drain_finished")


def test_a_slow_gateway_is_degraded_and_stays_in_traffic(deployment: Deployment) -> None:
    """A reply that takes longer than ``slow`` warns: readiness says 200 throughout, and nothing is drained."""
    honcho, _ = under_honcho(deployment, short(SLOW_AFTER))

    with watching(deployment.port) as readiness:
        tell(deployment.gateway_port, "become/slow/0.05")
        warned = honcho.event("check_changed", probe="gateway", after="passing, warn")
        honcho.event("status_changed", after="degraded")
        answer = ask(deployment.port)
        tell(deployment.gateway_port, "become/status/200")
        honcho.event("status_changed", after="ready")

    assert "total is at most 20 ms: found" in warned["message"]
    assert (answer.status, answer.body["status"], answer.body["deploymentStatus"]) == (200, "warn", "degraded")
    assert set(readiness.statuses) == {200}
    assert not honcho.named("drain_begun")
