"""What goes in, what comes out: facts that step the core, events that tell of it, actions that it asks for."""

from enum import StrEnum

from msgspec import Struct

from sidecar.core.drain import DrainStep
from sidecar.core.identity import Ending, GatewayProcess
from sidecar.core.plan import Plan, Target
from sidecar.core.state import Maintenance
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
    STOPPING = "stopping"
    OBSERVER_LATE = "observer_late"
    RELOADED = "reloaded"
    RELOAD_REFUSED = "reload_refused"
    STOPPED = "stopped"


class Severity(StrEnum):
    """How much a person should care."""

    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


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


Action = BeginDrain | CancelDrain | ProbeNow | StartChild | CancelStart | GiveUp
