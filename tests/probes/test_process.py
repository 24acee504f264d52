"""The ``process`` kind against real processes."""

import os
import signal
import socket
import subprocess
import sys

import pytest
from msgspec.structs import replace
from servers.processes import freeze

from probes.process import KIND, ProcessProbe, Spec
from sidecar.contract import Evidence, GatewayPlan, GatewayProcess, Outcome, ProbeFailure, Run, Setting, Target
from sidecar.core.judge import judge
from sidecar.core.verdict import Verdict
from sidecar.linux import procfs

pytestmark = pytest.mark.anyio

MIB = 1 << 20

GATEWAY = """
import os, socket, sys, threading
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
held = []
for order in sys.stdin:
    word, _, number = order.strip().partition(" ")
    if word == "burn":
        began = os.times()
        while sum(os.times()[:2]) - sum(began[:2]) < 0.1:
            pass
    for _ in range(int(number or 0)):
        if word == "open":
            held.append(open("/dev/null"))
        if word == "thread":
            threading.Thread(target=threading.Event().wait, daemon=True).start()
    print("done", flush=True)
"""


def identify(pid: int) -> GatewayProcess:
    """Tell who a process is."""
    stat = procfs.stat(pid)
    return GatewayProcess(procfs.boot_id(), pid, stat.start_ticks, stat.started)


class Gateway:
    """A process that listens without ever accepting, and does what it is told."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", GATEWAY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.port = int(self.process.stdout.readline())
        self.identity = identify(self.process.pid)

    def tell(self, order: str) -> None:
        """Give an order, and wait until it is carried out."""
        self.process.stdin.write(f"{order}\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == "done\n"

    def kill(self, *, collect: bool) -> None:
        """End it; until it is collected it stays a zombie."""
        self.process.kill()
        self.await_change(os.WEXITED | (0 if collect else os.WNOWAIT))

    def await_change(self, change: int) -> None:
        """Wait until the process has ended, was stopped, or goes on."""
        os.waitid(os.P_PID, self.process.pid, change)


@pytest.fixture
def gateway():
    """Start a gateway."""
    started = Gateway()
    with started.process:
        yield started
        started.process.kill()


def probe_of(known, plan: GatewayPlan, **limits) -> ProcessProbe:
    """Make a probe; ``known`` is what is known of the gateway's process."""
    setting = Setting(name="process", timeout=2, gateway=plan, gateway_process=known, user_agent="test")
    return ProcessProbe(Spec(**limits), setting)


def watch(gateway: Gateway, **limits) -> ProcessProbe:
    """Make a probe of a process that is found."""
    return probe_of(lambda: gateway.identity, GatewayPlan(port=gateway.port), **limits)


async def look(probe: ProcessProbe) -> Verdict:
    """Look once, and judge what was seen."""
    run = Run()
    try:
        await probe.observe(run)
    except ProbeFailure as failure:
        run.record(failure)
    return judge(run.observation(started=0, wall=0, elapsed=0))


async def test_a_process_that_lives_passes(gateway):
    """What it consumes is shown even without limits; processor time needs a second look."""
    probe = watch(gateway)
    first, second = await look(probe), await look(probe)
    assert (first.outcome, first.reason) == (
        Outcome.PASS,
        f"the gateway's process is alive: found pid {gateway.process.pid}",
    )
    shown = {"pid", "uptime_seconds", "memory_bytes", "threads", "open_files", "listen_queue"}
    assert set(first.observation.notes) == shown
    assert set(second.observation.notes) == shown | {"cpu_percent"}
    assert first.observation.notes["memory_bytes"] > MIB


@pytest.mark.parametrize("collect", [False, True])
async def test_a_process_that_has_ended(gateway, collect):
    """It is gone, even while its parent has not collected it."""
    probe = watch(gateway)
    await look(probe)
    gateway.kill(collect=collect)
    verdict = await look(probe)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.GONE)


async def test_a_pid_that_is_reused(gateway):
    """A process that started at another time is somebody else: the gateway is gone."""
    before = replace(gateway.identity, start_ticks=gateway.identity.start_ticks - 1)
    verdict = await look(probe_of(lambda: before, GatewayPlan(port=gateway.port)))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.GONE)
    assert "now belongs to" in verdict.reason


