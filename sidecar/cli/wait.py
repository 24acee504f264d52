"""``sidecar wait``: until the deployment is ready, for scripts."""

import sys
import time

import click

from sidecar.cli.asking import NoSidecarError, ask, find_socket
from sidecar.cli.ending import CANNOT_RUN
from sidecar.cli.options import config_option, duration_within, socket_option
from sidecar.cli.reporting import REFUSED
from sidecar.cli.terminal import write
from sidecar.serve.orders import Status

_LOOK_EVERY = 0.1
"""Seconds between two questions; each costs the sidecar less than a millisecond."""


@click.command()
@config_option
@socket_option
@click.argument("what", type=click.Choice(["ready", "started", "live"]))
@click.option("--timeout", callback=duration_within(86_400.0), default="30s", show_default=True, metavar="DURATION")
def command(path: str | None, socket: str | None, what: str, timeout: float) -> None:
    """Wait until the deployment is ready, started or live.

    A sidecar that is not there yet is waited for too. The exit status is 0 as soon as it is so, 1 when it is not in
    time, 2 when no sidecar runs by then.
    """
    until = time.monotonic() + timeout
    while True:
        found, says = _look(find_socket(socket, path), what, max(_LOOK_EVERY, until - time.monotonic()))
        if found:
            write(says)
            return
        if time.monotonic() + _LOOK_EVERY > until:
            click.echo(f"sidecar: {says}", err=True)
            sys.exit(CANNOT_RUN if found is None else REFUSED)
        time.sleep(_LOOK_EVERY)


def _look(places: list[str], what: str, within: float) -> tuple[bool | None, str]:
    """Ask once: whether it is so, None when there is nobody to ask; and in words, with what stands against it."""
    try:
        page = ask(places, Status(), within).document
    except NoSidecarError as error:
        return None, str(error)
    held = "".join(f"\n  {reason}" for reason in page["explain"]["heldBy"])
    status = page["deploymentStatus"]
    if page["explain"][what]:
        return True, f"{what} ({status})"
    return False, f"not {what} in time ({status}){held}"
