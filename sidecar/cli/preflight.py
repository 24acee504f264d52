"""``sidecar preflight``: whether what a release will need is there."""

import os

import anyio
import click
from msgspec import json

from sidecar import preflight
from sidecar.agent import load_plan
from sidecar.cli.ending import leave
from sidecar.cli.options import config_option
from sidecar.cli.results import COLOURS
from sidecar.cli.terminal import align, write
from sidecar.core.verdict import Outcome
from sidecar.preflight import Item


@click.command()
@config_option
@click.option("--json", "wants_json", is_flag=True, help="Write JSON: a list of objects with name, outcome and reason.")
def command(path: str | None, wants_json: bool) -> None:  # noqa: FBT001 - click's way
    """Look whether what a release will need is there, as a command to run before it is deployed.

    Looks at the configuration, the credentials of every upstream, BrightData's zone, the migrations, the store, the
    platform, and the last good release. It changes nothing anywhere. The exit status is 0 when everything passes or
    warns, 1 when something fails, 2 when something cannot be told or the configuration cannot be used.
    """
    items = anyio.run(preflight.look, load_plan(path, os.environ))
    write(json.encode(items).decode() if wants_json else render(items))
    outcomes = {item.outcome for item in items}
    leave(1 if Outcome.FAIL in outcomes else 2 if Outcome.UNKNOWN in outcomes else 0)


def render(items: list[Item]) -> str:
    """Write the table for people."""
    lines = align([("WHAT", "IS", "REASON"), *((item.name, item.outcome, item.reason) for item in items)])
    shown = [click.style(line, fg=COLOURS[item.outcome]) for item, line in zip(items, lines[1:], strict=True)]
    return "\n".join([lines[0], *shown])
