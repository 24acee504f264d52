"""What the core asks for: actions, each of which an actor carries out at the edge."""

from collections.abc import Mapping

from msgspec import Struct

from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import Target
from sidecar.core.releases.release import Hold, ReleaseState
from sidecar.core.releases.rollback import RollbackOrder
from sidecar.core.releases.sample import Sample
from sidecar.core.state import Standing


class BeginDrain(Struct, frozen=True):
    """Carry out a drain of this process."""

    process: GatewayProcess
    reason: str


class CancelDrain(Struct, frozen=True):
    """Stop carrying out the drain: the failure is over, or somebody else is stopping the gateway."""

    reason: str


class ProbeNow(Struct, frozen=True):
    """Run the probes of this target at once."""

    target: Target


class EndChild(Struct, frozen=True):
    """End the command, of which nobody is known who listens."""


class StartChild(Struct, frozen=True):
    """Start the command again, after this pause in seconds."""

    pause: float


class CancelStart(Struct, frozen=True):
    """Do not start the command again."""


class GiveUp(Struct, frozen=True):
    """End the sidecar: the command crashes too often."""

    status: int
    """The exit status to end with, never 0."""


class SaveRelease(Struct, frozen=True):
    """Write down how the release stands; a decision is written where all replicas see it."""

    release: ReleaseState


class SaveGood(Struct, frozen=True):
    """Write down that this release is the last one known to be good."""

    release: ReleaseState
    baseline: Mapping[str, Sample]
    """What was measured of it; empty where that was not enough, and the baseline before is kept."""


class SaveHold(Struct, frozen=True):
    """Write down that all automation is stopped; None that it goes on."""

    hold: Hold | None


class SaveStanding(Struct, frozen=True):
    """Write down what the sidecar after this one has to take up."""

    standing: Standing


class BeginRollback(Struct, frozen=True):
    """Carry out a rollback of this release, or go on with one that was begun."""

    order: RollbackOrder


StoreAction = SaveRelease | SaveGood | SaveHold | SaveStanding | BeginRollback
"""What is done by way of the store, in this order."""

Action = BeginDrain | CancelDrain | ProbeNow | EndChild | StartChild | CancelStart | GiveUp | StoreAction
