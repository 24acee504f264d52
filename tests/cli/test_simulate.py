"""``sidecar simulate``: what it takes, what it refuses, and what it writes."""

import json
import subprocess

import pytest
from command_line import COMMAND, clean_environment, run

START = {
    "entry": "sidecar_started",
    "at": 1.7e9,
    "plan": "p",
    "replica": "r1",
    "version": "0",
    "probes": [
        {"name": "web", "kind": "http", "target": "gateway", "interval": 5, "fast_interval": 1, "timeout": 2},
    ],
}
APPEARED = {
    "entry": "gateway_appeared",
    "at": 1.7e9 + 0.1,
    "process": {"pid": 7, "start_ticks": 1, "started": 1.7e9 - 500},
}


def verdicts(first, last, outcome, reason, **more):
    """A row of verdicts, one a second."""
    took = {"fastest": 0.01, "mean": 0.01, "slowest": 0.01}
    times = {"at": 1.7e9 + first, "last": 1.7e9 + last, "count": last - first + 1}
    return {"entry": "verdicts", "probe": "web", "outcome": outcome, "reason": reason, **times, **took, **more}


PAST = [
    START,
    APPEARED,
    verdicts(1, 20, "pass", "it is well"),
    verdicts(21, 60, "fail", "a connection is accepted: found \x1b[31mrefused", evidence="refused"),
    verdicts(61, 90, "pass", "it is well"),
]
CONFIG = """
derive = false
[drain]
drain_after = "10s"
[probes.web]
kind = "http"
url = "/"
timeout = "2s"
"""


@pytest.fixture
def simulate(tmp_path):
    """Run the command on these lines under that configuration."""

    def command(lines, *options, config=CONFIG):
        (tmp_path / "new.toml").write_text(config)
        (tmp_path / "past").write_text("\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines))
        return run("simulate", "--journal", "past", "--config", "new.toml", *options, cwd=tmp_path, TZ="UTC")

    return command


def test_people_see_both_worlds_beside_each_other(simulate):
    """The figures, every happening with its reason, and what cannot be simulated; no control character gets through."""
    done = simulate(PAST)
    assert done.returncode == 0
    assert done.stderr == ""
    assert done.stdout.splitlines()[:8] == [
        "2023-11-14 22:13:20 to 2023-11-14 22:14:50, 90 verdicts, replayed under new.toml",
        "",
        "                     IN THE PAST  SIMULATED",
        "drains               0            1",
        "rollbacks            0            0",
        "losses of readiness  0            1",
        "seconds not ready    0            54",
        "pages                0            1",
    ]
    assert "2023-11-14 22:13:51  drain      -            yes        draining process 7: web has failed" in done.stdout
    assert "remark  web: it looks for something else than it did; the journal has what it saw then" in done.stdout
    assert "\x1b" not in done.stdout


def test_programs_get_one_object(simulate):
    """``--json``: the same with Unix times; its keys are those of the documentation."""
    shown = json.loads(simulate(PAST, "--json").stdout)
    assert shown.keys() == {"begin", "end", "verdicts", "past", "simulated", "rows", "remarks"}
    assert shown["simulated"] == {"drains": 1, "rollbacks": 0, "losses": 1, "unready": 53.75, "pages": 1}
    assert shown["rows"][0]["at"] == 1.7e9 + 23


def test_it_gives_the_same_each_time(simulate):
    """Nothing of it hangs on the clock or on chance."""
    assert simulate(PAST, "--json").stdout == simulate(PAST, "--json").stdout


def test_lines_that_are_no_entries_are_told_by_their_numbers(simulate):
    """The others are replayed."""
    done = simulate(["{", *PAST, '{"entry":"of the future","at":1}', ""])
    assert done.returncode == 0
    assert "line 1 is no entry of the journal: " in done.stdout
    assert "line 7 is no entry of the journal: " in done.stdout


def test_many_such_lines_are_counted(simulate):
    """A file of something else does not fill the screen."""
    done = simulate(["x"] * 1000)
    assert done.returncode == 2
    assert "sidecar: cannot simulate with past: it does not say who was watched" in done.stderr
    assert "990 further lines are no entries of the journal" in done.stderr
    assert len(done.stderr.splitlines()) == 12


@pytest.mark.parametrize("lines", [[], [START], PAST[2:]], ids=["empty", "no verdicts", "nobody watched"])
def test_a_journal_that_says_nothing_is_an_error(simulate, lines):
    """Exit status 2, one line, and what was expected."""
    done = simulate(lines)
    assert (done.returncode, done.stdout) == (2, "")
    assert "expected what `journal export` writes" in done.stderr


@pytest.mark.parametrize(("path", "cause"), [("nowhere", "no such file or directory"), (".", "is a directory")])
def test_a_file_that_cannot_be_read_is_an_error(tmp_path, path, cause):
    """It says which, and why."""
    (tmp_path / "new.toml").write_text(CONFIG)
    done = run("simulate", "--journal", path, "--config", "new.toml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, f"sidecar: cannot read the journal {path}: {cause}\n")


def test_a_mistake_in_the_configuration_is_told_before_anything_is_read(simulate):
    """With its line, as ever."""
    done = simulate(PAST, config="[drain]\ndrain_after = 3\n")
    assert done.returncode == 2
    assert "new.toml:2: drain.drain_after" in done.stderr


def test_the_journal_may_come_by_a_pipe(tmp_path):
    """``-`` is the standard input."""
    (tmp_path / "new.toml").write_text(CONFIG)
    done = subprocess.run(
        [*COMMAND, "simulate", "--journal", "-", "--config", "new.toml"],
        input="\n".join(map(json.dumps, PAST)).encode(),
        capture_output=True,
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        check=False,
        timeout=60,
    )
    assert done.returncode == 0
    assert b"90 verdicts" in done.stdout
