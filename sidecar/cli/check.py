"""``sidecar check``: every probe once, side by side."""

import os
from collections.abc import Callable
from contextlib import aclosing
from functools import partial
from typing import Any, NoReturn

import anyio
import anyio.to_thread
import click

from sidecar import loop
from sidecar.agent import load_plan
from sidecar.cli.ending import leave
from sidecar.cli.options import config_option
from sidecar.cli.results import Results, as_json, exit_status, table
from sidecar.cli.terminal import Progress, width, write
from sidecar.clock import boottime
from sidecar.contract import Probe
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import Plan, ProbePlan
from sidecar.core.verdict import Verdict
from sidecar.engine import CONCURRENCY, close, execute
from sidecar.gateway.discovery import discover
from sidecar.memo import StoreMemo
from sidecar.registry import make_probe
from sidecar.store import open_store, replica_of
from sidecar.store.contract import Store


@click.command()
@config_option
@click.option("--json", "wants_json", is_flag=True, help="Write JSON, as docs/commands.md describes it.")
def command(path: str | None, wants_json: bool) -> None:  # noqa: FBT001 - click's way
    """Run every probe once and show what it saw.

    Nothing is drained, and no health port is opened. The exit status is 0 when every probe passes or warns, 1 when one
    fails, 2 when one cannot tell or the check could not be done.
    """
    plan = load_plan(path, os.environ)
    loop.run(partial(_report, plan, as_json if wants_json else partial(table, width=width())))


async def _report(plan: Plan, form: Callable[[Plan, Results], str]) -> NoReturn:
    """Check, write the result, and leave from within the loop, whose end waits for every task for ever."""
    results = await _check(plan)
    write(form(plan, results))
    leave(exit_status(results))


async def _check(plan: Plan) -> Results:
    process, doubt = None, None
    if plan.watches_gateway:
        process, doubt = await anyio.to_thread.run_sync(_find_gateway, plan)
    async with aclosing(open_store(plan.state, plan.server.port)) as store:
        verdicts = await _execute_all(plan, process, store)
    return Results(verdicts, (*plan.remarks, *([doubt] if doubt else [])))


async def _execute_all(plan: Plan, process: GatewayProcess | None, store: Store) -> dict[str, Verdict]:
    verdicts: dict[str, Verdict] = {}
    slots = anyio.Semaphore(CONCURRENCY)
    replica = replica_of(plan.state, plan.server.port)
    with Progress(probe.name for probe in plan.probes) as progress:

        async def check_one(probe: ProbePlan) -> None:
            made = make_probe(probe, plan, StoreMemo(store, replica, probe.name), lambda: process)
            async with slots:
                verdicts[probe.name] = await _execute(made, probe, plan)
            progress.done(probe.name)

        async with anyio.create_task_group() as tasks:
            for probe in plan.probes:
                tasks.start_soon(check_one, probe)
    return verdicts


async def _execute(made: Probe[Any], probe: ProbePlan, plan: Plan) -> Verdict:
    verdicts: list[Verdict] = []
    try:
        await execute(made, probe, plan.secrets, boottime, verdicts.append)
    finally:
        await close(made)
    return verdicts[0]


def _find_gateway(plan: Plan) -> tuple[GatewayProcess | None, str | None]:
    """Find the gateway's process, or say why it is not proven."""
    try:
        found = discover(plan.gateway)
    except OSError as error:
        return None, f"the gateway's process cannot be looked for: {(error.strerror or str(error)).lower()}"
    if found is None or isinstance(found, GatewayProcess):
        return found, None
    return None, f"the gateway's process cannot be proven: {found.reason}"
