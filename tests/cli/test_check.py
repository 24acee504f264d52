"""``sidecar check``: what people see, what programs get, and the exit status."""

import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from command_line import COMMAND, clean_environment, on_a_terminal, run, running
from distributions import install, install_stubborn
from servers.ports import take_port
from servers.processes import Start

NOBODY = 'kind = "process"'
"""With nobody on the gateway's port this probe cannot tell."""

ESCAPE = "\033"


def refused(port: int) -> str:
    """A probe of a port where nobody listens."""
    return f'kind = "http"\nurl = "http://127.0.0.1:{port}/"'


def silent(port: int) -> str:
    """A probe of somebody who never answers, and is waited for as long as a test takes."""
    return f'kind = "http"\nurl = "http://127.0.0.1:{port}/"\ntimeout = "5m"\ninterval = "5m"'


def test_every_probe_has_its_line_with_reason_and_phases(web, configure, tmp_path):
    """The table shows name, kind, verdict, duration, reason, and below it how long each phase took."""
    path = configure(well=web.probe("/ok"), sick=web.probe("/nope"))
    done = run("check", "--config", path, cwd=tmp_path)
    heading, sick_or_well, phases, *_ = done.stdout.splitlines()
    assert heading.split() == ["PROBE", "KIND", "VERDICT", "TIME", "REASON"]
    assert sick_or_well.split()[:3] == ["well", "http", "pass"]
    assert sick_or_well.endswith("status is 200-299: found 200")
    assert sick_or_well.index("status is") == heading.index("REASON") == phases.index("connect")
    assert "first_byte" in phases
    assert "status is 200-299: found 503" in done.stdout
    assert done.stdout.splitlines()[-1] == f"{path}: 1 pass, 1 fail"
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        (["pass"], 0),
        (["warn"], 0),
        (["pass", "warn", "fail"], 1),
        (["pass", "unknown"], 2),
        (["unknown", "fail"], 1),
    ],
)
def test_the_exit_status_is_the_gravest_verdict(outcomes, status, web, configure, tmp_path):
    """0 for pass and warn, 1 when one fails, 2 when one cannot tell; a proven failure outweighs a doubt."""
    closed = take_port()
    tables = {"pass": web.probe("/ok"), "warn": web.probe("/busy"), "fail": refused(closed), "unknown": NOBODY}
    path = configure(f"[gateway]\nport = {closed}", **{name: tables[name] for name in outcomes})
    done = run("check", "--config", path, "--json", cwd=tmp_path)
    found = json.loads(done.stdout)["probes"]
    assert {name: probe["outcome"] for name, probe in found.items()} == {name: name for name in outcomes}
    assert done.returncode == status


def test_json_is_all_there_is_on_the_output(web, configure, tmp_path):
    """One object, in the shape that docs/commands.md describes; nothing else is written anywhere."""
    path = configure(well=web.probe("/ok"))
    done = run("check", "--json", "--config", path, cwd=tmp_path)
    document = json.loads(done.stdout)
    assert list(document) == ["source", "outcome", "probes", "remarks"]
    assert (document["source"], document["outcome"], document["remarks"]) == (str(path), "pass", [])
    probe = document["probes"]["well"]
    assert [phase["name"] for phase in probe.pop("phases")] == ["connect", "first_byte", "body"]
    assert probe.pop("seconds") > 0
    assert probe == {
        "kind": "http",
        "target": "upstream",
        "on_failure": "degrade",
        "outcome": "pass",
        "reason": "status is 200-299: found 200",
        "evidence": None,
        "findings": [{"rule": "status is 200-299", "observed": "200", "holds": True}],
        "notes": probe["notes"],
    }
    assert probe["notes"]["status"] == 200
    assert done.stderr == ""


