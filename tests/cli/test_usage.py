"""The command itself: help, version, and mistakes in its use."""

import pytest
from command_line import run

from sidecar import __version__


def test_help_names_every_command(tmp_path):
    """``--help`` is asked for, so it is no error."""
    done = run("--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("run", "check", "config", "drain", "init", "maintenance", "notify", "reload", "status", "wait"):
        assert f"\n  {command} " in done.stdout


@pytest.mark.parametrize(
    "command", [
        ["run"], ["check"], ["config"], ["config", "check"], ["config", "show"], ["config", "schema"], ["drain"],
        ["init"], ["maintenance"], ["maintenance", "on"], ["maintenance", "off"], ["notify"], ["notify", "test"],
        ["reload"], ["status"], ["wait"],
    ],
)  # fmt: skip
def test_every_command_explains_itself(command, tmp_path):
    """``-h`` works everywhere."""
    done = run(*command, "-h", cwd=tmp_path)
    assert done.returncode == 0
    assert done.stdout.startswith(f"Usage: sidecar {' '.join(command)} ")


def test_the_version_is_told(tmp_path):
    """With the program's name."""
    done = run("--version", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, f"sidecar, version {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "Usage: sidecar"),
        (["config"], "Usage: sidecar config"),
        (["chekc"], "No such command 'chekc'"),
        (["run", "--verbose"], "No such option"),
        (["check", "--config"], "Option '--config' requires an argument"),
        (["run", "now"], "unexpected extra argument"),
        (["run", "--"], "after -- comes the command"),
    ],
)
def test_wrong_usage_is_exit_status_2(arguments, complaint, tmp_path):
    """What is wrong goes to the standard error, and nothing to the output."""
    done = run(*arguments, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
