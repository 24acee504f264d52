"""The commands about releases, as far as they go without a sidecar; with one, see the end-to-end tests."""

import pytest
from command_line import on_a_terminal, run

from sidecar.cli.releases import render
from sidecar.cli.when import write_moment

NOBODY = "no sidecar runs here"


@pytest.mark.parametrize(
    "words",
    [("releases",), ("promote",), ("rollback", "--yes"), ("hold", "--reason", "an incident"), ("unhold",)],
)
def test_without_a_sidecar_nothing_is_done(tmp_path, words):
    """The exit status is 2, and it is said where one was looked for."""
    ended = run(*words, cwd=tmp_path)
    assert ended.returncode == 2
    assert NOBODY in ended.stderr


def test_who_cannot_be_asked_has_to_say_yes(tmp_path):
    """A rollback in a script is meant, or it is not done."""
    ended = run("rollback", cwd=tmp_path)
    assert ended.returncode == 2
    assert "nobody can be asked whether it is meant: say --yes" in ended.stderr


@pytest.mark.parametrize(
    ("words", "question"),
    [((), "Roll back to the last good release? [y/N]: "), (("2.7.1",), "Roll back to 2.7.1? [y/N]: ")],
)
@pytest.mark.parametrize(("answer", "status"), [("y", 2), ("", 1), ("n", 1)])
def test_on_a_terminal_it_is_asked_whether_a_rollback_is_meant(tmp_path, words, question, answer, status):
    """Only who says yes has the sidecar asked; no answer is a no."""
    with on_a_terminal("rollback", *words, cwd=tmp_path) as terminal:
        terminal.read_until(question)
        terminal.type(f"{answer}\n")
        assert terminal.read_to_the_end() == status
        assert (NOBODY if answer == "y" else "nothing is rolled back") in terminal.shown
        assert (NOBODY in terminal.shown) == (answer == "y")


def test_a_hold_has_a_reason(tmp_path):
    """Whoever finds it so wants to know."""
    ended = run("hold", cwd=tmp_path)
    assert ended.returncode == 2
    assert "Missing option '--reason'" in ended.stderr


def test_releases_are_shown_with_what_became_of_them():
    """The one that runs is marked; rollbacks, a hold, and why nothing is rolled back stand below."""
    document = {
        "running": "2",
        "releases": [
            {"id": "2", "phase": "held", "since": 1.7e9, "reason": "slow", "by": None},
            {"id": "1", "phase": "good", "since": 1.6e9, "reason": "promoted", "by": "root"},
        ],
        "rollbacks": [{"release": "3", "target": "1", "begun": 1.65e9, "phase": "verified", "detail": "1 is healthy"}],
        "hold": {"by": "root", "at": 1.7e9, "reason": "an incident"},
        "unfit": "it is in memory",
    }
    first, begun, last = map(write_moment, (1.6e9, 1.65e9, 1.7e9))
    assert render(document).splitlines() == [
        "RELEASE  IS    SINCE                BY    WHY",
        f"2 *      held  {last}  -     slow",
        f"1        good  {first}  root  promoted",
        f"rollback 3 -> 1, begun {begun}: verified; 1 is healthy",
        f"all automation is stopped by root since {last}: an incident",
        "nothing is rolled back by itself: it is in memory",
    ]


def test_no_release_is_known_at_first():
    """It says so instead of an empty table."""
    assert render({"running": None, "releases": [], "rollbacks": []}) == "no release is known yet"
