"""``sidecar releases``: what is known of releases and rollbacks."""

from typing import Any

import click
import msgspec

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, socket_option
from sidecar.cli.reporting import report
from sidecar.cli.terminal import align, write
from sidecar.cli.when import write_moment
from sidecar.serve.orders import Releases


@click.command()
@config_option
@socket_option
@click.option("--json", "wants_json", is_flag=True, help="Write JSON, as docs/releases.md describes it.")
def command(path: str | None, socket: str | None, wants_json: bool) -> None:  # noqa: FBT001
    """Show what is known of releases: which runs, which is good, which was rolled back, why, and by whom.

    The exit status is 0, 1 when it cannot be read, 2 when no sidecar runs.
    """
    answer = ask(find_socket(socket, path), Releases())
    if not answer.done:
        report(answer)
    write(msgspec.json.encode(answer.document).decode() if wants_json else render(answer.document))


def render(document: dict[str, Any]) -> str:
    """Write the document for people."""
    rows = [("RELEASE", "IS", "SINCE", "BY", "WHY")]
    for each in document["releases"]:
        name = f"{each['id']} *" if each["id"] == document["running"] else each["id"]
        rows.append((name, each["phase"], write_moment(each["since"]), each.get("by") or "-", each["reason"]))
    lines = align(rows) if len(rows) > 1 else ["no release is known yet"]
    for each in document["rollbacks"]:
        what = f"{each['release']} -> {each['target']}"
        lines.append(f"rollback {what}, begun {write_moment(each['begun'])}: {each['phase']}; {each['detail']}")
    if hold := document.get("hold"):
        lines.append(f"all automation is stopped by {hold['by']} since {write_moment(hold['at'])}: {hold['reason']}")
    if unfit := document.get("unfit"):
        lines.append(f"nothing is rolled back by itself: {unfit}")
    return "\n".join(lines)
