"""What came of an order, for people."""

import sys

import click

from sidecar.cli.terminal import write
from sidecar.serve.orders import Answer

REFUSED = 1
"""The exit status when the sidecar runs, and says no."""


def report(answer: Answer) -> None:
    """Write what the sidecar has said; a refusal is an exit status of 1."""
    if answer.done:
        write(answer.message)
        return
    click.echo(f"sidecar: {answer.message}", err=True)
    sys.exit(REFUSED)
