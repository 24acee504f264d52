"""Somebody is told: a real sidecar beside a real gateway, and a receiver of webhooks."""

import json
import os
import queue
import signal
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from servers.asking import ask, tell
from servers.configuration import short
from servers.deployment import BIN, WITHIN, Deployment


class Receiver:
    """A receiver in a thread, which answers 204, or what it is told to answer."""

    def __init__(self) -> None:
        self.events: queue.Queue[dict] = queue.Queue()
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self.send_response(receiver.status)
                self.end_headers()
                receiver.events.put(json.loads(body))

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def sink(self) -> str:
        """The table of a sink that is this receiver."""
        url = f"http://127.0.0.1:{self._server.server_port}/hook?token=hunter2hunter2"
        return f'\n[notify.sinks.ops]\nkind = "webhook"\nurl = "{url}"\n'

    def next(self) -> dict:
        """Wait for the next message."""
        return self.events.get(timeout=WITHIN)

    def until(self, event: str) -> list[dict]:
        """Wait for this message; returns all that came, it included."""
        told = [self.next()]
        while told[-1]["data"]["event"] != event:
            told.append(self.next())
        return told

    def stop(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    receiver = Receiver()
    yield receiver
    receiver.stop()


def test_a_drain_and_the_recovery_are_told(deployment: Deployment, receiver: Receiver) -> None:
    """What is wrong and why, what is done about it, and that it is over; nothing about a start without trouble."""
    deployment.gateway()
    sidecar = deployment.sidecar(short() + receiver.sink(), env={"GIT_SHA": "0123456789abcdef"})
    sidecar.event("status_changed", after="ready")
    tell(deployment.gateway_port, "become/status/500")
    told = receiver.until("drain_finished")
    words = [event["data"]["event"] for event in told]
    assert [word for word in words if word.startswith("drain")] == ["drain_begun", "drain_finished"]
    unhealthy = next(event["data"] for event in told if event["data"]["event"] == "unhealthy")
    assert (unhealthy["severity"], unhealthy["open"]) == ("error", True)
    assert any("found 500" in reason for reason in unhealthy["reasons"])
    assert unhealthy["release"].startswith("0123456789ab+")
    deployment.gateway()
    [*_, ready] = receiver.until("ready")
    assert (ready["data"]["open"], ready["subject"]) == (False, "status")


def test_what_could_not_be_told_is_told_after_a_kill(deployment: Deployment, receiver: Receiver) -> None:
    """A sink that fails is shown, and holds up nothing; a kill loses no message, and it comes again as the same."""
    receiver.status = 503
    config, env = short() + receiver.sink(), {"STATE_DIRECTORY": str(deployment.directory)}
    deployment.gateway()
    sidecar = deployment.sidecar(config, env=env)
    sidecar.event("status_changed", after="ready")
    command = ["maintenance", "on", "--reason", "an upgrade", "--for", "1h"]
    subprocess.run([BIN / "sidecar", *command], env=deployment._environment(deployment.ports), check=True)
    first = receiver.next()
    assert first["data"]["event"] == "maintenance_begun"
    assert sidecar.event("sink_failing")["message"] == "sink ops fails: HTTP status 503"
    page = ask(deployment.port).body
    assert page["sinks"]["ops"]["lastError"] == "HTTP status 503"
    assert page["sinks"]["ops"]["pending"] == 1
    receiver.next()  # a second attempt: what is pending was kept long before
    sidecar.signal(signal.SIGKILL)
    sidecar.exit_status()
    while not receiver.events.empty():
        receiver.next()

    receiver.status = 204
    again = deployment.sidecar(config, env=env)
    assert receiver.next() == first
    again.event("maintenance_begun")
    subprocess.run([BIN / "sidecar", "maintenance", "off"], env=deployment._environment(deployment.ports), check=True)
    assert receiver.next()["data"]["event"] == "maintenance_ended"
    assert "hunter2" not in "".join(sidecar.lines + again.lines)


def test_the_last_words_are_told(deployment: Deployment, receiver: Receiver) -> None:
    """That the gateway crashes too often is known a moment before the sidecar ends."""
    crashing = "[parent]\nmax_restarts = 0\n"
    sidecar = deployment.parent(short() + crashing + receiver.sink(), deployment.gateway_command())
    sidecar.event("status_changed", after="ready")
    pid = sidecar.named("gateway_appeared")[-1]["message"].rpartition(" ")[2]
    os.kill(int(pid), signal.SIGKILL)
    [*_, last] = receiver.until("stopped")
    assert last["data"]["severity"] == "error"
    sidecar.exit_status()
