"""``sidecar run``: the agent in the foreground."""

import os
import signal
from collections.abc import Callable

import anyio
import click

from sidecar.agent import load_plan
from sidecar.cli.ending import die_of
from sidecar.cli.options import config_option
from sidecar.core.events import Event
from sidecar.core.plan import Plan
from sidecar.log import Log
from sidecar.service import serve


@click.command()
@config_option
def command(path: str | None) -> None:
    """Run beside a gateway: probe it, tell its health, drain it when it is sick.

    SIGHUP reloads the configuration. SIGTERM and SIGINT turn readiness to 503 and end the sidecar when the gateway is
    gone; a second one ends it at once.
    """

    def load() -> Plan:
        return load_plan(path, os.environ)

    plan = load()
    with Log(plan.log_format) as log:
        number = anyio.run(_run, plan, load, log.tell)
    die_of(number)


async def _run(plan: Plan, load: Callable[[], Plan], tell: Callable[[Event], None]) -> signal.Signals:
    return await serve(plan, load, tell, environ=os.environ)
