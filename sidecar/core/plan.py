"""The plan: what a valid configuration comes to. Durations are in seconds; nothing here changes at run time."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated

from msgspec import Meta, Struct

from sidecar.core.notices.plan import NotifyPlan
from sidecar.core.quantities import Duration, Port, Secret, Threshold
from sidecar.core.rules import PreflightPlan, RailwayPlan, ReleasePlan, RollbackPlan


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


class Timing(Struct, frozen=True, kw_only=True):
    """How often a probe looks, how long it waits, and how many results decide."""

    interval: Annotated[Duration, Meta(ge=0.05, le=86400)] = 5.0
    """From the start of one execution to the start of the next, which waits for the end of the one before."""
    fast_interval: Annotated[Duration, Meta(ge=0.05, le=86400)] = 1.0
    """Used while undecided: from the first contrary result until a threshold decides."""
    timeout: Annotated[Duration, Meta(ge=0.01, le=3600)] = 2.0
    """The deadline of one execution."""
    failure_threshold: Threshold = 3
    """So many failures in a row make the check fail."""
    success_threshold: Threshold = 1
    """So many passes in a row make a failing check pass."""
    initial_delay: Annotated[Duration, Meta(le=3600)] = 0.0
    """The pause before the first execution."""
    slow: Annotated[Duration, Meta(ge=0.001, le=3600)] | None = None
    """An execution that passes but takes longer than this is a warning."""


class ProbePlan(Timing, frozen=True, kw_only=True):
    """One configured probe, complete."""

    name: str
    kind: str
    target: Target
    on_failure: OnFailure
    startup: bool
    """Must have passed once before the deployment counts as started."""
    stale_after: float = 30.0
    """How long the last known state is believed while verdicts are unknown or missing."""
    spec: Struct
    """The kind's own settings, an instance of its ``Kind.spec``."""


class DrainPlan(Struct, frozen=True, kw_only=True):
    """How and when a sick gateway is taken out and asked to stop."""

    enabled: bool = True
    """``false``: a sick gateway is reported, but never signalled."""
    shadow: bool = False
    """Do everything but the signal."""
    drain_after: Annotated[Duration, Meta(le=86400)] = 30.0
    """Seconds of unbroken local failure before a drain begins."""
    min_uptime: Annotated[Duration, Meta(le=86400)] = 120.0
    """A gateway process younger than this is left alone."""
    lame_duck: Annotated[Duration, Meta(le=3600)] = 5.0
    """Readiness says 503 this long before the signal, so that traffic leaves first."""
    hook: Annotated[str, Meta(pattern="^/[!-~]*$", max_length=1024)] | None = None
    """A path on the gateway: POST there when lame duck begins asks it to take no more work, DELETE when the drain is
    called off to take work again. It has 2 s to answer; a drain neither waits for that nor depends on it. In shadow it
    is not asked."""
    stop_lame_duck: Annotated[Duration, Meta(le=3600)] = 0.0
    """Parent mode: the same before a stop that the platform asks for, whose own clock is already running."""
    quiesce: Annotated[Duration, Meta(le=86400)] = 10.0
    """The deadline for in-flight work before the signal; streams that never end are cut short by it."""
    grace: Annotated[Duration, Meta(le=86400)] = 30.0
    """The time the gateway has to exit after the signal."""
    escalate: bool = True
    """Send SIGKILL when ``grace`` is over."""
    cool_down: Annotated[Duration, Meta(le=604800)] = 300.0
    """Pause after a drain; doubles with each further one, up to ``cool_down_max``."""
    cool_down_max: Annotated[Duration, Meta(le=604800)] = 3600.0
    """The longest that the pause after a drain becomes."""
    max_per_hour: Annotated[int, Meta(ge=1, le=60)] = 3
    """So many drains begin within any hour, and no more."""


class GatewayPlan(Struct, frozen=True, kw_only=True):
    """Where the gateway is, and how its process is found."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    """Where the gateway listens, as seen from the sidecar."""
    port: Port = 8000
    """The gateway's port; a URL that begins with ``/`` means this host and port."""
    pid_file: Annotated[str, Meta(min_length=1)] | None = None
    """Find the process by the pid in this file."""
    process_name: Annotated[str, Meta(min_length=1)] | None = None
    """Find the process by the name its process manager gave it (``HONCHO_PROCESS_NAME`` or ``PS``), as ``web.1``."""
    tripwire: bool = True
    """While the process cannot be proven, hold an idle connection to the port; its loss is a reason to look at once."""


