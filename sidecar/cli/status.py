"""``sidecar status``: how things are, and what happens next."""

import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, socket_option
from sidecar.cli.reporting import REFUSED, report
from sidecar.cli.terminal import align, is_terminal, width, write
from sidecar.serve.orders import Answer, Status

_WATCH_EVERY = 1.0
"""Seconds between two looks."""

_CLEAR = "\033[H\033[2J"
_COLOURS = {"ready": "green", "degraded": "yellow", "unhealthy": "red", "starting": "cyan"}


@click.command()
@config_option
@socket_option
@click.option("--watch", is_flag=True, help="Look again every second, until Ctrl-C.")
@click.option("--json", "wants_json", is_flag=True, help="Write JSON: the page /health/ready?explain, on one line.")
def command(path: str | None, socket: str | None, watch: bool, wants_json: bool) -> None:  # noqa: FBT001
    """Show the deployment's status, every check, the drain, maintenance, and what happens next.

    The exit status is 0 when the deployment is ready, 1 when it is not, 2 when no sidecar runs.
    """
    while True:
        answer = ask(find_socket(socket, path), Status())
        if not answer.done:
            report(answer)
        _show(answer, wants_json=wants_json, clear=watch and not wants_json)
        if not watch:
            sys.exit(0 if answer.document["explain"]["ready"] else REFUSED)
        time.sleep(_WATCH_EVERY)


def _show(answer: Answer, *, wants_json: bool, clear: bool) -> None:
    text = msgspec.json.encode(answer.document).decode() if wants_json else render(answer.document, width())
    write((_CLEAR if clear and is_terminal() else "") + text)


def render(page: dict[str, Any], columns: int | None) -> str:
    """Write the page for people; lines longer than so many columns are cut."""
    explained = page["explain"]
    codes = ", ".join(f"{name} {200 if explained[key] else 503}" for name, key in _ANSWERS)
    rows = [("status", f"{page['deploymentStatus']} ({codes})"), *_facts(page), *_sinks(page)]
    rows += _list("held by", explained["heldBy"]) + _list("next", explained["next"])
    lines = [*align(rows), "", *align([_HEADING, *_checks(page)])]
    shown = [line if columns is None or len(line) <= columns else line[: columns - 1] + "…" for line in lines]
    shown[0] = click.style(shown[0], fg=_COLOURS.get(page["deploymentStatus"]))
    return "\n".join(shown)


_ANSWERS = (("ready", "ready"), ("live", "live"), ("startup", "started"))
_HEADING = ("CHECK", "STATE", "SEEN", "NEXT LOOK", "ON FAILURE", "REASON")


def _facts(page: dict[str, Any]) -> Iterator[tuple[str, str]]:
    gateway, drain = page["gateway"], page["drain"]
    who = f", process {gateway['pid']}" if "pid" in gateway else ""
    doubt = f"; not proven: {gateway['unproven']}" if "unproven" in gateway else ""
    yield "gateway", f"{gateway['phase']} at {gateway['address']}{who}{doubt}"
    why = f": {drain['reason']}" if "reason" in drain else ""
    shadow = ", shadow" if drain.get("shadow") else ""
    yield "drain", f"{drain['phase']}{why} ({drain['total']} so far{shadow})"
    if word := page.get("maintenance"):
        yield "maintenance", f"by {word['by']}, until {_clock(word.get('until'))}: {word['reason']}"
    else:
        yield "maintenance", "off"
    if release := page.get("release"):
        yield (
            "release",
            f"{release['id']} is {release['phase'].replace('_', ' ')}: {release.get('reason', 'it starts')}",
        )
    if hold := page.get("hold"):
        yield "automation", f"stopped by {hold['by']} since {_clock(hold.get('since'))}: {hold['reason']}"


def _sinks(page: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Show who cannot be told; of the others there is nothing to say."""
    for name, sink in page.get("sinks", {}).items():
        if "failingSince" in sink:
            waiting = f"{sink['pending']} messages wait, {sink['lost']} were given up"
            yield f"sink {name}", f"fails since {_clock(sink['failingSince'])}: {sink['lastError']}; {waiting}"


def _list(name: str, entries: list[str]) -> list[tuple[str, str]]:
    """Put entries below each other, the name beside the first."""
    return [(name if number == 0 else "", entry) for number, entry in enumerate(entries)]


def _checks(page: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    components = {key.rpartition(":")[0]: component for key, [component] in page["checks"].items()}
    for check in page["explain"]["checks"]:
        component = components[check["name"]]
        outcome = check.get("outcome")
        state = check["state"] if outcome in (None, _PLAIN.get(check["state"])) else f"{check['state']}, {outcome}"
        seen = f"{check['age']:.1f} s ago" if "age" in check else "-"
        look = f"in {check['nextLook']:.1f} s"
        yield check["name"], state, seen, look, component["onFailure"], component.get("output", "")


_PLAIN = {"passing": "pass", "failing": "fail"}


def _clock(moment: str | None) -> str:
    """Write a moment in the machine's own time; its date, unless that is today."""
    if moment is None:
        return "further than can be told"
    local = datetime.fromisoformat(moment).astimezone()
    return local.strftime("%H:%M:%S" if local.date() == datetime.now(UTC).astimezone().date() else "%Y-%m-%d %H:%M:%S")
