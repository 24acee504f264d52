"""Parent mode: the sidecar starts the gateway, hands signals on, starts it again, and leaves nothing behind."""

import http.client
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from servers.asking import ask, tell, watching
from servers.configuration import GATEWAY_PROBES, short
from servers.deployment import BIN, WITHIN, Deployment, Program
from servers.mcp_client import Call

SLOW_MCP = Path(__file__).parents[1] / "servers" / "slow_mcp.py"

ASKS_FIRST = """
import http.client, json, os, sys
health = http.client.HTTPConnection("127.0.0.1", int(os.environ["SIDECAR_PORT"]))
health.request("GET", "/health")
names = ("PORT", "GATEWAY_PORT", "SIDECAR_PORT")
print(json.dumps({"event": "asked", "status": health.getresponse().status, **{n: os.environ[n] for n in names}}))
sys.stdout.flush()
os.execv(sys.argv[1], sys.argv[1:])
"""


def config(parent: str = "", **drain: object) -> str:
    """Write a configuration in which a restart comes soon."""
    return short(f'{GATEWAY_PROBES}\n[parent]\nrestart_backoff = "100ms"\n{parent}\n', **drain)


def ready(sidecar: Program) -> int:
    """Wait until the next gateway is ready; returns the pid of who listens."""
    pid = sidecar.event("listening")["pid"]
    sidecar.event("status_changed", after="ready")
    return pid


def behind(*command: object, then: str = "exit $?") -> list[str]:
    """Wrap a command in a shell that stays above it."""
    return ["sh", "-c", f'"$@"; {then}', "sh", *map(str, command)]


def gone(pid: int) -> None:
    """Wait until this process is no more. No event tells of the end of somebody else's child, nor of its collection."""
    deadline = time.monotonic() + WITHIN
    while psutil.pid_exists(pid):
        assert time.monotonic() < deadline, psutil.Process(pid)
        time.sleep(0.02)


def look_up(process: psutil.Process, what: str) -> str:
    """Look up the name or the status of a process; empty when it has been collected meanwhile."""
    with suppress(psutil.NoSuchProcess):
        return str(process.as_dict([what])[what])
    return ""


