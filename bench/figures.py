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
    Figure("memory_resident", "memory, gateway probes alone: resident", "MB", at_most=29),
    Figure("memory_proportional", "  proportional share", "MB"),
    Figure("memory_private", "  private", "MB"),
    Figure("memory_state", "  resident with a state directory", "MB"),
    Figure("memory_full", "  resident with Redis, PostgreSQL and BrightData as well", "MB", at_most=42),
    Figure("memory_grown", "  grown over an hour's looks", "MB", at_most=0.5),
    Figure("start", "exec to the first 200 from /health", "ms", at_most=250),
    Figure("kill", "gateway killed to readiness 503", "ms", at_most=10),
    Figure("lost_redis", "Redis killed to a new verdict", "ms", at_most=50),
    Figure("lost_postgres", "PostgreSQL killed to a new verdict", "ms", at_most=50),
    Figure("cpu_one_tick", "processor, six HTTP checks a second on one tick", "%", at_most=0.6),
    Figure("cpu_spread", "  on as many ticks as there are", "%", at_most=0.6),
    Figure("cpu_default", "  embedded default", "%"),
    Figure("cpu_idle", "  no check due", "%"),
    Figure("wake_ups_default", "wake-ups, embedded default", "/s"),
    Figure("wake_ups_idle", "  no check due", "/s"),
    Figure("checks_per_cpu_second", "HTTP checks per processor second, 500 a second", "", at_least=2500),
    Figure("checks_few", "  50 a second", "", at_least=2500),
    Figure("checks_saturated", "  as many as can be", ""),
    Figure("slip_spread", "500 probes on four ticks a second: slip, 99th percentile", "ms", at_most=50),
    Figure("slip_together", "  all begun at once", "ms", at_most=50),
    Figure("answers_per_cpu_second", "/health/ready, answers per processor second", "", at_least=10_000),
    Figure("answers_one_by_one", "  one connection, one question at a time", ""),
    Figure("answers_fresh", "  a fresh connection for each question", "", at_least=10_000),
    Figure(
        "answers_per_second", "/health/ready over 32 connections, answers a second on one core", "", at_least=25_000
    ),
    Figure("latency_p50", "  latency, median", "ms"),
    Figure("latency_p99", "  latency, 99th percentile", "ms", at_most=6),
    Figure("hanging_p99", "  the same while 50 probes hang", "ms"),
    Figure("hanging_ratio", "  against 50 probes that pass", "times", at_most=2),
)

Samples = dict[str, list[float]]
"""By the figures' names."""


def number(value: float) -> str:
    """Write a number with three significant digits or more."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