async def test_a_process_that_is_stopped(gateway):
    """It lives, but answers nobody, until somebody lets it go on."""
    probe = watch(gateway)
    freeze(gateway.process.pid)
    verdict = await look(probe)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)
    assert f"kill -CONT {gateway.process.pid}" in verdict.reason
    gateway.process.send_signal(signal.SIGCONT)
    gateway.await_change(os.WCONTINUED)
    assert (await look(probe)).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, "port 1: has the gateway started"),
        ({"pid_file": "/run/gateway.pid"}, "pid file /run/gateway.pid"),
        ({"process_name": "web.1"}, "'web.1'"),
    ],
)
async def test_a_process_that_is_not_found(keys, words):
    """Nothing is proven, neither life nor death; the reason tells where it was looked for."""
    verdict = await look(probe_of(lambda: None, GatewayPlan(port=1, **keys)))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert words in verdict.reason


async def test_a_process_that_is_lost_from_sight(gateway):
    """Somebody who listens and stays unproven is a warning, from the second look on; the known one can still end."""
    known = [gateway.identity]
    probe = probe_of(lambda: known[0], GatewayPlan(port=gateway.port))
    await look(probe)
    known[0] = None
    verdict = await look(probe)
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.reason.endswith(f"held by user {os.geteuid()}, by a process that is not proven yet")
    verdict = await look(probe)
    assert verdict.outcome is Outcome.WARN
    assert f"held by user {os.geteuid()}, but nobody proven" in verdict.reason
    gateway.kill(collect=True)
    verdict = await look(probe)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.GONE)


@pytest.fixture
def ourselves() -> GatewayProcess:
    """Tell who runs the tests."""
    return identify(os.getpid())


async def test_a_process_that_takes_the_place_of_another(gateway, ourselves):
    """It is measured afresh: its processor time is not compared with the other's."""
    known = [ourselves]
    probe = probe_of(lambda: known[0], GatewayPlan(port=gateway.port))
    await look(probe)
    known[0] = gateway.identity
    verdict = await look(probe)
    assert verdict.outcome is Outcome.PASS
    assert "cpu_percent" not in verdict.observation.notes


OVER_THE_LIMIT = [
    ({"memory": MIB}, "", "memory is at most 1.0 MiB"),
    ({"open_files": 40}, "open 40", "open files is at most 40"),
    ({"threads": 3}, "thread 3", "threads is at most 3: found 4"),
    ({"cpu": 0.001}, "burn", "cpu is at most 0 %"),
]


@pytest.mark.parametrize(("limit", "order", "reason"), OVER_THE_LIMIT)
async def test_a_limit_that_is_exceeded(gateway, limit, order, reason):
    """It is a warning, unless the configuration says that it fails."""
    (name,) = limit
    warning, failing = watch(gateway, **limit), watch(gateway, **limit, fail=(name,))
    for probe in (warning, failing):
        await look(probe)
    gateway.tell(order)
    verdict = await look(warning)
    assert (verdict.outcome, verdict.evidence) == (Outcome.WARN, None)
    assert verdict.reason.startswith(reason)
    verdict = await look(failing)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.LIMIT)


async def test_a_listen_queue_that_is_too_long(gateway):
    """Connections that the gateway does not accept pile up."""
    probe = watch(gateway, listen_queue=2)
    clients = [socket.create_connection(("127.0.0.1", gateway.port)) for _ in range(2)]
    assert (await look(probe)).outcome is Outcome.PASS
    clients.append(socket.create_connection(("127.0.0.1", gateway.port)))
    verdict = await look(probe)
    for client in clients:
        client.close()
    assert (verdict.outcome, verdict.reason) == (Outcome.WARN, "listen queue is at most 2: found 3")


async def test_limits_that_are_kept(gateway):
    """Nothing is said about them but the figures."""
    probe = watch(
        gateway, memory=1 << 40, open_files=10**6, threads=10**6, cpu=10**6, listen_queue=10**6, fail=("memory", "cpu")
    )
    await look(probe)
    verdict = await look(probe)
    assert verdict.outcome is Outcome.PASS
    assert len(verdict.observation.findings) == 6


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"fail": ("memroy",)}, "fail names 'memroy': expected some of memory, cpu"),
        ({"fail": ("memory",)}, "there is no limit memory"),
    ],
)
async def test_settings_that_cannot_be_used(keys, words):
    """A limit that fails must exist."""
    with pytest.raises(ValueError, match=words):
        Spec(**keys)


async def test_whom_it_looks_at():
    """The gateway, always."""
    assert KIND.target(Spec(), GatewayPlan()) is Target.GATEWAY
