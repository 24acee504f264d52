"""``sidecar config``: look into the configuration."""

import os

import click

from sidecar.agent import load_plan
from sidecar.cli.options import config_option
from sidecar.cli.terminal import align, write
from sidecar.config.units import write_duration
from sidecar.core.plan import DrainPlan, Plan, ProbePlan


@click.group()
def command() -> None:
    """Look into the configuration."""


@command.command()
@config_option
def check(path: str | None) -> None:
    """Read the configuration and tell every problem in it; nothing is probed.

    The exit status is 0 when it is valid, else 2.
    """
    write(_summary(load_plan(path, os.environ)))


def _summary(plan: Plan) -> str:
    heading = ("PROBE", "KIND", "LOOKS AT", "EVERY", "WITHIN", "ON FAILURE", "STARTUP")
    settings = [
        ("health port", f"{plan.server.host or 'every address'}, port {plan.server.port}"),
        ("gateway", f"{plan.gateway.host}, port {plan.gateway.port}"),
        ("drain", _drain(plan.drain)),
        *(("remark", remark) for remark in plan.remarks),
    ]
    probes = [heading, *map(_row, plan.probes)]
    return "\n".join([f"{plan.source}: valid", "", *align(probes), "", *align(settings)])


def _row(probe: ProbePlan) -> tuple[str, ...]:
    return (
        probe.name,
        probe.kind,
        probe.target,
        write_duration(probe.interval),
        write_duration(probe.timeout),
        probe.on_failure,
        "must pass" if probe.startup else "-",
    )


def _drain(plan: DrainPlan) -> str:
    if not plan.enabled:
        return "never: a sick gateway is reported, and not signalled"
    shadow = ", all but the signal (shadow)" if plan.shadow else ""
    return f"after {write_duration(plan.drain_after)} of unbroken local failure{shadow}"
