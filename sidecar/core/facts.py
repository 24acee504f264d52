"""What goes into the core: facts, each of which steps it."""

from msgspec import Struct

from sidecar.core.drain import DrainStep
from sidecar.core.identity import Ending, GatewayProcess
from sidecar.core.plan import Plan
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import Hold, KnownGood
from sidecar.core.releases.rollback import RollbackStep
from sidecar.core.releases.sample import Sample
from sidecar.core.state import Maintenance, Standing
from sidecar.core.verdict import Verdict


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


class ReplacementOrdered(Struct, frozen=True):
    """In parent mode another command is to take the place of the one that runs.

    Raises ``RefusedError`` where that one must not be ended.
    """

    reason: str


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
    | ReplacementOrdered
    | ReleaseFact
)
