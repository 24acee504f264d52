"""``sidecar config``: look into the configuration."""

import os
from typing import Any

import click
from msgspec import json

from sidecar.agent import load_plan
from sidecar.cli.asking import ask, find_socket
from sidecar.cli.options import config_option, socket_option
from sidecar.cli.reporting import report
from sidecar.cli.terminal import align, write
from sidecar.config.toml import write_toml
from sidecar.config.units import write_duration
from sidecar.contract import Kind
from sidecar.core.plan import DrainPlan, Plan, ProbePlan
from sidecar.registry import BUILT_IN, load_kind
from sidecar.serve.orders import Config


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


@command.command()
@config_option
@socket_option
@click.option("--json", "wants_json", is_flag=True, help="Write JSON instead of TOML.")
def show(path: str | None, socket: str | None, wants_json: bool) -> None:  # noqa: FBT001 - click's way
    """Show the plan that the running sidecar goes by: every default and every derived probe, and no secret.

    The exit status is 0, or 2 when no sidecar runs; `sidecar config check` reads the file instead.
    """
    answer = ask(find_socket(socket, path), Config())
    if not answer.done:
        report(answer)
    write(json.format(json.encode(answer.document), indent=2).decode() if wants_json else write_toml(answer.document))


@command.command()
def schema() -> None:
    """Write the JSON Schema of the configuration's file, with which editors complete and check it."""
    from sidecar.config.schema import make_schema  # noqa: PLC0415 - it loads every kind, and with it their libraries

    write(json.format(json.encode(make_schema(_built_in())), indent=2).decode())


def _built_in() -> dict[str, Kind[Any]]:
    return {name: kind for name in BUILT_IN if (kind := load_kind(name)) is not None}


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
