"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

from sidecar.config.units import parse_duration, write_duration
from sidecar.serve.orders import REASON_AT_MOST

config_option = click.option(
    "--config",
    "path",
    metavar="FILE",
    help="The configuration; without it conf/sidecar.toml if it is there, else the embedded default.",
)

socket_option = click.option(
    "--socket",
    metavar="FILE",
    help="The running sidecar's control socket; without it SIDECAR_SOCKET, else as the configuration says.",
)


def reason_option(default: str) -> Callable[[Any], Any]:
    """Make the option for the reason that is shown, logged and written down."""
    return click.option(
        "--reason",
        default=default,
        show_default=True,
        callback=one_line,
        help="Shown, logged and written down, at most 200 long.",
    )


def duration_within(longest: float) -> Callable[[click.Context, click.Parameter, str], float]:
    """Make the callback of an option that takes a duration, ``90s`` or ``10m``: not over yet, and not too long."""

    def read(_: click.Context, __: click.Parameter, text: str) -> float:
        in_past = text.startswith("-")
        seconds = parse_duration(text.removeprefix("-"))
        if seconds is None:
            raise click.BadParameter(f'found "{text}", expected a duration such as 90s, 10m, 2h')
        if in_past or not seconds:
            raise click.BadParameter(f'found "{text}", which is over already; expected more than 0s')
        if seconds > longest:
            raise click.BadParameter(f'found "{text}", expected at most {write_duration(longest)}')
        return seconds

    return read


def one_line(_: click.Context, __: click.Parameter, text: str) -> str:
    """Read a reason: one line that says something."""
    text = text.strip()
    if not 0 < len(text) <= REASON_AT_MOST or not text.isprintable():
        raise click.BadParameter(f"expected one line of 1 to {REASON_AT_MOST} characters that says why")
    return text