def test_the_health_port_answers_before_the_gateway_starts_and_both_ports_are_in_its_environment(
    deployment: Deployment,
) -> None:
    """The gateway's first act is to ask the sidecar; its own port is its ``PORT``, whatever ``PORT`` was."""
    command = [sys.executable, "-c", ASKS_FIRST, *deployment.gateway_command()]
    sidecar = deployment.parent(config(), command, env={"PORT": "4711"})

    asked = sidecar.event("asked")
    gateway = ready(sidecar)

    assert (asked["status"], asked["PORT"], asked["GATEWAY_PORT"]) == (200, *[str(deployment.gateway_port)] * 2)
    assert asked["SIDECAR_PORT"] == str(deployment.port)
    assert psutil.Process(gateway).ppid() == sidecar.pid
    assert f"with PORT={deployment.gateway_port}" in sidecar.named("started")[0]["message"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("status", [0, 3])
def test_a_stop_is_handed_on_once_and_ends_with_the_gateways_own_status(
    deployment: Deployment, number: signal.Signals, status: int
) -> None:
    """SIGTERM as SIGTERM, SIGINT as SIGINT; the sidecar is the last to go, and nothing is left."""
    sidecar = deployment.parent(config(), deployment.gateway_command("--status", str(status)))
    ready(sidecar)

    with watching(deployment.port) as readiness, watching(deployment.port, "/health") as liveness:
        assert readiness.answered(200)
        assert liveness.answered(200)
        sidecar.signal(number)
        assert readiness.ended()

    assert sidecar.exit_status() == status
    heard = [event["event"] for event in sidecar.events if event["event"] in ("terminated", "interrupted")]
    assert heard == ["terminated" if number is signal.SIGTERM else "interrupted"]
    assert set(liveness.statuses) == {200}
    assert sidecar.named("child_ended", severity="info")
    assert deployment.processes() == []


def test_a_gateway_that_dies_of_the_signal_ends_the_sidecar_with_128_and_its_number(deployment: Deployment) -> None:
    """143, as a shell would show it: also for the first process of a container, which no signal of its own ends."""
    sidecar = deployment.parent(config(), ["sleep", "1000"])
    sidecar.event("child_started")
    sidecar.signal(signal.SIGTERM)
    assert sidecar.exit_status() == 128 + signal.SIGTERM


def test_readiness_says_503_for_the_stop_lame_duck_before_the_signal(deployment: Deployment) -> None:
    """``stop_lame_duck`` delays the signal, and nothing else."""
    sidecar = deployment.parent(config(stop_lame_duck="700ms"), deployment.gateway_command())
    ready(sidecar)
    with watching(deployment.port) as readiness:
        assert readiness.answered(200)
        asked = time.monotonic()
        sidecar.signal(signal.SIGTERM)
        stopping = sidecar.event("stopping")
        terminated = sidecar.event("terminated")
        assert readiness.ended()
    assert set(readiness.statuses[readiness.statuses.index(503) :]) == {503}
    assert 200 not in [answer.status for answer in readiness.answers if answer.asked > stopping["heard"]]
    assert terminated["at"] - asked >= 0.7


def test_a_second_signal_kills_a_gateway_that_ignores_the_first(deployment: Deployment) -> None:
    """Whoever asks twice does not want to wait for ``grace``."""
    sidecar = deployment.parent(config(grace="1h"), deployment.gateway_command("--stubborn"))
    ready(sidecar)
    sidecar.signal(signal.SIGTERM)
    sidecar.event("terminated")
    sidecar.signal(signal.SIGTERM)
    assert sidecar.exit_status() == 128 + signal.SIGKILL
    assert deployment.processes() == []


def test_a_gateway_that_ignores_a_stop_is_killed_when_grace_is_over(deployment: Deployment) -> None:
    """The same time and the same end as in a drain."""
    sidecar = deployment.parent(config(grace="300ms"), deployment.gateway_command("--stubborn"))
    ready(sidecar)
    sidecar.signal(signal.SIGTERM)
    assert sidecar.exit_status() == 128 + signal.SIGKILL
    assert len(sidecar.named("terminated")) == 1


def test_ctrl_c_on_a_terminal_interrupts_the_gateway_once(deployment: Deployment) -> None:
    """A terminal signals the whole foreground group; the gateway is not in it, and gets the signal from the sidecar."""
    sidecar = deployment.parent(config(), deployment.gateway_command("--stubborn"))
    ready(sidecar)
    os.killpg(sidecar.pid, signal.SIGINT)
    sidecar.event("interrupted")
    os.killpg(sidecar.pid, signal.SIGINT)
    assert sidecar.exit_status() == 128 + signal.SIGKILL
    assert len(sidecar.named("interrupted")) == 1


def test_hangup_reloads_and_is_not_handed_on(deployment: Deployment) -> None:
    """SIGHUP would have ended this gateway."""
    sidecar = deployment.parent(config(), deployment.gateway_command())
    gateway = ready(sidecar)
    sidecar.signal(signal.SIGHUP)
    sidecar.event("reloaded")
    assert psutil.Process(gateway).is_running()
    assert ask(deployment.port).status == 200


def test_a_wrapper_keeps_no_signal_from_the_gateway_behind_it(deployment: Deployment) -> None:
    """As npm does: the shell would ignore SIGTERM while its command runs, so it goes to the one who listens."""
    sidecar = deployment.parent(config(), behind(*deployment.gateway_command("--status", "5")))
    gateway = ready(sidecar)
    assert psutil.Process(gateway).ppid() != sidecar.pid
    sidecar.signal(signal.SIGTERM)
    sidecar.event("terminated")
    assert sidecar.exit_status() == 5


@pytest.mark.parametrize("is_wrapped", [False, True], ids=["alone", "behind a wrapper"])
def test_a_drain_never_costs_the_container(deployment: Deployment, is_wrapped: bool) -> None:
    """The sick gateway is drained and started again at once; the sidecar answers throughout, alive all the time."""
    command = deployment.gateway_command()
    sidecar = deployment.parent(config(), behind(*command) if is_wrapped else command)
    first = ready(sidecar)

    with watching(deployment.port, "/health") as liveness:
        tell(deployment.gateway_port, "become/status/500")
        sidecar.event("drain_begun")
        sidecar.event("terminated")
        sidecar.event("drain_finished")
        sidecar.event("child_ended", severity="info")
        second = ready(sidecar)

    assert second != first
    assert set(liveness.statuses) == {200}
    assert ask(deployment.port).status == 200
    sidecar.signal(signal.SIGTERM)
    assert sidecar.exit_status() == 0


def test_a_crash_is_followed_by_a_restart_and_liveness_is_200_throughout(deployment: Deployment) -> None:
    """kill -9 of the gateway: unready at once, and ready again with the next process."""
    text = config().replace('restart_backoff = "100ms"', 'restart_backoff = "1s"')
    sidecar = deployment.parent(text, deployment.gateway_command())
    first = ready(sidecar)
    with watching(deployment.port, "/health") as liveness, watching(deployment.port) as readiness:
        psutil.Process(first).kill()
        ended = sidecar.event("child_ended", severity="error")
        assert readiness.answered(503)
        second = ready(sidecar)
    assert "was killed by SIGKILL; nobody has asked for that: crash 1" in ended["message"]
    assert second != first
    assert set(liveness.statuses) == {200}


@pytest.mark.parametrize(("status", "ends_with"), [(0, 1), (3, 3)])
def test_a_crash_loop_ends_the_sidecar_and_never_with_status_0(
    deployment: Deployment, status: int, ends_with: int
) -> None:
    """An exit with status 0 is a crash too: the platform has to notice."""
    sidecar = deployment.parent(config("max_restarts = 2"), ["sh", "-c", f"exit {status}"])
    assert sidecar.exit_status() == ends_with
    assert len(sidecar.named("child_started")) == 3
    assert [event["severity"] for event in sidecar.named("child_ended")] == ["error"] * 3
    assert sidecar.named("stopped", severity="error")


def test_a_stop_during_the_pause_before_a_restart_ends_at_once(deployment: Deployment) -> None:
    """With the status of the crash, and without another start."""
    text = short(f'{GATEWAY_PROBES}\n[parent]\nrestart_backoff = "1h"\nrestart_backoff_max = "1h"\n')
    sidecar = deployment.parent(text, ["sh", "-c", "exit 7"])
    sidecar.event("child_ended")
    sidecar.signal(signal.SIGTERM)
    assert sidecar.exit_status() == 7
    assert len(sidecar.named("child_started")) == 1


@pytest.mark.parametrize(
    ("command", "status", "complaint"),
    [
        (["no-such-program"], 127, "cannot start 'no-such-program': there is no such command"),
        (["./no-such-program"], 127, "cannot start './no-such-program': there is no such command"),
        (["./not-executable"], 126, "cannot start './not-executable': permission denied"),
    ],
)
def test_a_command_that_cannot_be_started_is_told_in_one_line(
    deployment: Deployment, command: list[str], status: int, complaint: str
) -> None:
    """With the exit status that a shell would have; no port is opened for it."""
    (deployment.directory / "not-executable").write_text("")
    sidecar = deployment.parent(config(), command)
    assert sidecar.exit_status() == status
    assert len(sidecar.lines) == 1
    assert complaint in sidecar.lines[0]


def test_what_a_gateway_leaves_behind_is_killed_before_the_next_one_starts(deployment: Deployment) -> None:
    """A worker that outlives its crashed parent would hold the port and the memory."""
    leaves = 'sleep 1000 & echo "{\\"event\\":\\"sleeper\\",\\"pid\\":$!}"; exec "$@"'
    sidecar = deployment.parent(config(), ["sh", "-c", leaves, "sh", *deployment.gateway_command()])
    sleeper = sidecar.event("sleeper")["pid"]
    first = ready(sidecar)
    psutil.Process(first).kill()
    left = sidecar.event("left_behind", severity="warning")
    assert str(sleeper) in left["message"]
    ready(sidecar)
    assert sleeper not in [process.pid for process in deployment.processes()]
    sidecar.signal(signal.SIGTERM)
    sidecar.exit_status()
    assert deployment.processes() == []


def test_a_gateway_that_goes_to_the_background_is_named_as_such_and_does_not_pile_up(deployment: Deployment) -> None:
    """A daemon leaves its session and its parent, but is found all the same; the third end is the last."""
    os.mkfifo(deployment.directory / "said")
    daemon = 'setsid "$@" >said & head -n 1 said'
    sidecar = deployment.parent(config("max_restarts = 1"), ["sh", "-c", daemon, "sh", *deployment.gateway_command()])
    left = sidecar.event("left_behind", severity="error")
    assert "if it goes to the background, keep it in the foreground" in left["message"]
    assert sidecar.exit_status() == 1
    assert len(sidecar.named("listening")) == len(sidecar.named("left_behind")) == 2
    assert deployment.processes() == []


def test_a_gateway_that_ends_well_when_it_is_drained_is_not_taken_for_a_daemon(deployment: Deployment) -> None:
    """What it leaves behind is killed all the same."""
    sidecar = deployment.parent(config(), ["sh", "-c", 'sleep 1000 & exec "$@"', "sh", *deployment.gateway_command()])
    ready(sidecar)
    drained = deployment.start([BIN / "sidecar", "drain", "--config", "sidecar.toml"], env=deployment.ports)
    assert drained.exit_status() == 0
    left = sidecar.event("left_behind", severity="warning")
    assert "background" not in left["message"]
    ready(sidecar)


def test_when_the_sidecar_is_killed_the_gateway_dies_with_it(deployment: Deployment) -> None:
    """A gateway without its sidecar would hold the port against the next deployment, with nobody to tell of it."""
    sidecar = deployment.parent(config(), deployment.gateway_command())
    gateway = ready(sidecar)
    sidecar.signal(signal.SIGKILL)
    gone(gateway)
    assert sidecar.exit_status() == -signal.SIGKILL


ORPHAN = """(sh -c 'until [ "$(cut -d" " -f4 /proc/$$/stat)" = $1 ]; do sleep 0.01; done
echo "{\\"event\\":\\"orphan\\",\\"pid\\":$$,\\"parent\\":$1}"' sh $PPID &); exec "$@" """
"""Its child loses its parent, and ends when it has the sidecar for one."""


def test_orphans_are_reaped_and_the_children_of_probes_are_not(deployment: Deployment) -> None:
    """An orphan comes to the sidecar and leaves no zombie; a `command` probe still learns its exit status."""
    command_probe = '\n[probes.mine]\nkind = "command"\nargv = ["true"]\non_failure = "unready"\n'
    sidecar = deployment.parent(config() + command_probe, ["sh", "-c", ORPHAN, "sh", *deployment.gateway_command()])
    orphan = sidecar.event("orphan")
    assert orphan["parent"] == sidecar.pid
    gone(orphan["pid"])
    assert ask(deployment.port).status == 200
    assert not [event for event in sidecar.named("check_changed", probe="mine") if event["after"] != "passing"]


def first_of_a_container() -> list[str]:
    """Make a sidecar the first process of a pid namespace of its own, where this machine permits it; else nothing."""
    unshare = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
    for command in (unshare, [*unshare, "--user", "--map-root-user"]):
        if subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
            return command
    return []


def test_as_the_first_process_of_a_container_it_does_all_the_same(deployment: Deployment) -> None:
    """Orphans are reaped, a crash is followed by a restart, and the stop ends with the gateway's own status."""
    within = first_of_a_container()
    command = ["sh", "-c", ORPHAN, "sh", *deployment.gateway_command("--status", "5")]
    outer = deployment.parent(config(), command, within=within)
    outer.event("status_changed", after="ready")
    orphan = (outer.named("orphan") or [outer.event("orphan")])[0]
    [pid] = [child.pid for child in psutil.Process(outer.pid).children()] if within else [outer.pid]
    if within:
        assert orphan["parent"] == 1

    [gateway] = [child for child in psutil.Process(pid).children() if look_up(child, "name").startswith("python")]
    gateway.kill()
    outer.event("child_ended", severity="error")
    outer.event("status_changed", after="ready")
    deadline = time.monotonic() + WITHIN
    while any(look_up(child, "status") == psutil.STATUS_ZOMBIE for child in psutil.Process(pid).children()):
        assert time.monotonic() < deadline
        time.sleep(0.02)  # no event tells of a collected child

    os.kill(pid, signal.SIGTERM)
    outer.event("terminated")
    assert outer.exit_status() == 5
    assert deployment.processes() == []


def test_a_request_in_flight_is_finished_before_the_end(deployment: Deployment) -> None:
    """A real gateway with a real MCP server behind it: the signal does not reach the server that still works."""
    release, errors = deployment.directory / "release", deployment.directory / "errors"
    os.mkfifo(release)
    os.mkfifo(errors)
    proxy = [BIN / "mcp-proxy", "--host", "127.0.0.1", "--port", str(deployment.gateway_port), "--"]
    server = [sys.executable, "-P", SLOW_MCP, release]
    quietly = f'exec "$@" >{shlex.quote(str(errors))} 2>&1'
    sidecar = deployment.parent(
        short('\n[probes.mcp]\nkind = "mcp"\n'), ["sh", "-c", quietly, "sh", *map(str, [*proxy, *server])]
    )
    with errors.open() as said:
        sidecar.event("status_changed", after="ready")
        call = Call(deployment.gateway_port, "slow")
        assert any("the slow tool is called" in line for line in said)
        reader = threading.Thread(target=said.read)
        reader.start()
        with watching(deployment.port) as readiness:
            sidecar.signal(signal.SIGTERM)
            assert readiness.answered(503)
            assert call.is_alive()
            release.write_text("the work is done")
            call.join(WITHIN)
        status = sidecar.exit_status()
        reader.join(WITHIN)
    assert call.result["content"] == [{"type": "text", "text": "the work is done"}]
    assert status == 128 + signal.SIGTERM  # when its work is done, uvicorn dies of the signal that it was sent
    assert deployment.processes() == []


def test_without_a_probe_of_the_gateway_it_is_a_parent_all_the_same(deployment: Deployment) -> None:
    """With upstream probes alone the command is started again all the same."""
    text = short('\n[probes.mine]\nkind = "command"\nargv = ["true"]\n[parent]\nrestart_backoff = "100ms"\n')
    sidecar = deployment.parent(text, deployment.gateway_command())
    first = sidecar.event("listening")["pid"]
    psutil.Process(first).kill()
    assert sidecar.event("listening")["pid"] != first
    client = http.client.HTTPConnection("127.0.0.1", deployment.gateway_port, timeout=WITHIN)
    client.request("GET", "/")
    assert client.getresponse().status == 200
    client.close()


def test_a_request_for_the_public_domain_is_told_once(deployment: Deployment) -> None:
    """Traffic that reaches the health port shows that the domain's target port is wrong."""
    sidecar = deployment.parent(config(), deployment.gateway_command(), env={"RAILWAY_PUBLIC_DOMAIN": "mine.example"})
    ready(sidecar)
    for _ in range(2):
        client = http.client.HTTPConnection("127.0.0.1", deployment.port, timeout=WITHIN)
        client.request("GET", "/mcp", headers={"Host": "mine.example"})
        assert client.getresponse().status == 404
        client.close()
    sidecar.signal(signal.SIGTERM)
    sidecar.exit_status()
    told = [event["message"] for event in sidecar.named("remark", severity="warning")]
    assert len(told) == 1
    assert f"set the target port of this domain to the gateway's, {deployment.gateway_port}" in told[0]


def test_under_honcho_a_drain_takes_its_time_and_honcho_notices_nothing(deployment: Deployment) -> None:
    """Longer than the five seconds that honcho leaves after an exit, but the only process that it knows does not exit.

    When that does, honcho ends with its status.
    """
    gateway = shlex.join(deployment.gateway_command("--stubborn"))
    path = deployment.configure(config(grace="6s"))
    honcho = deployment.honcho(f"web: exec sidecar run --config {shlex.quote(str(path))} -- {gateway}\n")
    sidecar = int(honcho.line(r"web\.1 started \(pid=(\d+)\)")[1])
    first = ready(honcho)
    tell(deployment.gateway_port, "become/status/500")
    began = honcho.event("drain_begun")["heard"]
    honcho.event("terminated")
    honcho.event("drain_advanced", after="killed")
    second = ready(honcho)
    assert second != first
    assert time.monotonic() - began > 6
    assert not [line for line in honcho.lines if "web.1 stopped" in line]

    os.kill(sidecar, signal.SIGTERM)
    honcho.event("terminated")
    os.kill(sidecar, signal.SIGTERM)
    assert honcho.exit_status() == 128 + signal.SIGKILL
    assert deployment.processes() == []
