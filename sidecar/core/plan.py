"""The plan: what a valid configuration comes to. Durations are in seconds; nothing here changes at run time."""

from enum import StrEnum

from msgspec import Struct

class OnFailure(StrEnum):
    """What a failing check means for the deployment."""

    DRAIN = "drain"
    """Unready, and the gateway is drained if the cause is proven local."""
    UNREADY = "unready"
    """Unready; the gateway is left alone, because a restart would not help."""
    DEGRADE = "degrade"
    """Still ready, shown as degraded."""
    OBSERVE = "observe"
    """Shown and counted, nothing else."""


class Target(StrEnum):
    """Whom a probe looks at. Checks of the gateway are kept by process identity, others by deployment."""

    GATEWAY = "gateway"
    UPSTREAM = "upstream"


class ProbePlan(Struct, frozen=True, kw_only=True):
    """One configured probe, complete."""

    name: str
    kind: str
    target: Target
    on_failure: OnFailure
    startup: bool
    """Must have passed once before the deployment counts as started."""
    interval: float = 5.0
    fast_interval: float = 1.0
    """Used while undecided: from the first contrary result until a threshold decides."""
    timeout: float = 2.0
    failure_threshold: int = 3
    success_threshold: int = 1
    initial_delay: float = 0.0
    slow: float | None = None
    stale_after: float = 30.0
    """How long the last known state is believed while verdicts are unknown or missing."""
    spec: Struct
    """The kind's own settings, an instance of its ``Kind.spec``."""


class DrainPlan(Struct, frozen=True, kw_only=True):
    """How and when a sick gateway is taken out and asked to stop."""

    enabled: bool = True
    shadow: bool = False
    """Do everything but the signal."""
    drain_after: float = 30.0
    """Seconds of unbroken local failure before a drain begins."""
    min_uptime: float = 120.0
    """A gateway process younger than this is left alone."""
    lame_duck: float = 5.0
    """Readiness says 503 this long before the signal, so that traffic leaves first."""
    quiesce: float = 10.0
    """The deadline for in-flight work before the signal; streams that never end are cut short by it."""
    grace: float = 30.0
    """The time the gateway has to exit after the signal."""
    escalate: bool = True
    """Send SIGKILL when ``grace`` is over."""
    cool_down: float = 300.0
    """Pause after a drain; doubles with each further one, up to ``cool_down_max``."""
    cool_down_max: float = 3600.0
    max_per_hour: int = 3


class GatewayPlan(Struct, frozen=True, kw_only=True):
    """Where the gateway is, and how its process is found."""

    host: str = "127.0.0.1"
    port: int = 8000
    pid_file: str | None = None
    """Find the process by the pid in this file."""
    process_name: str | None = None
    """Find the process by the name its process manager gave it (``HONCHO_PROCESS_NAME`` or ``PS``), as ``web.1``."""


class ServerPlan(Struct, frozen=True, kw_only=True):
    """The health port."""

    host: str | None = None
    """One address to bind; both families' wildcards when not given."""
    port: int = 9000
    token: str | None = None
    """The bearer token that shows details. Without one only loopback sees them."""
    max_connections: int = 4096
    idle_timeout: float = 30.0
    """A connection that has sent no whole request for so long is closed."""
    linger: float = 30.0
    """On SIGTERM the sidecar answers until the gateway is gone, but no longer than this."""


class LogFormat(StrEnum):
    """How events are written."""

    AUTO = "auto"
    """For people on a terminal, JSON elsewhere."""
    JSON = "json"
    TEXT = "text"


class Plan(Struct, frozen=True, kw_only=True):
    """Everything the agent needs to know."""

    probes: tuple[ProbePlan, ...]
    gateway: GatewayPlan = GatewayPlan()
    drain: DrainPlan = DrainPlan()
    server: ServerPlan = ServerPlan()
    log_format: LogFormat = LogFormat.AUTO
    release: str | None = None
    """What is deployed, by id; shown on the endpoints."""
    source: str = "embedded default"
    """Where the plan comes from, for people."""
    secrets: frozenset[str] = frozenset()
    """Every secret value of the configuration: never to appear in any output."""
    remarks: tuple[str, ...] = ()
    """What the operator should know although nothing is wrong, such as a probe that was not derived."""
