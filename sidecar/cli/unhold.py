"""``sidecar unhold``: let automation go on."""

import click

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, reason_option, socket_option
from sidecar.cli.reporting import report
from sidecar.serve.orders import Unhold


@click.command()
@config_option
@socket_option
@reason_option("it is over")
def command(path: str | None, socket: str | None, reason: str) -> None:
    """Let automation go on after `sidecar hold`. A release that was held is decided about anew.

    The exit status is 0, 1 when it is refused, 2 when no sidecar runs.
    """
    report(ask(find_socket(socket, path), Unhold(reason)))
