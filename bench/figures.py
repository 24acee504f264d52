"""Which figures there are, and which targets they have."""

from collections.abc import Sequence
from statistics import median

from msgspec import Struct


class Figure(Struct, frozen=True):
    """Something that is measured, with the bound that it is to keep."""

    name: str
    words: str
    unit: str
    at_most: float | None = None
    at_least: float | None = None

    @property
    def target(self) -> str:
        """The bound, for people."""
        if self.at_most is not None:
            return f"≤ {self.write(self.at_most)}"
        return f"≥ {self.write(self.at_least)}" if self.at_least is not None else ""

    def write(self, value: float) -> str:
        """Write a value with its unit."""
        return f"{number(value)} {self.unit}".rstrip()

    def met(self, samples: Sequence[float]) -> str:
        """Tell whether the samples keep the bound."""
        if not self.target:
            return ""
        if all(map(self._holds, samples)):
            return "yes"
        return "the median" if self._holds(median(samples)) else "no"

    def _holds(self, value: float) -> bool:
        return not (
            (self.at_most is not None and value > self.at_most) or (self.at_least is not None and value < self.at_least)
        )


FIGURES = (
    Figure("memory_resident", "memory, gateway probes alone: resident", "MB", at_most=32),
    Figure("memory_proportional", "  proportional share", "MB"),
    Figure("memory_private", "  private", "MB"),
    Figure("start", "exec to the first 200 from /health", "ms", at_most=300),
    Figure("kill", "gateway killed to readiness 503", "ms", at_most=20),
    Figure("cpu_one_tick", "processor, six HTTP checks a second on one tick", "%", at_most=0.9),
    Figure("cpu_spread", "  on as many ticks as there are", "%", at_most=0.9),
    Figure("cpu_default", "  embedded default", "%"),
    Figure("cpu_idle", "  no check due", "%"),
    Figure("wake_ups_default", "wake-ups, embedded default", "/s"),
    Figure("wake_ups_idle", "  no check due", "/s"),
    Figure("answers_per_cpu_second", "/health/ready, answers per processor second", "", at_least=10_000),
    Figure("answers_one_by_one", "  one connection, one question at a time", ""),
    Figure("answers_fresh", "  a fresh connection for each question", ""),
    Figure("answers_per_second", "/health/ready over 32 connections, answers a second", ""),
    Figure("latency_p50", "  latency, median", "ms"),
    Figure("latency_p99", "  latency, 99th percentile", "ms"),
)

Samples = dict[str, list[float]]
"""By the figures' names."""


def number(value: float) -> str:
    """Write a number with three significant digits or more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
