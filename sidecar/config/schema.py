"""The JSON Schema (draft 7, which editors know best) of the configuration's file, made from the types that read it.

It says of each key what the reader would say of it alone. How keys go together, such as a time-out above its interval,
only `sidecar config check` tells.
"""

import inspect
from collections.abc import Mapping
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from msgspec import NODEFAULT, Meta, Struct
from msgspec.structs import FieldInfo, fields

from sidecar.config.derive import derive
from sidecar.config.load import TABLES
from sidecar.config.meanings import flow, meanings
from sidecar.config.shapes import is_kind_of, is_list, is_table, members, quantity, unwrap
from sidecar.config.tables import ProbeKeys, TopLevel
from sidecar.config.units import write_duration, write_size
from sidecar.contract import Kind

Schema = dict[str, Any]

_VARIABLE = r"\$\{"
"""A string with a variable can become anything."""

_DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h|d))+$"
_SIZE = r"^[0-9]+ ?(B|KiB|MiB|GiB|TiB)?$"
_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"

_LIMITS = {
    "ge": "minimum",
    "gt": "exclusiveMinimum",
    "le": "maximum",
    "lt": "exclusiveMaximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "pattern": "pattern",
}
_LENGTHS_OF_LISTS = {"minLength": "minItems", "maxLength": "maxItems"}


def make_schema(kinds: Mapping[str, Kind[Any]]) -> Schema:
    """Make the schema, with the keys of these kinds; other kinds are let pass."""
    derived = {name: _derived(probe.kind) for name, probe in derive({}).items()}
    tables = {name: _table(cls) for name, cls in TABLES.items()}
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Configuration of mcp-gateway-sidecar",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            **_properties(TopLevel),
            **tables,
            "probes": {
                "type": "object",
                "description": "The probes, by name.",
                "properties": derived,
                "propertyNames": {"pattern": _NAME},
                "additionalProperties": {"$ref": "#/definitions/probe"},
            },
        },
        "definitions": {
            "probe": {
                "type": "object",
                "required": ["kind"],
                "properties": {"kind": {"type": "string", "examples": sorted(kinds)}},
                "allOf": [_if_kind(name, kind) for name, kind in sorted(kinds.items())],
            },
            **{f"kind-{name}": _kind(name, kind) for name, kind in sorted(kinds.items())},
        },
    }


def _derived(kind: str) -> Schema:
    """Describe a probe that needs no kind, because it is derived; with a kind it is any other."""
    return {
        "if": {"type": "object", "required": ["kind"]},
        "then": {"$ref": "#/definitions/probe"},
        "else": {"$ref": f"#/definitions/kind-{kind}"},
    }


def _if_kind(name: str, kind: Kind[Any]) -> Schema:
    needed = [field.encode_name for field in fields(kind.spec) if field.required]
    then: Schema = {"$ref": f"#/definitions/kind-{name}"}
    if needed:
        then = {"allOf": [then, {"required": needed}]}
    return {"if": {"properties": {"kind": {"const": name}}, "required": ["kind"]}, "then": then}


def _kind(name: str, kind: Kind[Any]) -> Schema:
    properties = {**_properties(ProbeKeys), **_properties(kind.spec)}
    properties["kind"] = {"const": name, "description": meanings(ProbeKeys)["kind"]}
    return {
        "type": "object",
        "description": flow(inspect.getdoc(kind.spec) or ""),
        "properties": properties,
        "additionalProperties": False,
    }


def _table(cls: type[Struct]) -> Schema:
    needed = [field.encode_name for field in fields(cls) if field.required]
    schema: Schema = {
        "type": "object",
        "description": flow(inspect.getdoc(cls) or ""),
        "properties": _properties(cls),
        "additionalProperties": False,
    }
    return schema | ({"required": needed} if needed else {})


def _properties(cls: type[Struct]) -> dict[str, Schema]:
    texts = meanings(cls)
    return {
        field.encode_name: _value(field.type)
        | ({"description": text} if (text := texts.get(field.name)) else {})
        | _default(field)
        for field in fields(cls)
    }


def _value(type_: Any) -> Schema:
    """Say what a key takes; a string with a variable is let pass, whatever the key is."""
    base, _ = unwrap(type_)
    forms = [_form(member) for member in members(base)] or [_form(type_)]
    if all(form.get("type") == "string" and form.keys() == {"type"} for form in forms) or {} in forms:
        return forms[0] if {} not in forms else {}
    if all(form.get("type") in {"array", "object"} for form in forms):
        return forms[0]
    return {"anyOf": [*forms, {"type": "string", "pattern": _VARIABLE}]}


def _form(type_: Any) -> Schema:
    base, metas = unwrap(type_)
    limits = _limits(metas)
    match quantity(metas):
        case "duration":
            return {"type": "string", "pattern": _DURATION}
        case "size":
            return {"anyOf": [{"type": "string", "pattern": _SIZE}, {"type": "integer", **limits}]}
    if base in _TYPES:
        return {"type": _TYPES[base], **limits}
    if is_kind_of(base, Enum):
        return {"enum": [member.value for member in base]}
    if get_origin(base) is Literal:
        return {"enum": list(get_args(base))}
    if is_kind_of(base, Struct):
        return _table(base)
    if is_list(base):
        return _list(base, limits)
    if is_table(base):
        _, item = get_args(base) or (str, Any)
        return {"type": "object", "additionalProperties": _value(item)}
    return {}


_TYPES: dict[Any, str] = {bool: "boolean", int: "integer", float: "number", str: "string"}


def _list(base: Any, limits: Schema) -> Schema:
    args = [arg for arg in get_args(base) if arg is not Ellipsis]
    sizes = {_LENGTHS_OF_LISTS[name]: limit for name, limit in limits.items() if name in _LENGTHS_OF_LISTS}
    return {"type": "array", **({"items": _value(args[0])} if args else {}), **sizes}


def _limits(metas: tuple[Meta, ...]) -> Schema:
    """Collect the limits; of several of one sort the later, which stands nearer to the key."""
    return {
        word: limit
        for meta in metas
        for attribute, word in _LIMITS.items()
        if (limit := getattr(meta, attribute)) is not None
    }


def _default(field: FieldInfo) -> Schema:
    value = field.default_factory() if field.default is NODEFAULT and not field.required else field.default
    if field.required or value is None or value in ([], {}, ()):
        return {}
    write = {"duration": write_duration, "size": write_size}.get(_quantity(field.type) or "")
    if write is not None:
        return {"default": write(value)}
    return {"default": value.value if isinstance(value, Enum) else value}


def _quantity(type_: Any) -> str | None:
    base, metas = unwrap(type_)
    return quantity(metas) or next(filter(None, map(_quantity, members(base))), None)
