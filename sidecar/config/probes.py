"""The probes of a configuration: those that the file names, and those that the environment calls for."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from msgspec.structs import replace

from sidecar.config.convert import convert_keys, convert_table, known_keys, word
from sidecar.config.derive import Derived
from sidecar.config.expanded import Expanded
from sidecar.config.lines import Path
from sidecar.config.report import Report
from sidecar.config.tables import Defaults, ProbeKeys
from sidecar.config.timing import believed_for, settle
from sidecar.config.variables import INVALID
from sidecar.config.words import choice, quote, show
from sidecar.contract import Kind
from sidecar.core.errors import SidecarError
from sidecar.core.plan import GatewayPlan, OnFailure, ProbePlan, Target, Timing

PROBES_AT_MOST = 1000

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_COMMON = known_keys(ProbeKeys)


class Surroundings(NamedTuple):
    """What every probe is built against, and where what comes to light is written."""

    load_kind: Callable[[str], Kind[Any] | None]
    known_kinds: Callable[[], Iterable[str]]
    defaults: Defaults
    gateway: GatewayPlan
    report: Report
    remarks: list[str]


def read_probes(tables: Any, derivable: Mapping[str, Derived], around: Surroundings) -> tuple[ProbePlan, ...]:
    """Build every probe: the derivable ones first, then the others in the order of the file."""
    named = _named(tables, around.report)
    plans = []
    for name in dict.fromkeys((*derivable, *named)):
        path, table, derived = ("probes", name), named.get(name, {}), derivable.get(name)
        if not isinstance(table, dict):
            if table is not INVALID:
                around.report.add(path, show(table, hidden=True), "a table")
        elif "kind" in table:
            plans.append(_build(table, path, around))
        elif derived is None:
            _report_kindless(path, derivable, around.report)
        elif derived.absent and derived.needs not in table:
            around.remarks.append(f"{name}: not probed, {derived.absent}")
            _check_inactive(table, derived, path, around)
        else:
            plans.append(_build_derived(table, derived, path, around))
    found = tuple(plan for plan in plans if plan is not None)
    if not found and not around.report:
        around.report.add(("probes",), "no probe is left to run", suggestion="add a table [probes.NAME] with a kind")
    return found


def _named(tables: Any, report: Report) -> dict[str, Any]:
    if not isinstance(tables, dict):
        if tables is not INVALID:
            report.add(("probes",), show(tables, hidden=True), "tables [probes.NAME]")
        return {}
    if len(tables) > PROBES_AT_MOST:
        report.add(("probes",), f"{len(tables)} probes", f"at most {PROBES_AT_MOST}")
        return {}
    for name in tables:
        if not _NAME.fullmatch(name):
            wanted = "a name of at most 64 small letters, digits, - and _, beginning with a letter or digit"
            report.add(("probes", name), f"the name {quote(name)}", wanted)
    return tables


def _report_kindless(path: Path, derivable: Mapping[str, Derived], report: Report) -> None:
    if derivable:
        report.add_unknown(path, "no kind is given, which only a derived probe may leave out", derivable)
    else:
        report.add(path, "no kind is given", suggestion='add kind = "http" or another; derive = false derives none')


def _check_inactive(table: dict[str, Any], derived: Derived, path: Path, around: Surroundings) -> None:
    """Tell the mistakes in a table that waits for its variable. Its kind is loaded only if it has keys of the kind."""
    _read_common(table, path, around._replace(defaults=replace(around.defaults, **derived.pace)))
    if _specific(table) and (kind := _find_kind(derived.kind, path, around)) is not None:
        convert_keys(_take_known(table, kind, path, around.report), kind.spec, path, around.report)


def _build_derived(table: dict[str, Any], derived: Derived, path: Path, around: Surroundings) -> ProbePlan | None:
    """Build a derived probe with what its table adjusts."""
    kept = {key: value for key, value in derived.keys.items() if key not in table}
    variables = {key: value.variables[0] for key, value in kept.items() if isinstance(value, Expanded)}
    around.report.origins.update({(*path, key): variable for key, variable in variables.items()})
    if variables and not _specific(table):  # then what the kind says of the whole, it says of the variables
        around.report.origins[path] = ", ".join(dict.fromkeys(variables.values()))
    paced = around._replace(defaults=replace(around.defaults, **derived.pace))
    return _build({"kind": derived.kind, **kept, **table}, path, paced)


def _build(table: dict[str, Any], path: Path, around: Surroundings) -> ProbePlan | None:
    report = around.report
    keys = _read_common(table, path, around)
    kind = _find_kind(table["kind"], path, around)
    spec = None if kind is None else convert_table(_take_known(table, kind, path, report), kind.spec, path, report)
    if keys is None or kind is None or spec is None:
        return None
    try:
        target = kind.target(spec, around.gateway)
    except Exception as error:  # noqa: BLE001 - a kind is anybody's code
        report.add(path, report.conceal(word(error)))
        return None
    on_failure = keys.on_failure or (OnFailure.DRAIN if target is Target.GATEWAY else kind.on_failure)
    if on_failure is OnFailure.DRAIN and target is Target.UPSTREAM:
        fitting = choice([str(other) for other in OnFailure if other is not OnFailure.DRAIN])
        report.add((*path, "on_failure"), '"drain"', f"{fitting}, because a drain mends nothing but the gateway")
    if not keys.enabled:
        around.remarks.append(f"{path[-1]}: not probed, enabled is false")
        return None
    return ProbePlan(
        name=str(path[-1]),
        kind=kind.name,
        target=target,
        on_failure=on_failure,
        startup=on_failure is not OnFailure.OBSERVE if keys.startup is None else keys.startup,
        spec=spec,
        stale_after=believed_for(keys),
        **{name: getattr(keys, name) for name in known_keys(Timing)},
    )


def _read_common(table: dict[str, Any], path: Path, around: Surroundings) -> ProbeKeys | None:
    """Read the keys that probes of every kind have."""
    common = {key: value for key, value in table.items() if key in _COMMON}
    keys = convert_table(common, ProbeKeys, path, around.report, around.defaults)
    return None if keys is None else settle(keys, common, path, around.report)


def _specific(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in _COMMON}


def _take_known(table: dict[str, Any], kind: Kind[Any], path: Path, report: Report) -> dict[str, Any]:
    """Take the kind's own keys; one that neither the kind nor every probe has is a problem."""
    known, specific = known_keys(kind.spec), _specific(table)
    for key in specific:
        if key not in known:
            report.add_unknown((*path, key), "unknown key", (*known, *_COMMON))
    return {key: value for key, value in specific.items() if key in known}


def _find_kind(found: Any, path: Path, around: Surroundings) -> Kind[Any] | None:
    name = found.text if isinstance(found, Expanded) else found
    if not isinstance(name, str) or not name:
        return None  # told already, with the other keys
    try:
        kind = around.load_kind(name)
    except SidecarError as error:
        around.report.add((*path, "kind"), str(error))
        return None
    except Exception as error:  # noqa: BLE001 - a kind is anybody's code, and any failure of its import is told alike
        around.report.add((*path, "kind"), f"cannot load kind {quote(name)}: {type(error).__name__}: {error}")
        return None
    if kind is None:
        around.report.add_unknown((*path, "kind"), f"unknown kind {show(found)}", around.known_kinds(), name=name)
    return kind
