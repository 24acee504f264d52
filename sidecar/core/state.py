"""Everything the sidecar knows, in one immutable value."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

from sidecar.core.drain import DrainState
from sidecar.core.health import Check
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import Plan
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import ReleaseState
from sidecar.core.releases.rollback import FINAL, RollbackOrder, RollbackPhase
from sidecar.core.restart import ChildState


class DeploymentStatus(StrEnum):
    """What the deployment is, in one word."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class GatewayPhase(StrEnum):
    """What is known of the gateway's process."""

    UNSEEN = "unseen"
    """Nobody has been seen to listen yet."""
    UP = "up"
    GONE = "gone"
    """It has been seen to exit, and no other has come."""


class GatewayState(Struct, frozen=True, kw_only=True):
    """The gateway's process, as the core knows it."""

    phase: GatewayPhase = GatewayPhase.UNSEEN
    process: GatewayProcess | None = None
    """None also while somebody listens whose identity cannot be proven."""
    unproven: str | None = None
    """Why the identity cannot be proven."""
    last_proven: GatewayProcess | None = None
    """The last process whose identity was proven; the checks' counts are about it."""
    since: float = 0.0
    """When another process became the gateway, or the last one went: what was observed before is not about it."""


class Health(Struct, frozen=True, kw_only=True):
    """The answers to the four questions, and why they are not better."""

    status: DeploymentStatus = DeploymentStatus.STARTING
    ready: bool = False
    live: bool = True
    started: bool = False
    reasons: tuple[str, ...] = ()
    believe_until: float = 0.0
    """After this moment readiness is 503: the engine has stalled, or a check can no longer be believed."""


class Maintenance(Struct, frozen=True, kw_only=True):
    """An operator's word that this replica is out: it outranks every probe until it ends. Times as everywhere here."""

    reason: str
    by: str
    """Who said it."""
    since: float
    until: float


class Guard(StrEnum):
    """Why a drain is withheld; also the label of its metric."""

    DISABLED = "disabled"
    MAINTENANCE = "maintenance"
    HOLD = "hold"
    """An operator has stopped all automation."""
    STOPPING = "stopping"
    STARTING = "starting"
    UNKNOWN = "unknown"
    """The latest verdict is unknown: the failure is not seen any more."""
    NOT_LOCAL = "not_local"
    """The failure is not proven to be this replica's own."""
    STALE = "stale"
    """The sidecar has not heard from its probes for too long."""
    UNPROVEN_PROCESS = "unproven_process"
    MIN_UPTIME = "min_uptime"
    COOL_DOWN = "cool_down"
    MAX_PER_HOUR = "max_per_hour"


class RollbackState(Struct, frozen=True, kw_only=True):
    """The rollback under way, or the last one."""

    phase: RollbackPhase = RollbackPhase.IDLE
    order: RollbackOrder | None = None
    """None while there has been none."""
    detail: str = ""
    """What was said of the last step."""

    @property
    def is_under_way(self) -> bool:
        """Whether somebody carries it out."""
        return self.order is not None and self.phase not in FINAL


class Standing(Struct, frozen=True, kw_only=True):
    """What a restarted sidecar takes up again. It changes seldom, so it is written down at every change."""

    upstream: tuple[str, ...] = ()
    """Checks of upstreams that have passed once in this deployment."""
    process: GatewayProcess | None = None
    gateway: tuple[str, ...] = ()
    """Checks of the gateway that have passed once for this process."""
    drains: tuple[float, ...] = ()
    """When drains came to their signal, oldest first."""


class Withhold(Struct, frozen=True):
    """A drain would be due, but a guard forbids it."""

    guard: Guard
    reason: str


class State(Struct, frozen=True, kw_only=True):
    """Everything the sidecar knows. Replaced, never changed."""

    plan: Plan
    checks: Mapping[str, Check]
    gateway: GatewayState = GatewayState()
    child: ChildState = ChildState()
    drain: DrainState = DrainState()
    health: Health = Health()
    stopping: bool = False
    maintenance: Maintenance | None = None
    release: ReleaseState | None = None
    """None where no release is judged."""
    memory: Memory = Memory()
    rollback: RollbackState = RollbackState()
    standing: Standing = Standing()
    """What the sidecar before this one had left."""
    withheld: Withhold | None = None
    """The drain that is due but withheld at present."""
    withheld_counts: Mapping[Guard, int] = {}

    @property
    def running(self) -> str | None:
        """The release that runs: the one that is deployed here or, where it was rolled back here, the earlier one."""
        return self.release.id if self.release is not None else self.plan.release.id
