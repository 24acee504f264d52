"""``sidecar hold``: stop all automation."""

import click

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, one_line, socket_option
from sidecar.cli.reporting import report
from sidecar.serve.orders import Hold


@click.command()
@config_option
@socket_option
@click.option("--reason", required=True, callback=one_line, help="Why, for whoever finds it so; at most 200 long.")
def command(path: str | None, socket: str | None, reason: str) -> None:
    """Stop all automation: no drain, no promotion, no rollback, until `sidecar unhold`.

    It is the emergency stop. The probes go on, readiness follows them, a gateway that crashes in parent mode is started
    again, and what a person orders is done. It holds for every replica that shares the store, and survives a restart
    where there is a store. The exit status is 0, 1 when it is refused, 2 when no sidecar runs.
    """
    report(ask(find_socket(socket, path), Hold(reason)))
