"""``sidecar notify``: try whether those who are to be told can be reached."""

import os
from time import perf_counter, time

import anyio
import anyio.to_thread
import click

from sidecar.actors.notify import teller_of
from sidecar.agent import load_plan
from sidecar.cli.ending import leave
from sidecar.cli.options import config_option
from sidecar.cli.terminal import Progress, align, write
from sidecar.core.errors import SidecarError
from sidecar.core.judge import milliseconds
from sidecar.core.notices.notice import Notice, write_test
from sidecar.core.notices.plan import SinkPlan
from sidecar.core.plan import Plan
from sidecar.sinks.contract import SinkError, deliver
from sidecar.sinks.opening import open_sink

_HEADING = ("SINK", "KIND", "RESULT", "TIME", "REASON")


@click.group()
def command() -> None:
    """Try whether those who are to be told can be reached."""


@command.command()
@config_option
@click.argument("sink", required=False)
def test(path: str | None, sink: str | None) -> None:
    """Send one message to every SINK of the configuration, or to this one, and show what comes of it.

    It is sent whatever severity and kinds a sink asks for, and once: nothing is kept, and nothing is sent again. The
    exit status is 0 when every message is delivered, 1 when one is not, 2 when there is nobody to be told.
    """
    plan = load_plan(path, os.environ)
    sinks = _choose(plan, sink)
    failures = anyio.run(_try_all, plan, sinks)
    leave(1 if failures else 0)


def _choose(plan: Plan, name: str | None) -> dict[str, SinkPlan]:
    sinks = dict(plan.notify.sinks)
    if not sinks:
        raise SidecarError(f"cannot send a message: {plan.source} has no table [notify.sinks.NAME]")
    if name is None:
        return sinks
    if name not in sinks:
        raise SidecarError(f'cannot send a message: there is no sink "{name}", but {", ".join(sinks)}')
    return {name: sinks[name]}


async def _try_all(plan: Plan, sinks: dict[str, SinkPlan]) -> int:
    """Try them side by side; returns how many failed."""
    notice = write_test(teller_of(plan), time())
    rows: dict[str, tuple[str, ...]] = {}
    with Progress(sinks) as progress:

        async def try_one(name: str, sink: SinkPlan) -> None:
            begun, reason = perf_counter(), ""
            try:
                await _try(sink, notice)
            except SinkError as error:
                reason = str(error)
            result = "failed" if reason else "delivered"
            rows[name] = (name, sink.kind, result, milliseconds(perf_counter() - begun), reason)
            progress.done(name)

        async with anyio.create_task_group() as tasks:
            for name, sink in sinks.items():
                tasks.start_soon(try_one, name, sink)
    write("\n".join(align([_HEADING, *(rows[name] for name in sinks)])))
    return sum(bool(reason) for *_, reason in rows.values())


async def _try(plan: SinkPlan, notice: Notice) -> None:
    sink = await anyio.to_thread.run_sync(open_sink, plan)
    try:
        await deliver(sink, notice, plan.timeout)
    finally:
        await sink.aclose()
