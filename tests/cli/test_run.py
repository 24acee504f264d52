"""``sidecar run`` at its edges: what keeps it from starting, what it writes, and how it ends."""

import json
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from command_line import COMMAND, clean_environment, run, running
from distributions import install_stubborn

QUICK = '[server]\nhost = "127.0.0.1"\nport = {port}\nlinger = "0s"\n'


VAIN = {
    *("apprise", "asyncpg", "click", "httpx", "psutil", "redis"),
    *("ctypes", "email", "hashlib", "hmac", "http", "importlib.metadata", "importlib.util", "pathlib"),
    *("random", "secrets", "sqlite3", "urllib", "xml"),
    *("sidecar.actors.outbox", "sidecar.sinks.opening"),
    *("sidecar.actors.rollback", "sidecar.platforms.command", "sidecar.platforms.railway"),
    *("sidecar.traffic.exposition", "sidecar.traffic.scraper"),
    *("sidecar.store.database", "sidecar.store.link", "sidecar.store.redis"),
    *("sidecar.core.journal.replay", "sidecar.journal.keeper", "sidecar.journal.reading"),
}
"""What the running agent does without, unless a probe or a key needs it."""

NO_STATE = {"HOME": ""}
"""A state directory is configured wherever there is a home."""

PASSING = "is passing"
STORED = "import 'sidecar.store.database'"


def told(process):
    """The next event in the log."""
    return json.loads(process.stderr.readline())


def until(process, kind):
    """Read the log until this kind of event."""
    while (event := told(process))["event"] != kind:
        pass
    return event


def imported_until(*awaited, arguments=("run",), cwd, **variables):
    """Name every module that is imported by the time its standard error has said all that is awaited."""
    imported, awaited = set(), set(awaited)
    with running(*arguments, cwd=cwd, PYTHONVERBOSE="1", **variables) as process:
        while awaited:
            line = process.stderr.readline()
            assert line, "it has ended"
            awaited -= {words for words in awaited if words in line}
            if line.startswith("import '"):
                imported.add(line.split("'")[1])
    return imported


def test_a_port_in_use_is_told_in_one_line(configure, web, tmp_path):
    """Which port, why, and what to do; no traceback."""
    path = configure(f'[server]\nhost = "127.0.0.1"\nport = {web.port}', well=web.probe("/ok"))
    done = run("run", "--config", path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"sidecar: cannot listen on 127.0.0.1, port {web.port}: another program listens there already; "
        "stop it, or choose another port with SIDECAR_PORT\n"
    )


