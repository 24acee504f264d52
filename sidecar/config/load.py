"""The one way from a text to a Plan."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from sidecar.config.convert import convert_table, known_keys
from sidecar.config.derive import derive
from sidecar.config.environment import check_ports, fill_in
from sidecar.config.notify import check_notify
from sidecar.config.parse import parse
from sidecar.config.probes import Surroundings, read_probes
from sidecar.config.problem import ConfigError
from sidecar.config.releases import check_releases
from sidecar.config.report import Report, worth_redacting
from sidecar.config.tables import Defaults, LogTable, TopLevel
from sidecar.config.timing import settle
from sidecar.config.units import write_duration
from sidecar.config.variables import expand
from sidecar.config.words import quote
from sidecar.contract import Kind
from sidecar.core.notices.plan import NotifyPlan
from sidecar.core.plan import DrainPlan, GatewayPlan, ParentPlan, Plan, ServerPlan, StatePlan
from sidecar.core.rules import PreflightPlan, RailwayPlan, ReleasePlan, RollbackPlan

T = TypeVar("T", bound=Struct)

COMMIT_VARIABLES = ("RAILWAY_GIT_COMMIT_SHA", "GIT_SHA")

TABLES: dict[str, type[Struct]] = {
    "defaults": Defaults,
    "gateway": GatewayPlan,
    "drain": DrainPlan,
    "parent": ParentPlan,
    "server": ServerPlan,
    "state": StatePlan,
    "log": LogTable,
    "release": ReleasePlan,
    "preflight": PreflightPlan,
    "rollback": RollbackPlan,
    "railway": RailwayPlan,
    "notify": NotifyPlan,
}
"""Every table but ``probes``."""


def load(
    text: str,
    environ: Mapping[str, str],
    *,
    load_kind: Callable[[str], Kind[Any] | None],
    known_kinds: Callable[[], Iterable[str]],
    source: str = "embedded default",
) -> Plan:
    """Make a plan of a configuration; an empty text is the embedded default.

    ``load_kind`` finds a kind of probe by its name, ``known_kinds`` names them all. Raises ConfigError with every
    problem there is.
    """
    report = Report()
    document = expand(parse(text, source), (), environ, report)
    fill_in(document, environ, report)
    deriving = _read_top(document, report).derive
    gateway = _read(document, "gateway", GatewayPlan, report)
    drain = _read(document, "drain", DrainPlan, report)
    parent = _read(document, "parent", ParentPlan, report)
    server = _read(document, "server", ServerPlan, report)
    state = _read(document, "state", StatePlan, report)
    log = _read(document, "log", LogTable, report)
    release = _read(document, "release", ReleasePlan, report)
    preflight = _read(document, "preflight", PreflightPlan, report)
    rollback = _read(document, "rollback", RollbackPlan, report)
    railway = _read(document, "railway", RailwayPlan, report)
    notify = _read(document, "notify", NotifyPlan, report)
    check_ports(document, gateway.port, server.port, report)
    _check_pause(("drain", "cool_down"), drain.cool_down, drain.cool_down_max, report)
    _check_pause(("parent", "restart_backoff"), parent.restart_backoff, parent.restart_backoff_max, report)
    check_releases(release, rollback, railway, state, report)
    check_notify(notify, report)
    around = Surroundings(
        load_kind=cache(load_kind),
        known_kinds=cache(known_kinds),
        defaults=_read_defaults(document, report),
        gateway=gateway,
        report=report,
        remarks=[],
    )
    probes = read_probes(document.get("probes", {}), derive(environ) if deriving else {}, around)
    if report:
        raise report.error(text, source)
    return Plan(
        probes=probes,
        gateway=gateway,
        drain=drain,
        parent=parent,
        server=server,
        state=state,
        log_format=log.format,
        release=replace(release, id=release.id or _release(text, environ)),
        preflight=preflight,
        rollback=rollback,
        railway=railway,
        notify=notify,
        source=source,
        secrets=worth_redacting(report.secrets),
        remarks=tuple(around.remarks),
    )


def load_server(text: str, environ: Mapping[str, str]) -> ServerPlan:
    """Read the health port's table alone, to find a running sidecar whose configuration has been spoilt since."""
    report = Report()
    try:
        document = expand(parse(text, ""), (), environ, report)
    except ConfigError:
        document = {}
    fill_in(document, environ, report)
    return _read(document, "server", ServerPlan, report)


def _read_top(document: Mapping[str, Any], report: Report) -> TopLevel:
    known = known_keys(TopLevel)
    for name in document:
        if name not in known and name not in TABLES and name != "probes":
            report.add_unknown((name,), "unknown table or key", (*TABLES, "probes", *known))
    return convert_table({key: document[key] for key in known if key in document}, TopLevel, (), report) or TopLevel()


def _read(document: Mapping[str, Any], name: str, cls: type[T], report: Report) -> T:
    """Read one table. With a problem in it the defaults stand in, so that the reading can go on."""
    return convert_table(document.get(name, {}), cls, (name,), report) or cls()


def _read_defaults(document: Mapping[str, Any], report: Report) -> Defaults:
    table = document.get("defaults", {})
    defaults = _read(document, "defaults", Defaults, report)
    return settle(defaults, table if isinstance(table, dict) else (), ("defaults",), report)


def _check_pause(path: tuple[str, str], first: float, longest: float, report: Report) -> None:
    """Tell when a pause that grows begins above its own limit, the key of the same name with ``_max``."""
    if first > longest:
        report.add(path, quote(write_duration(first)), f"at most {path[1]}_max, {write_duration(longest)}")


def _release(text: str, environ: Mapping[str, str]) -> str | None:
    """Name the release after its commit and its configuration: a change of either is another release."""
    commit = next((environ[name] for name in COMMIT_VARIABLES if environ.get(name)), None)
    if commit is None:
        return None
    from hashlib import sha256  # noqa: PLC0415 - 0.5 MB that few configurations need

    return f"{commit[:12]}+{sha256(text.encode(errors='replace')).hexdigest()[:8]}"
