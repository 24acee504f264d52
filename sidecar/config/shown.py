"""A plan as the tables of a configuration file, so that what is in force can be read, compared and kept."""

from collections.abc import Mapping
from enum import Enum
from typing import Any

from msgspec import Struct
from msgspec.structs import fields

from sidecar.config.shapes import members, quantity, unwrap
from sidecar.config.tables import LogTable
from sidecar.config.units import write_duration, write_size
from sidecar.core.plan import Plan, ProbePlan
from sidecar.core.redact import redact

_HIDDEN = "[redacted]"
_NOT_KEYS = frozenset({"name", "target", "spec"})


def show_plan(plan: Plan) -> dict[str, Any]:
    """Show a plan with every default and every derived probe, and without any secret."""
    shown = {
        "derive": False,
        "gateway": _table(plan.gateway),
        "drain": _table(plan.drain),
        "parent": _table(plan.parent),
        "server": _table(plan.server),
        "state": _table(plan.state),
        "log": _table(LogTable(format=plan.log_format)),
        "release": _table(plan.release),
        "preflight": _table(plan.preflight),
        "rollback": _table(plan.rollback),
        "railway": _table(plan.railway),
        "notify": _table(plan.notify),
        "probes": {probe.name: _probe(probe) for probe in plan.probes},
    }
    redacted: dict[str, Any] = _redact(shown, plan.secrets)
    return redacted


def _probe(probe: ProbePlan) -> dict[str, Any]:
    common = _table(probe, leave_out=_NOT_KEYS)
    kind, stale_after = common.pop("kind"), write_duration(probe.stale_after)
    return {"kind": kind, **_table(probe.spec), **common, "stale_after": stale_after}


def _table(struct: Struct, leave_out: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Write a struct as a table; what is None is left out, as TOML has no word for it."""
    return {
        field.encode_name: _value(value, field.type)
        for field in fields(struct)
        if field.name not in leave_out and (value := getattr(struct, field.name)) is not None
    }


def _value(value: Any, type_: Any) -> Any:
    if isinstance(value, Struct):
        return _table(value)
    if isinstance(value, Enum):
        return value.value
    match _quantity(type_):
        case "duration":
            return write_duration(value)
        case "size":
            return write_size(value)
        case "secret":
            return _HIDDEN
    if isinstance(value, Mapping):
        return {str(key): _value(item, None) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_value(item, None) for item in value]
    return value


def _quantity(type_: Any) -> str | None:
    base, metas = unwrap(type_)
    return quantity(metas) or next(filter(None, map(_quantity, members(base))), None)


def _redact(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, str):
        return redact(value, secrets)
    if isinstance(value, dict):
        return {key: _redact(item, secrets) for key, item in value.items()}
    return [_redact(item, secrets) for item in value] if isinstance(value, list) else value
