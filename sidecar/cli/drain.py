"""``sidecar drain``: take the gateway out and have it restarted."""

import click

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, one_line, socket_option
from sidecar.cli.reporting import report
from sidecar.serve.orders import Drain


@click.command()
@config_option
@socket_option
@click.option(
    "--reason",
    default="an operator wants it",
    show_default=True,
    callback=one_line,
    help="Shown and logged, at most 200 long.",
)
def command(path: str | None, socket: str | None, reason: str) -> None:
    """Drain the gateway now: lame duck, work in flight, SIGTERM.

    No failure is needed, and no threshold or pause is heeded; but the gateway's process must be proven. With
    drain.shadow everything is done but the signal. The exit status is 0 when the drain has begun, 1 when it is refused,
    2 when no sidecar runs.
    """
    report(ask(find_socket(socket, path), Drain(reason)))
