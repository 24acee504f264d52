"""What was measured, for people and for machines."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from bench import peers
from bench.figures import FIGURES, Samples, number

_PACKAGES = ("mcp-gateway-sidecar", "anyio", "httptools", "msgspec")
_COLUMNS: tuple[str, ...] = ("figure", "target", "median", "min-max", "samples", "met")


def table(samples: Samples, machine: str) -> str:
    """Write a table in Markdown, which is readable as it stands."""
    rows = [_COLUMNS]
    for figure in FIGURES:
        taken = samples[figure.name]
        spread = f"{number(min(taken))}-{number(max(taken))}"
        rows.append(
            (figure.words, figure.target, figure.write(median(taken)), spread, str(len(taken)), figure.met(taken))
        )
    return "\n".join([machine, "", _write(rows)])


def peers_table(samples: peers.Samples, machine: str, notes: list[str]) -> str:
    """Write the medians of all contenders side by side, each with its range."""
    rows = [("contender", *peers.FIGURES.values())]
    for name, taken in samples.items():
        rows.append((name, *(_cell(taken.get(figure, [])) for figure in peers.FIGURES)))
    turned = [tuple(row[column] for row in rows) for column in range(len(rows[0]))]
    return "\n".join([machine, *notes, "", _write(turned)])


def _cell(taken: list[float]) -> str:
    return f"{number(median(taken))} ({number(min(taken))}-{number(max(taken))})" if taken else "-"


def _write(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def document(samples: Samples, machine: str) -> dict[str, Any]:
    """Give the same as an object, with every sample."""
    return {
        "machine": machine,
        "figures": {
            figure.name: {
                "words": figure.words.strip(),
                "unit": figure.unit,
                "target": figure.target or None,
                "median": median(samples[figure.name]),
                "samples": samples[figure.name],
            }
            for figure in FIGURES
        },
    }


def describe_machine() -> str:
    """Name what the figures depend on; also how busy others keep the machine at this moment."""
    model = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{os.cpu_count()} cores ({model[1] if model else platform.machine()}), load {os.getloadavg()[0]:.1f}; "
        f"Python {platform.python_version()}, Linux {platform.release()}; {packages}"
    )
