"""Commands and heartbeats in a running sidecar."""

import http.client
import os
import signal
import time

from servers.asking import WITHIN, ask
from servers.configuration import short
from servers.deployment import Deployment

TOKEN = "hunter2-hunter2"

HEARTBEAT = """
[probes.nightly]
kind = "heartbeat"
every = "10m"
token = "${NIGHTLY_TOKEN}"
"""

COMMANDS = """
[probes.tells]
kind = "command"
argv = ["/bin/sh", "-c", "echo \\"the password is $PASSWORD\\"; exit 2"]
env = { PASSWORD = "${NIGHTLY_TOKEN}" }

[probes.hangs]
kind = "command"
argv = ["/bin/sh", "-c", "trap '' TERM; : >started; sleep 600 & wait; sleep 600"]
"""


def report(deployment: Deployment, name: str, token: str) -> int:
    """Report in by POST; gives the status of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=WITHIN)
    try:
        connection.request("POST", f"/heartbeat/{name}", b"all is well", {"Authorization": f"Bearer {token}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_heartbeat_by_post(deployment: Deployment) -> None:
    """A report with the right token makes the check pass; any other is refused; the token is never told."""
    sidecar = deployment.sidecar(short(HEARTBEAT), env={"NIGHTLY_TOKEN": TOKEN})
    sidecar.event("started")
    assert ask(deployment.port).status == 503
    wrong = [report(deployment, name, token) for name, token in (("nightly", "wrong"), ("weekly", TOKEN), ("", TOKEN))]
    assert wrong == [404, 404, 404]
    assert sidecar.named("check_changed", after="passing") == []

    deadline = time.monotonic() + WITHIN
    while report(deployment, "nightly", TOKEN) != 200:  # the health port is there before the first probe
        assert time.monotonic() < deadline
    sidecar.event("check_changed", probe="nightly", after="passing")
    sidecar.event("status_changed", after="ready")
    assert ask(deployment.port).status == 200
    assert not any(TOKEN in line for line in sidecar.lines)


def test_commands_end_with_the_sidecar(deployment: Deployment) -> None:
    """One that hangs is killed with its children, however stubborn; one that tells a secret has it taken out."""
    started = deployment.directory / "started"
    os.mkfifo(started)
    sidecar = deployment.sidecar(
        short(COMMANDS).replace('interval = "300ms"', 'interval = "1s"'), env={"NIGHTLY_TOKEN": TOKEN}
    )
    told = sidecar.event("check_changed", probe="tells", after="failing")
    assert "the password is [redacted]" in str(told)
    sidecar.event("check_changed", probe="hangs", after="failing")

    started.read_bytes()  # one is running now
    sidecar.signal(signal.SIGTERM)
    assert sidecar.exit_status() == -signal.SIGTERM
    assert deployment.processes() == []
    assert not any(TOKEN in line for line in sidecar.lines)
