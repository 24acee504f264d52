"""The read model: everything that the endpoints say, at one moment."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.health import Check
from sidecar.core.plan import ProbePlan
from sidecar.core.state import DeploymentStatus, Health, State
from sidecar.core.tally import Tally

TOO_OLD = "evidence is too old: the sidecar has not heard from its probes"


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
    tallies: Mapping[str, Tally]
    """By probe. Whoever takes the picture does not change them afterwards."""
    lag: float
    """The longest delay of the event loop within the last executions, in seconds."""
    transitions: int
    """How often the status has changed."""

    @property
    def checks(self) -> tuple[CheckView, ...]:
        """Every probe as it stands. Put together when it is looked at: far more pictures are taken than shown."""
        checks, tallies = self.state.checks, self.tallies
        return tuple(CheckView(probe, checks[probe.name], tallies[probe.name]) for probe in self.state.plan.probes)


def health_at(snapshot: Snapshot, now: float) -> Health:
    """Tell what may be said of the deployment at this moment: past its time, a snapshot never says ready.

    Liveness and startup stay as they were: that the observer is silent proves nothing about the gateway.
    """
    health = snapshot.state.health
    if now <= health.believe_until:
        return health
    return replace(
        health,
        status=DeploymentStatus.UNHEALTHY if health.started else DeploymentStatus.STARTING,
        ready=False,
        reasons=(TOO_OLD, *health.reasons),
    )
