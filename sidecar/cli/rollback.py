"""``sidecar rollback``: put an earlier release in the place of the one that runs."""

import sys

import click

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.ending import complain, leave
from sidecar.cli.options import config_option, reason_option, socket_option
from sidecar.cli.reporting import report
from sidecar.serve.orders import Rollback


@click.command()
@click.argument("release", required=False)
@config_option
@socket_option
@reason_option("an operator wants it")
@click.option("--yes", "agreed", is_flag=True, help="Do not ask whether it is meant.")
@click.option("--force", is_flag=True, help="Override what forbids it, as far as that can be.")
def command(  # noqa: PLR0917 - click's way
    path: str | None,
    socket: str | None,
    release: str | None,
    reason: str,
    agreed: bool,  # noqa: FBT001
    force: bool,  # noqa: FBT001
) -> None:
    """Put an earlier RELEASE in the place of the one that runs; without one the last good release.

    The same things are checked as before a rollback that begins by itself, but for the fault: `--force` overrides them,
    as far as there is something to restore and somebody who can. `sidecar releases` shows what there is. The exit
    status is 0 when the rollback has begun, 1 when it is refused or not meant, 2 when no sidecar runs.
    """
    if not agreed:
        if not sys.stdin.isatty():
            raise click.UsageError("nobody can be asked whether it is meant: say --yes")
        if not click.confirm(f"Roll back to {release or 'the last good release'}?", err=True):
            complain("nothing is rolled back")
            leave(1)
    report(ask(find_socket(socket, path), Rollback(reason, release, force)))
