"""From a TOML value to a typed one, field by field, so that every problem is found and none hides another."""

import math
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta, Struct
from msgspec.structs import FieldInfo, fields

from sidecar.config.expanded import Expanded
from sidecar.config.lines import Path
from sidecar.config.report import Report
from sidecar.config.secrets import secrets_in
from sidecar.config.shapes import forms, holds_secret, is_kind_of, is_list, is_table, members, quantity, unwrap
from sidecar.config.units import parse_duration, parse_size
from sidecar.config.variables import INVALID, plain
from sidecar.config.words import describe, show

T = TypeVar("T", bound=Struct)

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")


def convert_table(table: Any, cls: type[T], path: Path, report: Report, inherited: Struct | None = None) -> T | None:
    """Make a struct of a table; None when there is any problem, all of which are reported.

    Keys that the table leaves out come from ``inherited``, if it has them, else from the struct's own defaults. A
    ValueError or TypeError raised by the struct's ``__post_init__`` is a problem of the table, as it is for msgspec.
    """
    if not isinstance(table, dict):
        if table is not INVALID:
            report.add(path, show(table, hidden=True), "a table")
        return None
    values = convert_keys(table, cls, path, report)
    for name, field in known_keys(cls).items():
        if name in table:
            continue
        if hasattr(inherited, field.name):
            values[field.name] = getattr(inherited, field.name)
        elif field.required:
            report.add((*path, name), f"missing: {describe(field.type)} is needed")
            values[field.name] = INVALID
    if any(value is INVALID for value in values.values()):
        return None
    try:
        return cls(**values)
    except Exception as error:  # noqa: BLE001 - a kind checks its keys in code of its own
        report.add(path, report.conceal(word(error)))
        return None


def convert_keys(table: Mapping[str, Any], cls: type[Struct], path: Path, report: Report) -> dict[str, Any]:
    """Convert the keys that a table has; unknown ones are problems, missing ones are not."""
    known = known_keys(cls)
    values = {}
    for key, value in table.items():
        if key in known:
            values[known[key].name] = convert(value, known[key].type, (*path, key), report)
        else:
            report.add_unknown((*path, key), "unknown key", known)
    return values


def known_keys(cls: type[Struct]) -> dict[str, FieldInfo]:
    """Name the keys of a table that becomes this struct."""
    return {field.encode_name: field for field in fields(cls)}


def convert(value: Any, type_: Any, path: Path, report: Report) -> Any:
    """Convert one value; ``INVALID`` when there is any problem."""
    if value is INVALID:
        return INVALID
    if isinstance(value, Expanded) and value.variables:
        report.hidden.add(value.text)
    base, metas = unwrap(type_)
    if members(base):
        return _convert_union(value, base, path, report)
    if isinstance(value, dict) and is_table(base):
        result = _convert_dict(value, base, path, report)
    elif isinstance(value, list) and is_list(base):
        result = _convert_list(value, base, path, report)
    else:
        result = _convert_scalar(value, base, metas)
        if result is INVALID:
            return _reject(value, type_, path, report)
    if isinstance(result, str):
        report.secrets |= secrets_in(result, secret=quantity(metas) == "secret")
    return result if result is INVALID or _within(result, metas) else _reject(value, type_, path, report)


def _reject(value: Any, type_: Any, path: Path, report: Report) -> Any:
    report.add(path, show(value, hidden=holds_secret(type_)), describe(type_))
    return INVALID


def _convert_union(value: Any, base: Any, path: Path, report: Report) -> Any:
    form = type(value)
    likely = [member for member in members(base) if form is Expanded or form in forms(member)]
    if len(likely) == 1:
        return convert(value, likely[0], path, report)
    for member in likely:
        attempt = Report()
        result = convert(value, member, path, attempt)
        if not attempt:
            report.merge(attempt)
            return result
    return _reject(value, base, path, report)


def _convert_list(value: list[Any], base: Any, path: Path, report: Report) -> Any:
    origin, args = get_origin(base) or base, get_args(base)
    if origin is tuple and args and args[-1] is not Ellipsis:
        if len(value) != len(args):
            report.add(path, f"a list of {len(value)}", f"a list of {len(args)}")
            return INVALID
        types = list(args)
    else:
        types = [args[0] if args else Any] * len(value)
    items = [
        convert(item, type_, (*path, index), report)
        for index, (item, type_) in enumerate(zip(value, types, strict=True))
    ]
    return INVALID if any(item is INVALID for item in items) else origin(items)


def _convert_dict(value: dict[str, Any], base: Any, path: Path, report: Report) -> Any:
    if is_kind_of(base, Struct):
        result = convert_table(value, base, path, report)
        return INVALID if result is None else result
    _, type_ = get_args(base) or (str, Any)
    items = {key: convert(item, type_, (*path, key), report) for key, item in value.items()}
    return INVALID if any(item is INVALID for item in items.values()) else items


def _convert_scalar(value: Any, base: Any, metas: tuple[Meta, ...]) -> Any:
    """Convert what is neither list nor table. A text that came from variables may stand for a number or a boolean."""
    free = isinstance(value, Expanded)
    text = value.text if isinstance(value, Expanded) else value if isinstance(value, str) else None
    kind = quantity(metas)
    result: Any
    if kind == "duration":
        result = None if text is None else parse_duration(text)
    elif kind == "size" and text is not None:
        result = parse_size(text)
    elif base is str:
        result = text
    elif base in _NUMBERS:
        result = _NUMBERS[base](text) if free and text is not None else _number(value, base)
    elif get_origin(base) is Literal or is_kind_of(base, Enum):
        result = _choose(value if text is None else text, base, free=free)
    else:
        result = _convert_rest(plain(value), base)
    return INVALID if result is None else result


def _number(value: Any, base: type) -> Any:
    if base is not float or type(value) not in {int, float}:
        return value if type(value) is base else None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


_NUMBERS: dict[Any, Callable[[str], Any]] = {
    bool: {"true": True, "false": False}.get,
    int: lambda text: int(text) if _INTEGER.fullmatch(text) else None,
    float: lambda text: float(text) if _DECIMAL.fullmatch(text) else None,
}
"""How a text that came from variables becomes a number or a boolean."""


def _choose(value: Any, base: Any, *, free: bool) -> Any:
    choices = (
        [(member.value, member) for member in base] if is_kind_of(base, Enum) else [(x, x) for x in get_args(base)]
    )
    for name, choice in choices:
        if (type(name) is type(value) and name == value) or (free and str(name) == value):
            return choice
    return None


def _convert_rest(value: Any, base: Any) -> Any:
    if base is Any:
        return value
    try:
        return msgspec.convert(value, base)
    except (msgspec.ValidationError, TypeError):
        return None


def _within(value: Any, metas: tuple[Meta, ...]) -> bool:
    return not any(
        (meta.ge is not None and value < meta.ge)
        or (meta.gt is not None and value <= meta.gt)
        or (meta.le is not None and value > meta.le)
        or (meta.lt is not None and value >= meta.lt)
        or (meta.min_length is not None and len(value) < meta.min_length)
        or (meta.max_length is not None and len(value) > meta.max_length)
        or (meta.pattern is not None and not re.search(meta.pattern, value))
        for meta in metas
    )


def word(error: Exception) -> str:
    """Word what a check of keys has raised: a ``ValueError`` speaks to people, anything else is an accident."""
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