class ParentPlan(Struct, frozen=True, kw_only=True):
    """Parent mode, ``sidecar run -- COMMAND``: how the gateway is started again when it has ended unasked."""

    restart_backoff: Annotated[Duration, Meta(ge=0.05, le=3600)] = 1.0
    """Pause before the first restart; doubles with each further crash within ``restart_window``."""
    restart_backoff_max: Annotated[Duration, Meta(ge=0.05, le=3600)] = 30.0
    """The longest that the pause becomes."""
    max_restarts: Annotated[int, Meta(ge=0, le=1000)] = 5
    """So many restarts after crashes within ``restart_window``; the next crash ends the sidecar, not with status 0."""
    restart_window: Annotated[Duration, Meta(ge=1, le=86400)] = 300.0
    """A crash longer ago than this counts no more."""


class ServerPlan(Struct, frozen=True, kw_only=True):
    """The health port."""

    host: Annotated[str, Meta(min_length=1)] | None = None
    """One address to bind; both families' wildcards when not given."""
    port: Port = 9000
    """Where the health endpoints are served."""
    token: Annotated[Secret, Meta(min_length=8)] | None = None
    """The bearer token that shows details. Without one only loopback sees them."""
    max_connections: Annotated[int, Meta(ge=16, le=65536)] = 4096
    """So many connections are kept open at once; for a further one the longest idle makes room."""
    idle_timeout: Annotated[Duration, Meta(ge=1, le=3600)] = 30.0
    """A connection that has sent no whole request for so long is closed."""
    socket: Annotated[str, Meta(min_length=1, max_length=107)] | None = None
    """The Unix socket on which `sidecar status`, `drain` and the like reach the running sidecar.

    When not given: ``mcp-gateway-sidecar-PORT.sock``, with the health port, in ``$XDG_RUNTIME_DIR``, else in ``/run``,
    else in a directory of its own below the temporary one."""
    linger: Annotated[Duration, Meta(le=86400)] = 30.0
    """On SIGTERM the sidecar answers until the gateway is gone, but no longer than this. Not in parent mode: there the
    gateway has ``drain.grace`` to exit."""


class StoreKind(StrEnum):
    """Where what must survive is kept."""

    SQLITE = "sqlite"
    """A file in ``state.dir``."""
    REDIS = "redis"
    """A Redis that all replicas share: where the file system does not survive a deployment."""


class StatePlan(Struct, frozen=True, kw_only=True):
    """Where what must survive is kept: maintenance, holds, releases, drains, the journal, messages not yet sent."""

    store: StoreKind = StoreKind.SQLITE
    """Where it is kept."""
    dir: Annotated[str, Meta(min_length=1)] | None = None
    """``store = "sqlite"``: a directory for this sidecar alone; it is made when there is something to keep. Where
    neither this nor a variable names one, what is learnt is forgotten at the end."""
    volume: bool = False
    """``store = "sqlite"``: the directory outlives a deployment. With ``replicas = 1`` releases can be rolled back."""
    replicas: Annotated[int, Meta(ge=1, le=10_000)] | None = None
    """How many replicas there are, where that is certain."""
    url: Annotated[Secret, Meta(min_length=8)] | None = None
    """``store = "redis"``: its URL. When not given: the variable ``REDIS_URL``. It must not evict keys."""
    prefix: Annotated[str, Meta(min_length=1, max_length=100)] = "mcp-gateway-sidecar"
    """``store = "redis"``: what every key begins with. Replicas of one service share it; two services must not."""
    replica: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """This replica's own name. When not given: the variable ``RAILWAY_REPLICA_ID``, else the host's name and the health
    port."""


class LogFormat(StrEnum):
    """How events are written."""

    AUTO = "auto"
    """For people on a terminal, JSON elsewhere."""
    JSON = "json"
    """One object on each line."""
    TEXT = "text"
    """One line for people."""


class Plan(Struct, frozen=True, kw_only=True, dict=True):
    """Everything the agent needs to know."""

    probes: tuple[ProbePlan, ...]
    gateway: GatewayPlan = GatewayPlan()
    drain: DrainPlan = DrainPlan()
    parent: ParentPlan = ParentPlan()
    server: ServerPlan = ServerPlan()
    state: StatePlan = StatePlan()
    log_format: LogFormat = LogFormat.AUTO
    release: ReleasePlan = ReleasePlan()
    preflight: PreflightPlan = PreflightPlan()
    rollback: RollbackPlan = RollbackPlan()
    railway: RailwayPlan = RailwayPlan()
    notify: NotifyPlan = NotifyPlan()
    source: str = "embedded default"
    """Where the plan comes from, for people."""
    secrets: frozenset[str] = frozenset()
    """Every secret value of the configuration: never to appear in any output."""
    remarks: tuple[str, ...] = ()
    """What the operator should know although nothing is wrong, such as a probe that was not derived."""

    @cached_property
    def by_name(self) -> Mapping[str, ProbePlan]:
        """The probes by name."""
        return {probe.name: probe for probe in self.probes}

    @cached_property
    def watches_gateway(self) -> bool:
        """At least one probe looks at the gateway."""
        return any(probe.target is Target.GATEWAY for probe in self.probes)
