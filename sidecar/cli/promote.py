"""``sidecar promote``: call the release that runs a good one."""

import click

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, reason_option, socket_option
from sidecar.cli.reporting import report
from sidecar.serve.orders import Promote


@click.command()
@config_option
@socket_option
@reason_option("an operator has looked at it")
def command(path: str | None, socket: str | None, reason: str) -> None:
    """Call the release that runs a good one, whatever was found out about it.

    It takes traffic as its probes allow, and is from now on what a later release is rolled back to. The exit status is
    0, 1 when it is refused, 2 when no sidecar runs.
    """
    report(ask(find_socket(socket, path), Promote(reason)))
