"""What goes in, what comes out: facts that step the core, events that tell of it, actions that it asks for."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from sidecar.core.drain import DrainStep
from sidecar.core.identity import Ending, GatewayProcess
from sidecar.core.memory import Memory
from sidecar.core.plan import Plan, Target
from sidecar.core.release import Hold, KnownGood, ReleaseState
from sidecar.core.rollback import RollbackOrder, RollbackStep
from sidecar.core.sample import Sample
from sidecar.core.severity import Severity as Severity  # noqa: PLC0414 - a word of events, which the plan needs too
from sidecar.core.state import Maintenance, Standing
from sidecar.core.verdict import Verdict

# Facts ------------------------------------------------------------------------------------------------------------


class ProbeReported(Struct, frozen=True):
    """A probe was executed and judged."""

    name: str
    verdict: Verdict


class GatewayAppeared(Struct, frozen=True):
    """Somebody listens on the gateway's port."""

    process: GatewayProcess | None
    unproven: str | None = None
    """Why ``process`` is not known."""


class GatewayExited(Struct, frozen=True):
    """The gateway's process has exited."""

    process: GatewayProcess


class ChildStarted(Struct, frozen=True):
    """Parent mode: the command was started."""

    process: GatewayProcess


class ChildEnded(Struct, frozen=True):
    """Parent mode: the command has ended, or could not be started."""

    ending: Ending


class DrainAdvanced(Struct, frozen=True):
    """The drain's actor asks for the next step; refused steps raise ``IllegalTransitionError``."""

    step: DrainStep
    detail: str = ""


class StopRequested(Struct, frozen=True):
    """The platform, a process manager or an operator asked the sidecar to stop."""


class ObserverLate(Struct, frozen=True):
    """The sidecar itself was held up for so many seconds."""

    lag: float


class Replanned(Struct, frozen=True):
    """A new configuration is in force."""

    plan: Plan


class MaintenanceBegun(Struct, frozen=True):
    """An operator has said that this replica is out; it takes the place of what was said before."""

    maintenance: Maintenance


class MaintenanceEnded(Struct, frozen=True):
    """The maintenance is over: an operator says so. Of its expiry the core knows by itself, at the next fact."""

    reason: str
    by: str


class TimePassed(Struct, frozen=True):
    """Nothing but that it is later: for what ends by itself."""


class DrainOrdered(Struct, frozen=True):
    """An operator orders a drain; raises ``RefusedError`` where it must not begin."""

    reason: str
    by: str


class MemoryRecalled(Struct, frozen=True):
    """The store has been read."""

    memory: Memory


class StandingRecalled(Struct, frozen=True):
    """The sidecar before this one has left what it knew of this deployment."""

    standing: Standing


class TrafficMeasured(Struct, frozen=True):
    """The gateway's own metrics have been read: the requests since the last time."""

    sample: Sample


class HoldBegun(Struct, frozen=True):
    """An operator stops all automation."""

    hold: Hold


class HoldEnded(Struct, frozen=True):
    """Automation may go on: a release that was held is decided about anew."""

    by: str


class ReleasePromoted(Struct, frozen=True):
    """An operator says that this release is good; raises ``RefusedError`` where it counts as good already."""

    reason: str
    by: str


class RollbackOrdered(Struct, frozen=True):
    """An operator orders a rollback; raises ``RefusedError`` where it must not begin."""

    target: KnownGood | None
    """The release to restore; None for the last good one."""
    reason: str
    by: str
    forced: bool = False
    """What forbids it is overridden, as far as that can be."""


class RollbackAdvanced(Struct, frozen=True):
    """The rollback's actor asks for the next step; refused steps raise ``IllegalTransitionError``."""

    step: RollbackStep
    detail: str = ""


ReleaseFact = (
    MemoryRecalled
    | StandingRecalled
    | TrafficMeasured
    | HoldBegun
    | HoldEnded
    | ReleasePromoted
    | RollbackOrdered
    | RollbackAdvanced
)

Fact = (
    ProbeReported
    | GatewayAppeared
    | GatewayExited
    | ChildStarted
    | ChildEnded
    | DrainAdvanced
    | StopRequested
    | ObserverLate
    | Replanned
    | MaintenanceBegun
    | MaintenanceEnded
    | TimePassed
    | DrainOrdered
    | ReleaseFact
)

# Events -----------------------------------------------------------------------------------------------------------


class EventKind(StrEnum):
    """What happened."""

    STARTED = "started"
    REMARK = "remark"
    """Something the operator should know although nothing is wrong."""
    STATUS_CHANGED = "status_changed"
    CHECK_CHANGED = "check_changed"
    GATEWAY_APPEARED = "gateway_appeared"
    GATEWAY_UNPROVEN = "gateway_unproven"
    GATEWAY_EXITED = "gateway_exited"
    CHILD_STARTED = "child_started"
    """Parent mode: the command was started."""
    CHILD_ENDED = "child_ended"
    """Parent mode: the command has ended."""
    LEFT_BEHIND = "left_behind"
    """Parent mode: the command ended, and processes of it did not."""
    DRAIN_BEGUN = "drain_begun"
    DRAIN_ADVANCED = "drain_advanced"
    DRAIN_CANCELLED = "drain_cancelled"
    DRAIN_HOOK = "drain_hook"
    """The gateway was asked to take no more work, or to take work again."""
    DRAIN_FINISHED = "drain_finished"
    DRAIN_WITHHELD = "drain_withheld"
    MAINTENANCE_BEGUN = "maintenance_begun"
    MAINTENANCE_ENDED = "maintenance_ended"
    RELEASE_CHANGED = "release_changed"
    """It has taken traffic, is good, is bad, or is held."""
    HOLD_BEGUN = "hold_begun"
    HOLD_ENDED = "hold_ended"
    ROLLBACK_BEGUN = "rollback_begun"
    ROLLBACK_ADVANCED = "rollback_advanced"
    ROLLBACK_ENDED = "rollback_ended"
    STOPPING = "stopping"
    OBSERVER_LATE = "observer_late"
    RELOADED = "reloaded"
    RELOAD_REFUSED = "reload_refused"
    SINK_FAILING = "sink_failing"
    """Somebody who should be told cannot be reached."""
    SINK_RECOVERED = "sink_recovered"
    NOTICE_LOST = "notice_lost"
    """A message was given up: nobody was told."""
    STOPPED = "stopped"


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, for people and for machines."""

    kind: EventKind
    at: float
    severity: Severity
    message: str
    cause: str | None = None
    """``local``, ``shared`` or ``observer``, where it is proven."""
    probe: str | None = None
    before: str | None = None
    after: str | None = None
    evidence: tuple[str, ...] = ()
    """The reasons, with rules and observed values."""


# Actions ----------------------------------------------------------------------------------------------------------


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


class SaveStanding(Struct, frozen=True):
    """Write down what the sidecar after this one has to take up."""

    standing: Standing


class BeginRollback(Struct, frozen=True):
    """Carry out a rollback of this release, or go on with one that was begun."""

    order: RollbackOrder


StoreAction = SaveRelease | SaveGood | SaveStanding | BeginRollback
"""What is done by way of the store, in this order."""

Action = BeginDrain | CancelDrain | ProbeNow | StartChild | CancelStart | GiveUp | StoreAction
