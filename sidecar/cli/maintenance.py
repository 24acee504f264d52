"""``sidecar maintenance``: say that this replica is out, whatever the probes see."""

import click

from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, duration_within, one_line, socket_option
from sidecar.cli.reporting import report
from sidecar.serve.orders import LONGEST_MAINTENANCE, Maintenance, Resume


@click.group()
def command() -> None:
    """Say that this replica is out, whatever the probes see: readiness 503, liveness 200, no drain."""


@command.command()
@config_option
@socket_option
@click.option(
    "--reason", required=True, callback=one_line, help="Why, for whoever finds it out of traffic; at most 200 long."
)
@click.option(
    "--for",
    "seconds",
    required=True,
    callback=duration_within(LONGEST_MAINTENANCE),
    metavar="DURATION",
    help="How long: 90s, 10m, 2h.",
)
def on(path: str | None, socket: str | None, reason: str, seconds: float) -> None:
    """Begin maintenance, or put a new reason and end in the place of those before.

    A drain that has not sent its signal yet is called off. Maintenance ends by itself, and survives a restart of the
    sidecar where there is a state directory. The exit status is 0, 1 when it is refused, 2 when no sidecar runs.
    """
    report(ask(find_socket(socket, path), Maintenance(reason, seconds)))


@command.command()
@config_option
@socket_option
@click.option("--reason", default="it is over", show_default=True, callback=one_line, help="Logged, at most 200 long.")
def off(path: str | None, socket: str | None, reason: str) -> None:
    """End maintenance: the probes decide again, from what they see."""
    report(ask(find_socket(socket, path), Resume(reason)))
