"""``sidecar preflight``: its exit status stops a deployment, so each has to be the right one."""

import json
import sys

import pytest
from command_line import run

FINE = '[preflight]\nmigrations = ["true"]\n'
FAILS = '[preflight]\nmigrations = ["false"]\n'
UNKNOWN = '[preflight]\nmigrations = ["/no/such/program"]\n'
GONE = '[probes.gone]\nkind = "tcp"\naddress = "127.0.0.1:{port}"\n'
UNFIT = '[release]\nid = "2"\n[rollback]\nplatform = "command"\nargv = ["true"]\n'


def preflight(tmp_path, text, *arguments):
    """Run the command with this configuration."""
    (tmp_path / "sidecar.toml").write_text(text)
    return run("preflight", "--config", tmp_path / "sidecar.toml", *arguments, cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "status", "row"),
    [
        (FINE, 0, "migrations     pass  "),
        (UNFIT, 0, "last good release  warn  none is known yet: a bad release would be held"),
        (FAILS, 1, "migrations     fail  "),
        (UNKNOWN, 2, "migrations     unknown  "),
        (UNKNOWN + GONE, 1, "gone           fail     "),
    ],
    ids=["passes", "warns", "fails", "cannot tell", "fails, and cannot tell"],
)
def test_the_exit_status_is_the_worst_of_all_rows(tmp_path, free_port, text, status, row):
    """A warning stops nothing, a failure outweighs what cannot be told; every row says why."""
    done = preflight(tmp_path, text.replace("{port}", str(free_port)))
    assert (done.returncode, done.stderr) == (status, "")
    heading, *rows = done.stdout.splitlines()
    assert heading.split() == ["WHAT", "IS", "REASON"]
    assert rows[0].split()[:2] == ["configuration", "pass"]
    assert any(line.startswith(row) for line in rows), done.stdout


def test_json_has_the_same_rows(tmp_path):
    """For machines: name, outcome and reason of each."""
    done = preflight(tmp_path, FAILS, "--json")
    assert done.returncode == 1
    rows = {row["name"]: (row["outcome"], row["reason"]) for row in json.loads(done.stdout)}
    assert rows.keys() == {"configuration", "migrations", "store", "platform"}
    assert rows["migrations"] == (
        "fail",
        "preflight.migrations ends with status 0: found 1; it said: nothing",
    )


@pytest.mark.parametrize("text", ["[preflight]\nmigration = []\n", "[probes.x]\nkind = 7\n", "= ="])
def test_a_configuration_that_cannot_be_used_is_exit_status_2(tmp_path, text):
    """It says where the mistake is, and looks at nothing."""
    done = preflight(tmp_path, text)
    assert (done.returncode, done.stdout) == (2, "")
    assert "sidecar.toml" in done.stderr


def test_what_the_programs_leave_behind_is_nothing(tmp_path):
    """No file is made beside the configuration, not even with a place for state."""
    text = f'[state]\ndir = "{tmp_path}/state"\n[preflight]\nmigrations = ["{sys.executable}", "-c", "print(42)"]\n'
    done = preflight(tmp_path, text)
    assert done.returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["sidecar.toml"]
