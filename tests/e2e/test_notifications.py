"""Somebody is told: a real sidecar beside a real gateway, and a receiver of webhooks."""

import os
import signal
import subprocess

from servers.asking import ask, tell
from servers.configuration import short
from servers.deployment import BIN, Deployment
from servers.hook import Hook


def test_a_drain_and_the_recovery_are_told(deployment: Deployment, hook: Hook) -> None:
    """What is wrong and why, what is done about it, and that it is over; nothing about a start without trouble."""
    deployment.gateway()
    sidecar = deployment.sidecar(short() + hook.sink(), env={"GIT_SHA": "0123456789abcdef"})
    sidecar.event("status_changed", after="ready")
    tell(deployment.gateway_port, "become/status/500")
    told = hook.until("drain_finished")
    words = [event["data"]["event"] for event in told]
    assert [word for word in words if word.startswith("drain")] == ["drain_begun", "drain_finished"]
    unhealthy = next(event["data"] for event in told if event["data"]["event"] == "unhealthy")
    assert (unhealthy["severity"], unhealthy["open"]) == ("error", True)
    assert any("found 500" in reason for reason in unhealthy["reasons"])
    assert unhealthy["release"].startswith("0123456789ab+")
    deployment.gateway()
    [*_, ready] = hook.until("ready")
    assert (ready["data"]["open"], ready["subject"]) == (False, "status")


def test_what_could_not_be_told_is_told_after_a_kill(deployment: Deployment, hook: Hook) -> None:
    """A sink that fails is shown, and holds up nothing; a kill loses no message, and it comes again as the same."""
    hook.status = 503
    config, env = short() + hook.sink(), {"STATE_DIRECTORY": str(deployment.directory)}
    deployment.gateway()
    sidecar = deployment.sidecar(config, env=env)
    sidecar.event("status_changed", after="ready")
    command = ["maintenance", "on", "--reason", "an upgrade", "--for", "1h"]
    subprocess.run([BIN / "sidecar", *command], env=deployment._environment(deployment.ports), check=True)
    first = hook.next()
    assert first["data"]["event"] == "maintenance_begun"
    assert sidecar.event("sink_failing")["message"] == "sink ops fails: HTTP status 503"
    page = ask(deployment.port).body
    assert page["sinks"]["ops"]["lastError"] == "HTTP status 503"
    assert page["sinks"]["ops"]["pending"] == 1
    hook.next()  # a second attempt: what is pending was kept long before
    sidecar.signal(signal.SIGKILL)
    sidecar.exit_status()
    while not hook.events.empty():
        hook.next()

    hook.status = 204
    again = deployment.sidecar(config, env=env)
    assert hook.next() == first
    again.event("maintenance_begun")
    subprocess.run([BIN / "sidecar", "maintenance", "off"], env=deployment._environment(deployment.ports), check=True)
    assert hook.next()["data"]["event"] == "maintenance_ended"
    assert "hunter2" not in "".join(sidecar.lines + again.lines)


def test_the_last_words_are_told(deployment: Deployment, hook: Hook) -> None:
    """That the gateway crashes too often is known a moment before the sidecar ends."""
    crashing = "[parent]\nmax_restarts = 0\n"
    sidecar = deployment.parent(short() + crashing + hook.sink(), deployment.gateway_command())
    pid = sidecar.event("listening")["pid"]
    sidecar.event("status_changed", after="ready")
    os.kill(pid, signal.SIGKILL)
    [*_, last] = hook.until("stopped")
    assert last["data"]["severity"] == "error"
    sidecar.exit_status()
