"""What is read without click: nothing that click would read otherwise."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.cli import run
from sidecar.cli.plain import RunOrder, read_run

WORDS = ["run", "--", "--config", "--config=x.toml", "x.toml", "-h", "--help", "--verbose", "-", "", "node", "check"]


def read_by_click(arguments):
    """What click reads after ``run``; None for help and for mistakes."""
    try:
        given = run.command.make_context("run", list(arguments), resilient_parsing=False).params
    except (click.ClickException, click.exceptions.Exit):
        return None
    return RunOrder(given["path"], given["arguments"])


@pytest.mark.parametrize(
    ("arguments", "order"),
    [
        (["run"], RunOrder(None, ())),
        (["run", "--config", "x.toml"], RunOrder("x.toml", ())),
        (["run", "--", "node", "--", "-h"], RunOrder(None, ("node", "--", "-h"))),
        (["run", "--config", "x.toml", "--", "node"], RunOrder("x.toml", ("node",))),
    ],
)
def test_what_deployments_say_is_read(arguments, order):
    """With a file or without, with a command or without."""
    assert read_run(arguments) == order


@pytest.mark.parametrize(
    "arguments",
    [[], ["run", "-h"], ["run", "--"], ["run", "--config"], ["run", "--config=x"], ["run", "now"], ["check"]],
)
def test_everything_else_is_left_to_click(arguments):
    """Help, mistakes, other spellings and other commands."""
    assert read_run(arguments) is None


@given(st.lists(st.sampled_from(WORDS), max_size=7))
def test_what_is_read_means_the_same_to_click(words):
    """Whatever the arguments: there is one command line, not two."""
    order = read_run(["run", *words])
    assert order is None or order == read_by_click(words)


def test_click_knows_no_option_that_would_be_missed():
    """A new option of ``run`` that has to be read here, too, or left to click, is thought about."""
    assert [parameter.name for parameter in run.command.params] == ["path"]
