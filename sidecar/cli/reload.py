"""``sidecar reload``: read the configuration again."""

import click

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, socket_option
from sidecar.cli.reporting import report
from sidecar.serve.orders import Reload


@click.command()
@config_option
@socket_option
def command(path: str | None, socket: str | None) -> None:
    """Have the running sidecar read its configuration again, as SIGHUP does, and show what came of it.

    A configuration with a mistake changes nothing, and every mistake is told. The exit status is 0 when the new one is
    in force, 1 when the one before stays, 2 when no sidecar runs.
    """
    report(ask(find_socket(socket, path), Reload()))