def test_a_check_that_cannot_be_done_writes_no_json(tmp_path):
    """Whoever parses the output finds it empty, and the reason on the standard error."""
    done = run("check", "--json", "--config", "missing.toml", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "sidecar: cannot read configuration missing.toml: no such file or directory\n"


def test_probes_run_side_by_side(web, configure, tmp_path):
    """Two that can only be answered together both pass."""
    path = configure(one=web.probe("/together"), other=web.probe("/together"))
    assert run("check", "--config", path, cwd=tmp_path).returncode == 0


def test_a_configuration_without_probes_is_an_error(configure, tmp_path):
    """To check nothing and find nothing wrong would be a lie."""
    done = run("check", "--config", configure(), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "no probe is left to run; add a table [probes.NAME] with a kind" in done.stderr


def test_what_is_not_probed_is_said(configure, web, tmp_path):
    """A derived probe without its variable, or a probe that is switched off, is a remark."""
    path = configure(well=web.probe("/ok"), off=web.probe("/ok", "enabled = false"))
    done = run("check", "--config", path, cwd=tmp_path)
    assert "off: not probed, enabled is false" in done.stdout.splitlines()


def test_a_gateway_that_cannot_be_proven_is_said(configure, start_listener: Start, free_port, tmp_path):
    """With two servers on the gateway's port the process cannot be told, and the remark says why."""
    start_listener(free_port, "--reuse-port")
    start_listener(free_port, "--reuse-port")
    path = configure(f"[gateway]\nport = {free_port}", process=NOBODY)
    done = run("check", "--config", path, cwd=tmp_path)
    assert "the gateway's process cannot be proven: several processes" in done.stdout


def test_a_terminal_sees_progress_that_is_gone_at_the_end(web, configure, tmp_path):
    """While probes are under way one line says which are waited for; what remains is the table, in colours."""
    path = configure(well=web.probe("/ok"), sick=web.probe("/nope"), late=web.probe("/together"))
    with on_a_terminal("check", "--config", path, cwd=tmp_path) as terminal:
        terminal.read_until("2 of 3 probes done, waiting for late")
        urllib.request.urlopen(f"http://127.0.0.1:{web.port}/together", timeout=30).close()
        status = terminal.read_to_the_end()
    assert status == 1
    progress, _, result = terminal.shown.rpartition("\r\033[K")
    assert progress.startswith("\r\033[K0 of 3 probes done, waiting for well, sick, late")
    assert result.startswith("PROBE")
    assert "\033[32mpass" in result
    assert "\033[31mfail" in result


def test_elsewhere_nothing_but_the_result_is_written(web, configure, tmp_path):
    """In a pipe there is neither progress nor colour."""
    done = run("check", "--config", configure(well=web.probe("/ok")), cwd=tmp_path)
    assert ESCAPE not in done.stdout + done.stderr


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_colours_can_be_declined(variables, web, configure, tmp_path):
    """NO_COLOR and a terminal that knows none keep the verdicts plain."""
    path = configure(well=web.probe("/ok"), sick=web.probe("/nope"))
    with on_a_terminal("check", "--config", path, cwd=tmp_path, **variables) as terminal:
        terminal.read_to_the_end()
    assert f"{ESCAPE}[3" not in terminal.shown
    assert "sick" in terminal.shown


@pytest.mark.parametrize(("name", "beside"), [("sick", True), ("a" * 64, False)])
def test_long_reasons_are_broken_at_the_edge_of_the_terminal(name, beside, web, configure, tmp_path):
    """No line is longer than the terminal is wide; where the names leave no room, reasons stand below them."""
    pattern = "a long story " * 12
    path = configure(**{name: web.probe("/ok", f'expect_body = "{pattern}"')})
    with on_a_terminal("check", "--config", path, cwd=tmp_path, columns=80, NO_COLOR="1") as terminal:
        terminal.read_to_the_end()
    *progress, result = terminal.shown.split("\r\033[K")
    assert max(map(len, progress)) < 80
    result = result.replace("\033[2m", "").replace("\033[0m", "")
    table = result.partition("\r\n\r\n")[0].splitlines()
    reasons = [line for line in table if "story" in line]
    assert len(reasons) > 1
    assert max(map(len, reasons)) <= 80
    assert (name in reasons[0]) is beside


def test_reasons_are_left_whole_in_a_pipe(web, configure, tmp_path):
    """Who searches the output with grep finds the reason on the line of its probe."""
    path = configure(sick=web.probe("/ok", f'expect_body = "{"a long story " * 12}"'))
    done = run("check", "--config", path, cwd=tmp_path)
    [line] = [line for line in done.stdout.splitlines() if line.startswith("sick")]
    assert "a long story " * 12 in line


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_secrets_stay_in(arguments, web, configure, free_port, tmp_path):
    """No credential of the configuration or of the environment is shown."""
    path = configure(
        cache='kind = "redis"\nurl = "${REDIS}"',
        web=web.probe("/ok", 'headers = { Authorization = "Bearer opensesame" }', 'expect_body = "opensesame"'),
    )
    redis = f"redis://user:hunter2hunter2@127.0.0.1:{free_port}/0"
    done = run("check", "--config", path, *arguments, cwd=tmp_path, REDIS=redis)
    assert done.returncode == 1
    assert "hunter2" not in done.stdout + done.stderr
    assert "opensesame" not in done.stdout + done.stderr


def test_ctrl_c_ends_the_check_without_a_traceback(configure, silent_port, tmp_path):
    """The command dies of the signal, which a shell shows as 130, and leaves a clean line behind."""
    path = configure(mute=silent(silent_port))
    with on_a_terminal("check", "--config", path, cwd=tmp_path) as terminal:
        terminal.read_until("waiting for mute")
        terminal.interrupt()
        status = terminal.read_to_the_end()
    assert status == -signal.SIGINT
    assert "Traceback" not in terminal.shown
    assert "\r\033[K" in terminal.shown.partition("waiting for mute")[2]


def test_a_reader_who_has_left_changes_nothing_but_the_output(web, configure, tmp_path):
    """As in ``| head -0``: no complaint, and the exit status still tells the verdict."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    with running("check", "--config", configure(sick=web.probe("/nope")), cwd=tmp_path, stdout=write_end) as process:
        os.close(write_end)
        assert process.stderr.read() == ""
        assert process.wait() == 1


def test_a_full_disk_is_told(web, configure, tmp_path):
    """A result that cannot be written is no result."""
    with (
        Path("/dev/full").open("w") as full,
        running("check", "--config", configure(well=web.probe("/ok")), cwd=tmp_path, stdout=full.fileno()) as process,
    ):
        assert process.stderr.read() == "sidecar: cannot write the result: no space left on device\n"
        assert process.wait() == 2


def test_closed_streams_are_no_error(web, configure, tmp_path):
    """Who closes the output wants the exit status alone."""
    path = configure(sick=web.probe("/nope"))
    script = 'exec "$@" >&- 2>&-'
    command = ["sh", "-c", script, "sh", *COMMAND, "check", "--config", str(path)]
    assert subprocess.run(command, cwd=tmp_path, env=clean_environment(tmp_path), check=False).returncode == 1


def test_a_narrow_encoding_is_no_error(web, configure, tmp_path):
    """What the output's encoding lacks is written as an escape."""
    path = configure(sick=web.probe("/ok", 'expect_body = "łź"'))
    done = run("check", "--config", path, cwd=tmp_path, PYTHONIOENCODING="latin-1")
    assert done.returncode == 1
    assert r"\u0142\u017a" in done.stdout


STUCK = """
import os
import anyio.to_thread
from msgspec import Struct
from sidecar.contract import Kind, Probe

class Spec(Struct, frozen=True):
    path: str

class Stuck(Probe[Spec]):
    async def observe(self, run):
        await anyio.to_thread.run_sync(open, self.spec.path, abandon_on_cancel=True)

KIND = Kind("stuck", Spec, Stuck)
"""


def test_a_thread_that_never_returns_does_not_hold_up_the_answer(configure, tmp_path):
    """A probe may have abandoned a thread in a dead mount; here it waits for the writer of a FIFO."""
    os.mkfifo(tmp_path / "fifo")
    site = install(tmp_path / "site", "stuck_kind", STUCK, stuck="stuck_kind:KIND")
    path = configure(stuck=f'kind = "stuck"\npath = "{tmp_path}/fifo"\ntimeout = "100ms"')
    done = run("check", "--config", path, cwd=tmp_path, PYTHONPATH=str(site))
    assert "replies within 0.1 s: found nothing" in done.stdout


def test_a_probe_that_swallows_its_cancellation_does_not_hold_up_the_answer(configure, tmp_path):
    """Neither its look nor its farewell ever ends; the command does."""
    site = install_stubborn(tmp_path / "site")
    path = configure(stubborn='kind = "stubborn"\ntimeout = "100ms"')
    done = run("check", "--config", path, cwd=tmp_path, PYTHONPATH=str(site))
    assert "replies within 0.1 s: found nothing" in done.stdout
    assert done.returncode == 1


BROKEN = """
from msgspec import Struct
from sidecar.contract import Kind, Probe

class Spec(Struct, frozen=True):
    pass

class Broken(Probe[Spec]):
    def __init__(self, spec, setting):
        raise ZeroDivisionError("no way")

    async def observe(self, run):
        pass

KIND = Kind("broken", Spec, Broken)
"""


def test_a_probe_that_cannot_even_be_made_leaves_the_others_alone(web, configure, tmp_path):
    """It is unknown, says why, and the others are checked as ever."""
    site = install(tmp_path / "site", "broken_kind", BROKEN, broken="broken_kind:KIND")
    path = configure(broken='kind = "broken"', well=web.probe("/ok"))
    done = run("check", "--config", path, "--json", cwd=tmp_path, PYTHONPATH=str(site))
    probes = json.loads(done.stdout)["probes"]
    assert done.returncode == 2
    assert (probes["broken"]["outcome"], probes["well"]["outcome"]) == ("unknown", "pass")
    assert probes["broken"]["reason"] == "the probe can be made: found ZeroDivisionError: no way"
