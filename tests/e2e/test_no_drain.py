"""Failures that are not provably the gateway's own: told, and the gateway is left alone."""

import pytest
from servers.asking import ask, tell
from servers.configuration import GATEWAY_PROBES, short
from servers.deployment import Deployment, Program
from servers.postgres import PostgresServer
from servers.redis import StartRedis


def start(deployment: Deployment, config: str) -> tuple[Program, Program]:
    """Start a gateway and a sidecar beside it, and wait until it is ready."""
    gateway = deployment.gateway()
    sidecar = deployment.sidecar(config)
    sidecar.event("status_changed", after="ready")
    return gateway, sidecar


def test_a_dead_cache_degrades_and_no_more(deployment: Deployment, start_redis: StartRedis) -> None:
    """A real server dies: 200, degraded. It comes back: ready."""
    redis = start_redis()
    probes = GATEWAY_PROBES + f'[probes.cache]\nkind = "redis"\nurl = "{redis.url}"\n'
    gateway, sidecar = start(deployment, short(probes))

    redis.stop()
    sidecar.event("check_changed", probe="cache", after="failing")
    sidecar.event("status_changed", after="degraded")
    assert (ask(deployment.port).status, ask(deployment.port, "/health").status) == (200, 200)
    redis.start()
    sidecar.event("status_changed", after="ready")

    assert not sidecar.named("drain_begun")
    assert not gateway.named("terminated")


def test_a_dead_database_makes_unready_and_leaves_the_gateway_alone(
    deployment: Deployment, own_postgres: PostgresServer
) -> None:
    """A real server dies: readiness 503, liveness 200, no signal, not even when the gateway repeats the error.

    The gateway's 500 is no proof against it while the database fails: the drain is withheld, and says so.
    """
    probes = GATEWAY_PROBES + f'[probes.database]\nkind = "postgres"\nurl = "{own_postgres.url}"\n'
    gateway, sidecar = start(deployment, short(probes))

    own_postgres.stop()
    sidecar.event("check_changed", probe="database", after="failing")
    sidecar.event("status_changed", after="unhealthy")
    assert (ask(deployment.port).status, ask(deployment.port, "/health").status) == (503, 200)
    tell(deployment.gateway_port, "become/status/500")
    withheld = sidecar.event("drain_withheld", after="not_local")
    assert ask(deployment.port, "/health").status == 200
    tell(deployment.gateway_port, "become/status/200")
    own_postgres.start()
    sidecar.event("status_changed", after="ready")

    assert "gateway fails, but not provably by this gateway" in withheld["message"]
    assert not sidecar.named("drain_begun")
    assert not gateway.named("terminated")


@pytest.mark.parametrize("code", [401, 404])
def test_a_misconfigured_probe_makes_unready_and_never_drains(deployment: Deployment, code: int) -> None:
    """401 and 404 speak of the question, not of the gateway: readiness 503, and the drain is withheld."""
    gateway, sidecar = start(deployment, short())

    tell(deployment.gateway_port, f"become/status/{code}")
    sidecar.event("drain_withheld", after="not_local")

    assert (ask(deployment.port).status, ask(deployment.port, "/health").status) == (503, 200)
    assert not sidecar.named("drain_begun")
    assert not gateway.named("terminated")


def test_a_young_gateway_is_not_drained(deployment: Deployment) -> None:
    """Until the process is ``min_uptime`` old a drain is withheld; readiness says 503 all the same."""
    gateway, sidecar = start(deployment, short(min_uptime="1h"))

    tell(deployment.gateway_port, "become/status/500")
    withheld = sidecar.event("drain_withheld", after="min_uptime")

    assert "min_uptime is 3600 s" in withheld["message"]
    assert ask(deployment.port).status == 503
    assert not gateway.named("terminated")


def test_a_drain_comes_when_the_gateway_has_grown_old_enough(deployment: Deployment) -> None:
    """``min_uptime`` postpones a drain; it does not forgive."""
    sidecar = deployment.sidecar(short(min_uptime="3s", drain_after="0s"))
    sidecar.event("started")
    gateway = deployment.gateway()
    sidecar.event("status_changed", after="ready")

    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("drain_withheld", after="min_uptime")
    sidecar.event("drain_begun")

    gateway.event("terminated")


def test_after_a_drain_the_next_one_waits(deployment: Deployment) -> None:
    """A restarted gateway that is still sick is not drained again before the cool-down is over."""
    _, sidecar = start(deployment, short(lame_duck="0s", cool_down="1h", cool_down_max="1h"))

    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("drain_finished")
    successor = deployment.gateway()
    sidecar.event("status_changed", after="ready")
    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("drain_withheld", after="cool_down")

    assert not successor.named("terminated")


def test_a_gateway_that_never_started_is_not_drained(deployment: Deployment) -> None:
    """Before the deployment has started, readiness says 503, liveness 200, and a drain is withheld."""
    gateway = deployment.gateway()
    tell(deployment.gateway_port, "become/status/500")
    sidecar = deployment.sidecar(short())

    sidecar.event("drain_withheld", after="starting")

    statuses = [ask(deployment.port, path).status for path in ("/health/ready", "/health/startup", "/health")]
    assert statuses == [503, 503, 200]
    assert not gateway.named("terminated")


def test_with_the_drain_disabled_a_sick_gateway_is_only_told(deployment: Deployment) -> None:
    """``enabled = false``: readiness 503, an event that says why nothing else happens."""
    gateway, sidecar = start(deployment, short(enabled=False))

    tell(deployment.gateway_port, "become/status/500")
    withheld = sidecar.event("drain_withheld", after="disabled")

    assert "drain.enabled is false" in withheld["message"]
    assert not gateway.named("terminated")
