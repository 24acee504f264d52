"""``sidecar check``: every probe once, side by side."""

import os
import sys
from typing import Any

import anyio
import anyio.to_thread
import click
from msgspec.json import encode

from sidecar.agent import load_plan, make_probe
from sidecar.cli.options import config_option
from sidecar.clock import boottime
from sidecar.core.identity import GatewayProcess
from sidecar.core.judge import milliseconds
from sidecar.core.plan import Plan, ProbePlan, Target
from sidecar.core.verdict import Outcome, Verdict
from sidecar.engine import close, execute
from sidecar.gateway.discovery import discover

Results = dict[str, Verdict]

_COLOURS = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "red", Outcome.UNKNOWN: "magenta"}


@click.command()
@config_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON.")
def command(path: str | None, as_json: bool) -> None:  # noqa: FBT001 - click's way
    """Run every probe once and show what it saw.

    The exit status is 0 when every probe passes or warns, 1 when one fails, 2 when one cannot tell or the check could
    not be done.
    """
    plan = load_plan(path, os.environ)
    results = anyio.run(_check, plan)
    click.echo(_json(plan, results) if as_json else _table(plan, results))
    sys.exit(_exit_status(results))


async def _check(plan: Plan) -> Results:
    process = None
    if any(probe.target is Target.GATEWAY for probe in plan.probes):
        found = await anyio.to_thread.run_sync(discover, plan.gateway)
        process = found if isinstance(found, GatewayProcess) else None
    progress = _Progress(len(plan.probes))
    results: Results = {}
    async with anyio.create_task_group() as tasks:
        for probe in plan.probes:
            tasks.start_soon(_check_one, probe, plan, process, results, progress)
    progress.clear()
    return results


async def _check_one(
    probe: ProbePlan, plan: Plan, process: GatewayProcess | None, results: Results, progress: "_Progress"
) -> None:
    def report(verdict: Verdict) -> None:
        results[probe.name] = verdict
        progress.show(probe.name)

    made = make_probe(probe, plan.gateway, lambda: process)
    try:
        await execute(made, probe, plan.secrets, boottime, report)
    finally:
        await close(made)


class _Progress:
    """A line on the terminal that says how far it has come; nothing elsewhere."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = 0
        self._shown = sys.stderr.isatty()

    def show(self, name: str) -> None:
        self._done += 1
        if self._shown:
            click.echo(f"\r\033[K{self._done} of {self._total} probes: {name}", err=True, nl=False)

    def clear(self) -> None:
        if self._shown:
            click.echo("\r\033[K", err=True, nl=False)


def _table(plan: Plan, results: Results) -> str:
    width = max(len(probe.name) for probe in plan.probes) if plan.probes else 0
    kinds = max(len(probe.kind) for probe in plan.probes) if plan.probes else 0
    lines = []
    for probe in plan.probes:
        verdict = results[probe.name]
        took = milliseconds(verdict.observation.elapsed)
        word = click.style(f"{verdict.outcome:<7}", fg=_COLOURS[verdict.outcome])
        lines.append(f"{probe.name:<{width}}  {probe.kind:<{kinds}}  {word}  {took:>8}  {verdict.reason}")
        phases = ", ".join(f"{phase.name} {milliseconds(phase.seconds)}" for phase in verdict.observation.phases)
        if phases:
            lines.append(f"{'':<{width}}  {'':<{kinds}}  {'':<7}  {'':>8}  {phases}")
    return "\n".join(lines)


def _json(plan: Plan, results: Results) -> str:
    return encode({"probes": {probe.name: _as_object(probe, results[probe.name]) for probe in plan.probes}}).decode()


def _as_object(probe: ProbePlan, verdict: Verdict) -> dict[str, Any]:
    seen = verdict.observation
    return {
        "kind": probe.kind,
        "target": probe.target,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "evidence": verdict.evidence,
        "seconds": seen.elapsed,
        "phases": {phase.name: phase.seconds for phase in seen.phases},
        "findings": seen.findings,
        "notes": seen.notes,
    }


def _exit_status(results: Results) -> int:
    outcomes = {verdict.outcome for verdict in results.values()}
    if Outcome.FAIL in outcomes:
        return 1
    return 2 if Outcome.UNKNOWN in outcomes else 0
