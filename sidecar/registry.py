"""From the name of a kind to the kind, and from a plan to a probe.

The built-in kinds stand in a table, so that nothing is imported but what is configured; entry points, which cost
memory and 30 ms to read, are asked only for a name that is not in it.
"""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Any

from msgspec import Struct
from msgspec.structs import fields, replace

from sidecar import USER_AGENT
from sidecar.apart import Apart
from sidecar.config.tables import ProbeKeys
from sidecar.contract import Evidence, GatewayProcess, Kind, Memo, Outcome, Probe, Run, Setting
from sidecar.core.errors import SidecarError
from sidecar.core.plan import Plan, ProbePlan

ENTRY_POINT_GROUP = "sidecar.probes"

BUILT_IN = {
    "brightdata": "probes.brightdata:KIND",
    "command": "probes.command:KIND",
    "dns": "probes.dns:KIND",
    "heartbeat": "probes.heartbeat:KIND",
    "http": "probes.http:KIND",
    "mcp": "probes.mcp:KIND",
    "postgres": "probes.postgres:KIND",
    "process": "probes.process:KIND",
    "redis": "probes.redis:KIND",
    "tcp": "probes.tcp:KIND",
    "tls": "probes.tls:KIND",
}


def known_kinds() -> list[str]:
    """Every kind that can be named here, built in or installed."""
    return sorted({*BUILT_IN, *_installed()})


def load_kind(name: str) -> Kind[Any] | None:
    """Import the kind of this name; None if there is none.

    Raises ``SidecarError`` when there is one that cannot be used: it is another's code, and may not even import.
    """
    if name in BUILT_IN:
        return _load(name, BUILT_IN[name])
    reference = _installed().get(name)
    return None if reference is None else _set_apart(_load(name, reference))


@cache  # what is installed does not change under a running program, and a reload looks every kind up anew
def _installed() -> dict[str, str]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 2.5 MB that the built-in kinds do without

    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}


def _load(name: str, reference: str) -> Kind[Any]:
    kind = _import(name, reference)
    if fault := _fault(kind, name):
        raise SidecarError(f"cannot use probe kind {name!r}: {reference} {fault}")
    assert isinstance(kind, Kind)  # noqa: S101 - for the type checker
    return kind


def _set_apart(kind: Kind[Any]) -> Kind[Any]:
    """Have the probes of somebody else's kind run in tasks of their own. Ours know how to end, and save the cost."""

    def make(spec: Any, setting: Setting) -> Probe[Any]:
        return Apart(spec, setting, kind.probe(spec, setting))

    return replace(kind, probe=make)


def _import(name: str, reference: str) -> object:
    module, _, attribute = reference.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except (Exception, SystemExit) as error:
        cause = f"{type(error).__name__}: {error}"
        advice = "mend or uninstall the package that offers it"
        raise SidecarError(f"cannot load probe kind {name!r} from {reference}: {cause}; {advice}") from error


def _fault(kind: object, name: str) -> str | None:
    """Tell what its author has overlooked, if anything."""
    if not isinstance(kind, Kind):
        return f"is of type {type(kind).__name__}: expected a sidecar.contract.Kind"
    if kind.name != name:
        return f"calls itself {kind.name!r}: expected the name of its entry point"
    if not (isinstance(kind.spec, type) and issubclass(kind.spec, Struct)):
        return f"has the spec {kind.spec!r}: expected a subclass of msgspec.Struct"
    taken = {key.encode_name for key in fields(kind.spec)} & {key.encode_name for key in fields(ProbeKeys)}
    if taken:
        return f"has a spec with {', '.join(sorted(taken))}: every probe has such a key already, choose another name"
    return None


def make_probe(
    probe: ProbePlan,
    plan: Plan,
    memo: Memo,
    process: Callable[[], GatewayProcess | None],
    look_again: Callable[[], None] = lambda: None,
) -> Probe[Any]:
    """Make one probe of a plan."""
    kind = load_kind(probe.kind)
    if kind is None:
        raise LookupError(f"no probe kind {probe.kind!r}, although the plan was accepted with it")
    setting = Setting(
        name=probe.name,
        timeout=probe.timeout,
        gateway=plan.gateway,
        gateway_process=process,
        user_agent=USER_AGENT,
        look_again=look_again,
        memo=memo,
    )
    try:
        return kind.probe(probe.spec, setting)
    except Exception as error:  # noqa: BLE001 - a kind is anybody's code, and its accidents are its own
        return _Broken(probe.spec, setting, f"{type(error).__name__}: {error}")


class _Broken(Probe[Any]):
    """Stands for a probe that could not be made: like any broken probe it says nothing about its target."""

    def __init__(self, spec: Any, setting: Setting, why: str) -> None:
        super().__init__(spec, setting)
        self._why = why

    async def observe(self, run: Run) -> None:
        run.expect("the probe can be made", self._why, False, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)
