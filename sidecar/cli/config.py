"""``sidecar config``: look into the configuration."""

import os

import click

from sidecar.agent import load_plan
from sidecar.cli.options import config_option


@click.group()
def command() -> None:
    """Look into the configuration."""


@command.command()
@config_option
def check(path: str | None) -> None:
    """Read the configuration and tell every problem in it; nothing is probed.

    The exit status is 0 when it is valid, else 2.
    """
    plan = load_plan(path, os.environ)
    click.echo(f"{plan.source}: valid")
    for probe in plan.probes:
        startup = ", startup" if probe.startup else ""
        click.echo(
            f"  {probe.name}: {probe.kind}, looks at the {probe.target}, every {probe.interval:g} s, "
            f"on failure {probe.on_failure}{startup}"
        )
    click.echo(f"  health port {plan.server.port}, gateway {plan.gateway.host}:{plan.gateway.port}")
    for remark in plan.remarks:
        click.echo(f"  {remark}")
