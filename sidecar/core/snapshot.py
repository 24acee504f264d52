"""The read model: everything that the endpoints say, at one moment."""

from collections.abc import Mapping

from msgspec import Struct

from sidecar.core.health import Check
from sidecar.core.plan import ProbePlan
from sidecar.core.state import State
from sidecar.core.tally import Tally


class CheckView(Struct, frozen=True):
    """One probe with its state and counts."""

    plan: ProbePlan
    check: Check
    tally: Tally


class Snapshot(Struct, frozen=True, kw_only=True):
    """An immutable picture. Believe its readiness until ``state.health.believe_until``, and no longer."""

    at: float
    """When it was taken, in seconds of CLOCK_BOOTTIME."""
    wall: float
    """The same moment as Unix time."""
    state: State
    checks: tuple[CheckView, ...]
    lag: float
    """The longest delay of the event loop within the last executions, in seconds."""
    transitions: int
    """How often the status has changed."""


def take(
    state: State, tallies: Mapping[str, Tally], *, at: float, wall: float, lag: float, transitions: int
) -> Snapshot:
    """Take the picture."""
    checks = tuple(CheckView(probe, state.checks[probe.name], tallies[probe.name]) for probe in state.plan.probes)
    return Snapshot(at=at, wall=wall, state=state, checks=checks, lag=lag, transitions=transitions)
