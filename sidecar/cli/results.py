"""What ``sidecar check`` has found out, for people and for programs."""

from collections import Counter
from collections.abc import Mapping
from textwrap import wrap
from typing import Any

import click
from msgspec import Struct, json

from sidecar.core.judge import milliseconds
from sidecar.core.plan import Plan, ProbePlan
from sidecar.core.verdict import Observation, Outcome, Verdict

COLOURS = {Outcome.PASS: "green", Outcome.WARN: "yellow", Outcome.FAIL: "red", Outcome.UNKNOWN: "magenta"}

_HEADING = ("PROBE", "KIND", "VERDICT", "TIME", "REASON")
_NARROW = 30
"""When fewer columns are left for the reasons, they stand below their probe instead of beside it."""

_INDENT = 4


class Results(Struct, frozen=True):
    """Every probe's verdict, and what else the operator should know."""

    verdicts: Mapping[str, Verdict]
    remarks: tuple[str, ...]


def exit_status(results: Results) -> int:
    """0 when every probe passes or warns, 1 when one fails, 2 when one cannot tell."""
    return {Outcome.FAIL: 1, Outcome.UNKNOWN: 2}.get(_gravest(results), 0)


def table(plan: Plan, results: Results, width: int | None) -> str:
    """Write a table for people. Lines longer than ``width`` columns are broken; None leaves them whole."""
    rows = [_cells(probe, results.verdicts[probe.name]) for probe in plan.probes]
    widths = [max(map(len, column)) for column in zip(_HEADING[:-1], *rows, strict=True)]
    beside = sum(widths) + 2 * len(widths)
    if width is not None and width - beside < _NARROW:
        beside = 0
    lines = [f"{_align(_HEADING[:-1], widths)}  {_HEADING[-1]}"]
    for probe, row in zip(plan.probes, rows, strict=True):
        verdict = results.verdicts[probe.name]
        start = _align(row, widths, COLOURS[verdict.outcome])
        reason = _fold(verdict.reason, beside or _INDENT, width)
        lines += [f"{start}  {reason.lstrip()}"] if beside else [start, reason]
        if phases := _fold(_phases(verdict.observation), beside or _INDENT, width):
            lines.append(click.style(phases, dim=True))
    remarks = [_fold(remark, 0, width) for remark in results.remarks]
    return "\n".join([*lines, "", *remarks, _sum_up(plan, results)])


def as_json(plan: Plan, results: Results) -> str:
    """Write one JSON object for programs; docs/commands.md describes it."""
    document = {
        "source": plan.source,
        "outcome": _gravest(results),
        "probes": {probe.name: _as_object(probe, results.verdicts[probe.name]) for probe in plan.probes},
        "remarks": results.remarks,
    }
    return json.format(json.encode(document), indent=2).decode()


def _gravest(results: Results) -> Outcome:
    outcomes = {verdict.outcome for verdict in results.verdicts.values()}
    gravity = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN)
    return next((outcome for outcome in gravity if outcome in outcomes), Outcome.PASS)


def _cells(probe: ProbePlan, verdict: Verdict) -> tuple[str, str, str, str]:
    return probe.name, probe.kind, verdict.outcome, milliseconds(verdict.observation.elapsed)


def _align(cells: tuple[str, ...], widths: list[int], colour: str | None = None) -> str:
    name, kind, verdict, took = widths
    word = f"{cells[2]:<{verdict}}"
    word = click.style(word, fg=colour) if colour else word
    return f"{cells[0]:<{name}}  {cells[1]:<{kind}}  {word}  {cells[3]:>{took}}"


def _phases(observation: Observation) -> str:
    return ", ".join(f"{phase.name} {milliseconds(phase.seconds)}" for phase in observation.phases)


def _fold(text: str, indent: int, width: int | None) -> str:
    margin = " " * indent
    if width is None:
        return margin + text if text else ""
    return "\n".join(wrap(text, max(width, indent + 10), initial_indent=margin, subsequent_indent=margin))


def _sum_up(plan: Plan, results: Results) -> str:
    counts = Counter(verdict.outcome for verdict in results.verdicts.values())
    parts = [click.style(f"{counts[word]} {word}", fg=COLOURS[word]) for word in Outcome if counts[word]]
    return f"{plan.source}: {', '.join(parts)}"


def _as_object(probe: ProbePlan, verdict: Verdict) -> dict[str, Any]:
    seen = verdict.observation
    return {
        "kind": probe.kind,
        "target": probe.target,
        "on_failure": probe.on_failure,
        "outcome": verdict.outcome,
        "reason": verdict.reason,
        "evidence": verdict.evidence,
        "seconds": round(seen.elapsed, 6),
        "phases": [{"name": phase.name, "seconds": round(phase.seconds, 6)} for phase in seen.phases],
        "findings": [{"rule": each.rule, "observed": each.observed, "holds": each.holds} for each in seen.findings],
        "notes": seen.notes,
    }
