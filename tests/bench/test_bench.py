"""The benchmark runs. How good its figures are is no test's business: they depend on the machine."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WITHIN = 300
"""Seconds; only so that what hangs becomes a failing test."""

FIGURES = {
    "memory_resident", "memory_proportional", "memory_private", "start", "kill",
    "cpu_one_tick", "cpu_spread", "cpu_default", "cpu_idle", "wake_ups_default", "wake_ups_idle",
    "answers_per_cpu_second", "answers_one_by_one", "answers_fresh", "answers_per_second", "latency_p50", "latency_p99",
}  # fmt: skip


@pytest.fixture(scope="module")
def measured() -> subprocess.CompletedProcess[str]:
    """Run the quick mode once."""
    command = [sys.executable, "-m", "bench", "--quick", "--json"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=WITHIN, check=False)


def test_quick_mode_measures_every_figure(measured: subprocess.CompletedProcess[str]) -> None:
    """The quick mode ends with exit status 0 and gives every figure, with its samples and their median."""
    assert measured.returncode == 0, measured.stderr
    figures = json.loads(measured.stdout)["figures"]
    assert set(figures) == FIGURES
    for name, figure in figures.items():
        assert figure["samples"], name
        assert min(figure["samples"]) <= figure["median"] <= max(figure["samples"]), name
        # Where nothing is due, a short window may hold no wake-up and no work at all.
        assert figure["median"] > 0 or name in ("cpu_idle", "wake_ups_idle"), name


def test_targets_are_given_for_what_is_promised(measured: subprocess.CompletedProcess[str]) -> None:
    """Each promise of the project stands beside its figure, and the machine beside them all."""
    document = json.loads(measured.stdout)
    targets = {name: figure["target"] for name, figure in document["figures"].items() if figure["target"]}
    assert targets == {
        "memory_resident": "≤ 32 MB",
        "start": "≤ 300 ms",
        "kill": "≤ 20 ms",
        "cpu_one_tick": "≤ 0.9 %",
        "cpu_spread": "≤ 0.9 %",
        "answers_per_cpu_second": "≥ 10,000",
    }
    assert "Python" in document["machine"]
