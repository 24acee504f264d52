"""``sidecar journal``: what has happened, also while no sidecar runs."""

import os
from collections.abc import Callable, Coroutine, Sequence
from contextlib import aclosing
from time import time
from typing import Any, TypeVar

import anyio
import click
import msgspec

from sidecar.agent import load_plan
from sidecar.cli.flight import render_flight
from sidecar.cli.options import config_option, duration_within
from sidecar.cli.terminal import align, write
from sidecar.cli.when import write_moment
from sidecar.config.words import printable
from sidecar.core.errors import SidecarError
from sidecar.core.journal.entries import Entry, Lost, SidecarStarted, Told, Verdicts, write_entry
from sidecar.journal.reading import read_flights, read_journal
from sidecar.store import open_store, replica_of
from sidecar.store.contract import Store

T = TypeVar("T")

_LONGEST = 365 * 86400.0

replica_option = click.option("--replica", metavar="NAME", help="Another replica's, where they share a store.")


@click.group(invoke_without_command=True)
@click.pass_context
@config_option
@click.option(
    "--since",
    metavar="DURATION",
    default="24h",
    show_default=True,
    callback=duration_within(_LONGEST),
    help="How far to look back, as 90s, 10m, 2h.",
)
@click.option("--flight", "wants_flight", is_flag=True, help="Show the latest flight record; with --json all of them.")
@replica_option
@click.option("--json", "wants_json", is_flag=True, help="Write JSON: an entry on each line.")
def command(
    ctx: click.Context,
    *,
    path: str | None,
    since: float,
    wants_flight: bool,
    replica: str | None,
    wants_json: bool,
) -> None:
    """Show what has happened: verdicts, events, and with --flight what was known when things turned bad.

    It reads the store that the configuration names, whether a sidecar runs or not. The exit status is 0, or 2 when it
    cannot be read.
    """
    ctx.obj = (path, replica)
    if ctx.invoked_subcommand is not None:
        return
    if wants_flight:
        flights = _ask(path, replica, read_flights)
        if wants_json:
            write("\n".join(msgspec.json.encode(flight).decode() for flight in flights))
        else:
            write(render_flight(flights[-1]) if flights else "there is no flight record: nothing has turned bad")
        return
    entries = [entry for entry in _ask(path, replica, _read) if _end(entry) >= time() - since]
    write(_lines(entries) if wants_json else _render(entries))


@command.command()
@click.pass_obj
@config_option
@replica_option
def export(given: tuple[str | None, str | None], path: str | None, replica: str | None) -> None:
    """Write the whole journal, an entry on each line, for `sidecar simulate`."""
    write(_lines(_ask(path or given[0], replica or given[1], _read)))


async def _read(store: Store, replica: str) -> list[Entry]:
    reading = await read_journal(store, replica)
    for problem in reading.problems:
        click.echo(f"sidecar: {problem}", err=True)
    return reading.entries


def _ask(path: str | None, replica: str | None, read: Callable[[Store, str], Coroutine[Any, Any, T]]) -> T:
    plan = load_plan(path, os.environ)
    name = replica or replica_of(plan.state, plan.server.port)

    async def ask() -> T:
        async with aclosing(open_store(plan.state, plan.server.port)) as store:
            if not store.lasting:
                raise SidecarError(f"there is no journal: {store.unfit}")
            return await read(store, name)

    return anyio.run(ask)


def _lines(entries: Sequence[Entry]) -> str:
    return "\n".join(write_entry(entry).decode() for entry in entries)


def _end(entry: Entry) -> float:
    return entry.last if isinstance(entry, Verdicts) else entry.at


def _render(entries: Sequence[Entry]) -> str:
    rows = [row for entry in sorted(entries, key=lambda entry: entry.at) if (row := _row(entry)) is not None]
    return "\n".join(align([("WHEN", "WHO", "WHAT", "WHY"), *rows])) if rows else "nothing has happened in this time"


def _row(entry: Entry) -> tuple[str, ...] | None:
    """Write an entry for people; None for a fact of which an event tells."""
    when = write_moment(entry.at)
    match entry:
        case Verdicts():
            return when, entry.probe, _count(entry), printable(entry.reason)
        case Told():
            return when, "", entry.kind, _told(entry)
        case SidecarStarted():
            return when, "", "sidecar_started", f"version {entry.version}, replica {entry.replica}"
        case Lost():
            return when, "", "lost", f"{entry.count} entries could not be kept"
        case _:
            return None


def _told(event: Told) -> str:
    """Give the message, and the reasons where it does not hold them itself."""
    reasons = [reason for reason in event.evidence if reason not in event.message]
    return printable("; ".join([event.message, *reasons]).replace("\n", "; "))


def _count(entry: Verdicts) -> str:
    if entry.count == 1:
        return f"{entry.outcome} in {entry.mean * 1000:.1f} ms"
    lasted = f"{entry.last - entry.at:.0f} s"
    return f"{entry.outcome} {entry.count} times in {lasted}, {entry.fastest * 1000:.1f}-{entry.slowest * 1000:.1f} ms"
