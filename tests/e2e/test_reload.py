"""SIGHUP puts a changed configuration in force, or says why it does not."""

import signal

from servers.asking import ask, holding, tell
from servers.configuration import GATEWAY_PROBES, short
from servers.deployment import Deployment, Program
from servers.redis import RedisServer

FURTHER = '\n[probes.further]\nkind = "http"\nurl = "/further"\non_failure = "observe"\n'


def start(deployment: Deployment, config: str) -> Program:
    """Start a gateway and a sidecar beside it, and wait until it is ready."""
    deployment.gateway()
    sidecar = deployment.sidecar(config)
    sidecar.event("status_changed", after="ready")
    return sidecar


def shown_checks(deployment: Deployment) -> set[str]:
    """Find the names of the checks that the health port shows."""
    return {key.removesuffix(":responseTime") for key in ask(deployment.port).body["checks"]}


def test_a_changed_file_is_in_force_at_once(deployment: Deployment) -> None:
    """A new probe appears in the answers and passes; one that is taken away disappears; readiness stays 200."""
    sidecar = start(deployment, short())

    deployment.configure(short(GATEWAY_PROBES + FURTHER))
    sidecar.signal(signal.SIGHUP)
    sidecar.event("reloaded", severity="info")
    assert shown_checks(deployment) == {"gateway", "process", "further"}
    assert ask(deployment.port).status == 200
    sidecar.event("check_changed", probe="further", after="passing")

    deployment.configure(short())
    sidecar.signal(signal.SIGHUP)
    sidecar.event("reloaded")
    assert shown_checks(deployment) == {"gateway", "process"}
    assert ask(deployment.port).status == 200


def test_an_invalid_file_changes_nothing_and_every_mistake_is_named(deployment: Deployment) -> None:
    """The event says file, line, key, what was found and what was expected; the sidecar goes on as before."""
    sidecar = start(deployment, short())

    path = deployment.configure(short(GATEWAY_PROBES + '\n[probes.further]\nkind = "http"\nintervall = "1s"\n'))
    line = path.read_text().splitlines().index('intervall = "1s"') + 1
    sidecar.signal(signal.SIGHUP)
    refused = sidecar.event("reload_refused", severity="error")
    assert f"{path}:{line}" in refused["message"]
    assert "intervall" in refused["message"]
    assert "interval" in refused["message"].replace("intervall", "")
    assert shown_checks(deployment) == {"gateway", "process"}

    path.unlink()
    sidecar.signal(signal.SIGHUP)
    assert str(path) in sidecar.event("reload_refused")["message"]
    path.write_bytes(bytes(range(256)) * 100)
    sidecar.signal(signal.SIGHUP)
    assert "it is binary" in sidecar.event("reload_refused")["message"]

    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("check_changed", probe="gateway", after="failing")
    assert ask(deployment.port).status == 503


def test_a_reload_does_not_forget_that_the_deployment_has_started(deployment: Deployment) -> None:
    """A new probe that has to pass once cannot take a started deployment out of traffic before it has failed."""
    sidecar = start(deployment, short())

    deployment.configure(short(GATEWAY_PROBES + '\n[probes.further]\nkind = "http"\ninitial_delay = "1h"\n'))
    sidecar.signal(signal.SIGHUP)
    sidecar.event("reloaded")

    assert ask(deployment.port, "/health/startup").status == 200
    assert ask(deployment.port).status == 200


def test_a_reload_changes_the_rules_of_the_drain(deployment: Deployment) -> None:
    """A drain that the old file forbade begins under the new one."""
    sidecar = start(deployment, short(enabled=False))
    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("drain_withheld", after="disabled")

    deployment.configure(short())
    sidecar.signal(signal.SIGHUP)

    sidecar.event("drain_begun")


def test_a_reload_calls_a_drain_off_whose_rules_it_changes(deployment: Deployment) -> None:
    """Whoever turns drains off, or into a shadow, means the one under way too: no signal is sent any more."""
    sidecar = start(deployment, short(lame_duck="30s"))
    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("drain_begun")

    deployment.configure(short(enabled=False))
    sidecar.signal(signal.SIGHUP)

    sidecar.event("drain_cancelled", before="lame_duck", after="idle")
    sidecar.event("drain_withheld", after="disabled")


def test_a_reload_that_leaves_the_rules_alone_leaves_a_drain_alone(deployment: Deployment) -> None:
    """A drain under way goes through to its signal."""
    sidecar = start(deployment, short(quiesce="30s"))
    with holding(deployment.gateway_port):
        tell(deployment.gateway_port, "become/status/500")
        sidecar.event("drain_begun")

        deployment.configure(short(GATEWAY_PROBES + FURTHER, quiesce="30s"))
        sidecar.signal(signal.SIGHUP)
        sidecar.event("reloaded")

    sidecar.event("drain_advanced", after="signalled")


def test_what_takes_effect_at_the_next_start_is_told(deployment: Deployment) -> None:
    """The ports stay what they are; an event says so, rather than leave the operator in the belief that they moved."""
    sidecar = start(deployment, short())

    deployment.configure(short() + '[server]\ntoken = "a new token"\n[gateway]\nprocess_name = "web.1"\n')
    sidecar.signal(signal.SIGHUP)
    sidecar.event("reloaded")

    for table in ("server", "gateway"):
        remark = sidecar.event("remark", severity="warning")
        assert remark["message"].startswith(f"[{table}]")
        assert "at the next start" in remark["message"]
    assert ask(deployment.port).status == 200


def test_a_gateway_that_is_first_probed_after_a_reload_is_watched_as_well(
    deployment: Deployment, redis_server: RedisServer
) -> None:
    """Its process is found and its exit is told, as if it had been probed from the start."""
    gateway = deployment.gateway()
    sidecar = deployment.sidecar(short(f'[probes.cache]\nkind = "redis"\nurl = "{redis_server.url}"\n'))
    sidecar.event("status_changed", after="ready")

    deployment.configure(short())
    sidecar.signal(signal.SIGHUP)
    sidecar.event("gateway_appeared")
    gateway.signal(signal.SIGKILL)

    sidecar.event("gateway_exited")
    assert ask(deployment.port).status == 503