def test_an_invalid_configuration_keeps_it_from_starting(tmp_path):
    """The problem is told as by ``config check``."""
    (tmp_path / "x.toml").write_text("[servr]")
    done = run("run", "--config", "x.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == 'sidecar: x.toml:1: servr: unknown table or key; did you mean "server"?\n'


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_dies_of_the_signal_that_ended_it(number, configure, web, free_port, tmp_path):
    """Its parent learns the truth; the last words are written before."""
    path = configure(QUICK.format(port=free_port), well=web.probe("/ok"))
    with running("run", "--config", path, cwd=tmp_path) as process:
        until(process, "started")
        process.send_signal(number)
        assert until(process, "stopped")["message"] == f"stopped by {number.name}"
        assert process.wait() == -number


def test_a_probe_that_swallows_its_cancellation_does_not_hold_up_the_end(configure, free_port, tmp_path):
    """It is told that its look does not end, once; the sidecar does."""
    site = install_stubborn(tmp_path / "site")
    stubborn = 'kind = "stubborn"\ntimeout = "100ms"\ninterval = "100ms"\nfast_interval = "100ms"'
    path = configure(QUICK.format(port=free_port), stubborn=stubborn)
    with running("run", "--config", path, cwd=tmp_path, PYTHONPATH=str(site)) as process:
        while "the look before has ended" not in told(process)["message"]:
            pass
        process.send_signal(signal.SIGTERM)
        assert until(process, "stopped")["message"] == "stopped by SIGTERM"
        assert process.wait() == -signal.SIGTERM


def test_a_refused_reload_is_one_line_of_json_and_changes_nothing(configure, web, free_port, tmp_path):
    """However many problems the file has; and the health port still answers for the old one."""
    path = configure(QUICK.format(port=free_port), well=web.probe("/ok"))
    with running("run", "--config", path, cwd=tmp_path) as process:
        until(process, "started")
        path.write_text("[servr]\n[drian]\n")
        process.send_signal(signal.SIGHUP)
        refused = until(process, "reload_refused")
        assert refused["severity"] == "error"
        assert len(refused["message"].splitlines()) == 3
        assert "drian" in refused["message"]
        with urllib.request.urlopen(f"http://127.0.0.1:{free_port}/metrics", timeout=20) as reply:
            assert b'"well"' in reply.read()


def test_a_log_that_nobody_reads_does_not_stop_it(configure, web, free_port, tmp_path):
    """With the pipe full to the brim the health port answers still, and a signal ends it."""
    path = configure(QUICK.format(port=free_port), well=web.probe("/ok"))
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    with ours, theirs:
        try:
            while True:
                theirs.send(b"x" * 65536)
        except BlockingIOError:
            theirs.setblocking(True)
        with running("run", "--config", path, cwd=tmp_path, stderr=theirs.fileno()) as process:
            reply = _ask_when_up(free_port, process)
            assert reply == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait() == -signal.SIGTERM


def test_a_closed_standard_error_is_no_error(configure, web, free_port, tmp_path):
    """Its number belongs to a socket by then, and nothing may be written into that."""
    path = configure(QUICK.format(port=free_port), well=web.probe("/ok"))
    command = ["sh", "-c", 'exec "$@" 2>&-', "sh", *COMMAND, "run", "--config", str(path)]
    with subprocess.Popen(command, cwd=tmp_path, env=clean_environment(tmp_path)) as process:
        try:
            assert _ask_when_up(free_port, process) == 200
            process.terminate()
            assert process.wait() == -signal.SIGTERM
        finally:
            process.kill()


def test_only_what_is_configured_is_imported(configure, web, free_port, tmp_path):
    """Client libraries, the command line's, and whatever else the running agent has no use for, stay out of memory."""
    path = configure(QUICK.format(port=free_port), well=web.probe("/ok"))
    imported = imported_until(PASSING, arguments=("run", "--config", path), cwd=tmp_path, **NO_STATE)
    assert {"sidecar.service", "probes.http", "tomli"} <= imported
    assert imported & VAIN == set()


def test_the_embedded_default_imports_least_of_all(web, free_port, tmp_path):
    """Its three probes take no client library, and without a file nothing that reads one.

    SQLite is not asked for here: it comes with the first thing that has to survive, a moment sooner or later.
    """
    ports = {"GATEWAY_PORT": str(web.port), "SIDECAR_PORT": str(free_port)}
    imported = imported_until(PASSING, cwd=tmp_path, **NO_STATE, **ports)
    assert {"sidecar.service", "probes.http", "probes.mcp", "probes.process"} <= imported
    assert imported & (VAIN | {"tomli"}) == set()


def test_with_a_state_directory_it_imports_what_keeps_besides(web, free_port, tmp_path):
    """The journal and SQLite, and nothing else: what is kept is written without hashes and URLs."""
    ports = {"GATEWAY_PORT": str(web.port), "SIDECAR_PORT": str(free_port)}
    imported = imported_until(PASSING, STORED, cwd=tmp_path, STATE_DIRECTORY=str(tmp_path), **ports)
    assert imported & (VAIN | {"tomli"}) == {"sidecar.journal.keeper", "sidecar.store.database", "sqlite3"}


def test_a_sink_is_imported_where_one_is_configured(configure, web, free_port, tmp_path):
    """With what keeps its messages; its client library comes with the first of them."""
    sink = '[notify.sinks.chat]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\n'
    path = configure(sink + QUICK.format(port=free_port), well=web.probe("/ok"))
    imported = imported_until(PASSING, arguments=("run", "--config", path), cwd=tmp_path, **NO_STATE)
    assert {"sidecar.actors.outbox", "sidecar.sinks.opening"} <= imported
    assert imported & {"apprise", "sidecar.traffic.scraper", "sidecar.actors.rollback", "sqlite3"} == set()


def _ask_when_up(port: int, process: "subprocess.Popen[str]") -> int:
    """Ask for the liveness as soon as there is somebody to ask, which no event tells when the log is not to be had."""
    for _ in range(3000):
        assert process.poll() is None, "the sidecar has ended"
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=20) as reply:
                return reply.status
        except urllib.error.URLError as error:
            assert isinstance(error.reason, ConnectionError)
        time.sleep(0.01)
    raise AssertionError("the sidecar does not come up")
