"""An operator speaks to the running sidecar: real processes, real sockets, and the commands as they are typed."""

import json
import signal
import subprocess
import time

import pytest
from servers.asking import ask, holding, tell
from servers.configuration import short
from servers.deployment import BIN, WITHIN, Deployment, Program
from servers.ports import take_port

NAME = "mcp-gateway-sidecar"


class Operator:
    """Somebody at a shell on the sidecar's machine."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def says(self, *words: object, **variables: str) -> "subprocess.CompletedProcess[str]":
        """Run a command to its end."""
        return subprocess.run(
            [BIN / "sidecar", *map(str, words)],
            cwd=self._deployment.directory,
            env=self._deployment._environment(self._deployment.ports | variables),
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )

    def sees(self, text: str) -> None:
        """Look until this is shown: on a busy machine the sidecar may be held up, and its proof begins anew."""
        deadline = time.monotonic() + WITHIN
        while text not in (shown := self.says("status").stdout):
            assert time.monotonic() < deadline, shown

    def status(self) -> dict:
        """Ask how things are."""
        return json.loads(self.says("status", "--json").stdout)


@pytest.fixture
def operator(deployment: Deployment) -> Operator:
    """An operator."""
    return Operator(deployment)


def start(deployment: Deployment, config: str, *options: str, **env: str) -> tuple[Program, Program]:
    """Start a gateway and a sidecar beside it, and wait until it is ready."""
    gateway = deployment.gateway(*options)
    sidecar = deployment.sidecar(config, env=env)
    sidecar.event("status_changed", after="ready")
    return gateway, sidecar


def test_the_socket_is_shown_at_the_start_and_gone_at_the_end(deployment: Deployment) -> None:
    """For its owner alone, and named after the health port."""
    gateway = deployment.gateway()
    sidecar = deployment.sidecar(short())
    path = deployment.directory / f"{NAME}-{deployment.port}.sock"
    assert f"control socket: {path}" in sidecar.event("started")["message"]
    assert path.stat().st_mode & 0o777 == 0o600
    gateway.signal(signal.SIGTERM)
    sidecar.signal(signal.SIGTERM)
    assert sidecar.exit_status() == -signal.SIGTERM
    assert not path.exists()


def test_status_tells_what_holds_and_what_comes_next(deployment: Deployment, operator: Operator) -> None:
    """For people and for programs; the exit status is that of readiness."""
    _, sidecar = start(deployment, short(drain_after="1h"))
    done = operator.says("status")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("status       ready (ready 200, live 200, startup 200)\n")

    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("check_changed", probe="gateway", after="failing")
    done = operator.says("status")
    assert done.returncode == 1
    assert "held by      gateway: status is 200-299: found 500\n" in done.stdout
    operator.sees("drain in 60 min unless it recovers")
    assert operator.status()["explain"]["heldBy"] == ["gateway: status is 200-299: found 500"]
    page = ask(deployment.port, "/health/ready?explain").body
    assert page["explain"]["heldBy"] == operator.status()["explain"]["heldBy"]


def test_status_can_be_watched(deployment: Deployment) -> None:
    """It is written again and again, until Ctrl-C."""
    start(deployment, short())
    watch = deployment.start([BIN / "sidecar", "status", "--watch", "--json"], env=deployment.ports)
    for _ in range(2):
        assert json.loads(watch.line("deploymentStatus").string)["deploymentStatus"] == "ready"
    watch.signal(signal.SIGINT)
    assert watch.exit_status() == -signal.SIGINT


def test_maintenance_outranks_the_probes_and_survives_a_crash_of_the_sidecar(
    deployment: Deployment, operator: Operator
) -> None:
    """Readiness 503, liveness 200 and no drain, until it is ended; killed with SIGKILL, the sidecar remembers."""
    state = {"XDG_STATE_HOME": str(deployment.directory / "state")}
    _, sidecar = start(deployment, short(), **state)
    done = operator.says("maintenance", "on", "--reason", "moving the database", "--for", "10m")
    assert (done.returncode, done.stderr) == (0, "")
    assert "it survives a restart" in done.stdout
    assert sidecar.event("maintenance_begun", severity="warning")["message"].endswith("readiness 503, liveness 200")
    assert [ask(deployment.port, path).status for path in ("/health/ready", "/health")] == [503, 200]

    sidecar.signal(signal.SIGKILL)
    sidecar.exit_status()
    assert operator.says("status").returncode == 2

    again = deployment.sidecar(short(), env=state)
    again.event("maintenance_begun")
    tell(deployment.gateway_port, "become/status/500")
    again.event("drain_withheld", after="maintenance")
    assert [ask(deployment.port, path).status for path in ("/health/ready", "/health")] == [503, 200]
    assert operator.status()["maintenance"]["reason"] == "moving the database"

    tell(deployment.gateway_port, "become/status/200")
    done = operator.says("maintenance", "off", "--reason", "moved")
    assert done.stdout == "maintenance is off: the probes decide again\n"
    why = again.event("maintenance_ended", severity="info")["message"]
    assert why.startswith("maintenance (moving the database) is over, ended by ")
    assert why.endswith(": moved; the probes decide again")
    assert operator.says("wait", "ready").returncode == 0
    again.signal(signal.SIGKILL)
    again.exit_status()
    deployment.sidecar(short(), env=state).event("status_changed", after="ready")
    assert ask(deployment.port).status == 200


def test_maintenance_ends_by_itself(deployment: Deployment, operator: Operator) -> None:
    """And without a place to keep it, the command says that it would not survive."""
    _, sidecar = start(deployment, short(), HOME="")
    done = operator.says("maintenance", "on", "--reason", "x", "--for", "1s")
    assert "it will not survive a restart of the sidecar: set state.dir" in done.stdout
    assert "its time is over" in sidecar.event("maintenance_ended")["message"]
    sidecar.event("status_changed", after="ready")


def test_a_state_that_cannot_be_kept_or_read_is_told(deployment: Deployment, operator: Operator) -> None:
    """Maintenance holds all the same; and a spoilt file keeps nobody from starting."""
    (deployment.directory / "file").write_text("no directory")
    start(deployment, short() + '\n[state]\ndir = "file"\n')
    done = operator.says("maintenance", "on", "--reason", "x", "--for", "10m")
    assert done.returncode == 0
    assert "it will not survive a restart of the sidecar: cannot write file/sidecar-" in done.stdout
    assert ask(deployment.port).status == 503

    deployment.port = take_port()
    state = deployment.directory / "state"
    state.mkdir()
    (state / f"sidecar-{deployment.port}.sqlite3").write_text("spoilt")
    sidecar = deployment.sidecar(short() + '\n[state]\ndir = "state"\n')
    told = sidecar.event("remark", severity="warning")["message"]
    assert "it is set aside as state/sidecar-" in told
    sidecar.event("status_changed", after="ready")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--for", "10m"], "Missing option '--reason'"),
        (["--reason", " ", "--for", "10m"], "expected one line of 1 to 200 characters"),
        (["--reason", "x"], "Missing option '--for'"),
        (["--reason", "x", "--for", "-5m"], 'found "-5m", which is over already'),
        (["--reason", "x", "--for", "0s"], 'found "0s", which is over already'),
        (["--reason", "x", "--for", "31d"], "expected at most 30d"),
        (["--reason", "x", "--for", "soon"], "expected a duration such as"),
    ],
)
def test_maintenance_that_makes_no_sense_is_told(operator: Operator, words: list[str], complaint: str) -> None:
    """An end in the past, no reason, no end: wrong usage, and nothing is asked of anybody."""
    done = operator.says("maintenance", "on", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr


def test_a_healthy_gateway_is_drained_on_order(deployment: Deployment, operator: Operator) -> None:
    """Lame duck first, then SIGTERM; in vain while it is under way or nobody is left."""
    gateway, sidecar = start(deployment, short(quiesce="30s", min_uptime="1h"))
    with holding(deployment.gateway_port):
        done = operator.says("drain", "--reason", "it leaks")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"draining process {gateway.pid}: readiness is 503")
        assert ask(deployment.port).status == 503
        again = operator.says("drain")
        assert (again.returncode, again.stdout) == (1, "")
        assert "sidecar: cannot drain: one is under way" in again.stderr
    gateway.event("terminated")
    sidecar.event("drain_finished")
    assert "the gateway's process is gone" in operator.says("drain").stderr
    begun = sidecar.named("drain_begun")
    assert [event["message"].endswith("it leaks") for event in begun] == [True]


def test_shadow_is_shadow_on_order_too(deployment: Deployment, operator: Operator) -> None:
    """Everything but the signal."""
    gateway, sidecar = start(deployment, short(shadow=True))
    assert "would be sent (shadow)" in operator.says("drain").stdout
    assert "shadow: SIGTERM would have been sent now" in sidecar.event("drain_finished")["message"]
    sidecar.event("status_changed", after="ready")
    assert gateway.named("terminated") == []


def test_a_reload_tells_its_result_or_every_problem(deployment: Deployment, operator: Operator) -> None:
    """As the log does; and the sidecar is found although its file is spoilt."""
    _, sidecar = start(deployment, short())
    config = ["--config", deployment.directory / "sidecar.toml"]
    done = operator.says("reload", *config)
    assert (done.returncode, done.stdout.endswith(": gateway, process\n")) == (0, True)
    sidecar.event("reloaded")

    deployment.configure(short() + "\n[drian]\n[servr]\n")
    done = operator.says("reload", *config)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the one before stays in force" in done.stderr
    assert "drian" in done.stderr
    assert "servr" in done.stderr
    sidecar.event("reload_refused")
    assert "gateway" in operator.says("config", "show", *config).stdout


def test_the_plan_in_force_is_shown_without_secrets(deployment: Deployment, operator: Operator) -> None:
    """As TOML that can be read again, and as JSON."""
    start(deployment, short() + '\n[server]\ntoken = "hunter2hunter2"\n')
    toml, as_json = operator.says("config", "show"), operator.says("config", "show", "--json")
    assert (toml.returncode, as_json.returncode) == (0, 0)
    assert "hunter2" not in toml.stdout + as_json.stdout
    assert 'token = "[redacted]"' in toml.stdout
    assert json.loads(as_json.stdout)["probes"]["gateway"]["interval"] == "300ms"
    deployment.configure(toml.stdout, "shown.toml")
    assert operator.says("config", "check", "--config", "shown.toml").returncode == 0


def test_a_script_can_wait(deployment: Deployment, operator: Operator) -> None:
    """Also for a sidecar that is not there yet: 0 when it is so, 1 when it is not in time, 2 when nobody is there."""
    done = operator.says("wait", "ready", "--timeout", "200ms")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no sidecar runs here" in done.stderr
    waiting = deployment.start([BIN / "sidecar", "wait", "started"], env=deployment.ports)
    _, sidecar = start(deployment, short(drain_after="1h"))
    assert waiting.exit_status() == 0
    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("status_changed", after="unhealthy")
    done = operator.says("wait", "ready", "--timeout", "1s")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not ready in time (unhealthy)" in done.stderr
    assert operator.says("wait", "live").returncode == 0


@pytest.mark.parametrize(
    "words", [["status"], ["drain"], ["reload"], ["config", "show"], ["maintenance", "off"], ["status", "--json"]]
)
def test_without_a_sidecar_every_command_says_so(operator: Operator, words: list[str]) -> None:
    """In one line, with where it was looked for."""
    done = operator.says(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("sidecar: no sidecar runs here: none answers at ")
    assert len(done.stderr.splitlines()) == 1


def test_a_second_sidecar_on_the_same_socket_does_not_start(deployment: Deployment, operator: Operator) -> None:
    """It says why, and the first is left alone; a file that a killed one has left is replaced."""
    socket = deployment.directory / "own.sock"
    _, first = start(deployment, short(), SIDECAR_SOCKET=str(socket))
    second = deployment.start(
        [BIN / "sidecar", "run", "--config", deployment.configure(short())],
        env=deployment.ports | {"SIDECAR_SOCKET": str(socket), "SIDECAR_PORT": str(take_port())},
    )
    second.line(f"cannot open the control socket {socket}: another sidecar answers there")
    assert second.exit_status() == 2
    assert operator.says("status", "--socket", socket).returncode == 0

    first.signal(signal.SIGKILL)
    first.exit_status()
    assert socket.exists()
    deployment.sidecar(short(), env={"SIDECAR_SOCKET": str(socket)}).event("status_changed", after="ready")
    assert operator.says("status", SIDECAR_SOCKET=str(socket)).returncode == 0


def test_another_sidecars_socket_is_named_and_not_used(deployment: Deployment, operator: Operator) -> None:
    """Whoever meant another port learns which there are; a drain never hits a gateway that nobody named."""
    gateway, sidecar = start(deployment, short())
    done = operator.says("drain", SIDECAR_PORT="1")
    assert done.returncode == 2
    named, _, advice = done.stderr.partition("; of others there is ")[2].rpartition(": ")
    assert f"{NAME}-{deployment.port}.sock" in [path.rpartition("/")[2] for path in named.split(", ")]
    assert advice == "name one with --socket\n"
    assert gateway.named("terminated") == []
    sidecar.signal(signal.SIGKILL)
    sidecar.exit_status()
    assert f"{NAME}-{deployment.port}.sock" not in operator.says("drain", SIDECAR_PORT="1").stderr
