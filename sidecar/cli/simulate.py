"""``sidecar simulate``: the past under another configuration."""

import os
import sys

import click
import msgspec

from sidecar.agent import load_plan
from sidecar.cli.options import config_option
from sidecar.cli.terminal import align, write
from sidecar.cli.when import write_moment
from sidecar.config.words import printable
from sidecar.core.errors import SidecarError
from sidecar.core.journal.hindsight import Hindsight, Row, look_back
from sidecar.journal.reading import parse
from sidecar.journal.rules import watched

READ_AT_MOST = 256 << 20
"""Bytes of an export that is still read."""


@click.command()
@click.option("--journal", "source", metavar="FILE", required=True, help="What `journal export` wrote; - is the input.")
@config_option
@click.option("--json", "wants_json", is_flag=True, help="Write JSON, as docs/journal.md describes it.")
def command(source: str, path: str | None, wants_json: bool) -> None:  # noqa: FBT001 - click's way
    """Replay the past under a configuration: which drains, rollbacks, losses of readiness and pages would have been.

    Thresholds, on_failure, stale_after and the rules of the drain can be tried so. What a probe looks for, and how
    often, cannot: the evidence was gathered as it was. The exit status is 0, or 2 when it cannot be done.
    """
    plan = load_plan(path, os.environ)
    reading = parse(_read(source).splitlines())
    try:
        seen = look_back(reading.entries, plan, watched(plan))
    except SidecarError as error:
        raise SidecarError("\n".join([f"cannot simulate with {_name(source)}: {error}", *reading.problems])) from None
    seen = msgspec.structs.replace(seen, remarks=(*reading.problems, *seen.remarks))
    write(msgspec.json.encode(seen).decode() if wants_json else _render(seen, plan.source))


def _read(source: str) -> bytes:
    """Read the file, or the standard input. Raises ``SidecarError``."""
    try:
        if source == "-":
            data = sys.stdin.buffer.read(READ_AT_MOST + 1)
        else:
            with open(source, "rb") as file:  # noqa: PTH123 - any path, a pipe among them
                data = file.read(READ_AT_MOST + 1)
    except OSError as error:
        raise SidecarError(f"cannot read the journal {source}: {(error.strerror or str(error)).lower()}") from None
    if len(data) > READ_AT_MOST:
        raise SidecarError(f"cannot read {_name(source)}: it is larger than {READ_AT_MOST >> 20} MiB")
    return data


def _name(source: str) -> str:
    return "the standard input" if source == "-" else source


def _render(seen: Hindsight, source: str) -> str:
    past, simulated = seen.past, seen.simulated
    figures = [
        ("", "IN THE PAST", "SIMULATED"),
        ("drains", str(past.drains), str(simulated.drains)),
        ("rollbacks", str(past.rollbacks), str(simulated.rollbacks)),
        ("losses of readiness", str(past.losses), str(simulated.losses)),
        ("seconds not ready", f"{past.unready:.0f}", f"{simulated.unready:.0f}"),
        ("pages", str(past.pages), str(simulated.pages)),
    ]
    span = f"{write_moment(seen.begin)} to {write_moment(seen.end)}, {seen.verdicts} verdicts, replayed under {source}"
    lines = [span, "", *align(figures)]
    if seen.rows:
        heading = ("WHEN", "WHAT", "IN THE PAST", "SIMULATED", "WHY")
        lines += ["", *align([heading, *map(_cells, seen.rows)])]
    if seen.remarks:
        lines += ["", *align([("remark", printable(remark)) for remark in seen.remarks])]
    return "\n".join(lines)


def _cells(row: Row) -> tuple[str, ...]:
    why = printable(row.why.replace("\n", "; "))
    return write_moment(row.at), row.sort, _yes(row.past), _yes(row.simulated), why


def _yes(is_so: bool) -> str:  # noqa: FBT001
    return "yes" if is_so else "-"
