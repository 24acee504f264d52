"""What the type of a key says: its base, its constraints, and which TOML values it could take."""

import types
from collections.abc import Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from msgspec import Meta, Struct
from msgspec.structs import fields

_QUANTITIES = {"duration", "size", "secret"}
_LISTS = {list, tuple, set, frozenset}


def unwrap(type_: Any) -> tuple[Any, tuple[Meta, ...]]:
    """Part a type from its constraints."""
    if get_origin(type_) is Annotated:
        base, *metas = get_args(type_)
        return base, tuple(meta for meta in metas if isinstance(meta, Meta))
    return type_, ()


def quantity(metas: tuple[Meta, ...]) -> str | None:
    """Tell a ``duration``, a ``size`` or a ``secret`` from a plain type."""
    return next((meta.title for meta in metas if meta.title in _QUANTITIES), None)


def members(base: Any) -> tuple[Any, ...]:
    """Take the members of ``A | B`` apart, without None, which TOML cannot say; empty if it is no union."""
    if get_origin(base) not in {Union, types.UnionType}:
        return ()
    return tuple(member for member in get_args(base) if member is not type(None))


def is_kind_of(base: Any, parent: type) -> bool:
    """Tell whether a base is a class below ``parent``."""
    return isinstance(base, type) and issubclass(base, parent)


def is_table(base: Any) -> bool:
    """Tell whether a base is written as a table."""
    return (get_origin(base) or base) in {dict, Mapping} or is_kind_of(base, Struct)


def is_list(base: Any) -> bool:
    """Tell whether a base is written as a list."""
    return (get_origin(base) or base) in _LISTS


def forms(type_: Any) -> frozenset[type]:
    """Name the Python types of the TOML values that could become this type."""
    base, metas = unwrap(type_)
    if quantity(metas) == "duration":
        return frozenset({str})
    if quantity(metas) == "size":
        return frozenset({str, int})
    if base is float:
        return frozenset({int, float})
    if get_origin(base) is Literal:
        return frozenset(type(value) for value in get_args(base))
    if is_kind_of(base, Enum):
        return frozenset(type(member.value) for member in base)
    if is_table(base):
        return frozenset({dict})
    if is_list(base):
        return frozenset({list})
    return frozenset({base})


def holds_secret(type_: Any) -> bool:
    """Tell whether a value of this type is or contains a secret."""
    base, metas = unwrap(type_)
    if quantity(metas) == "secret":
        return True
    if is_kind_of(base, Struct):
        return any(holds_secret(field.type) for field in fields(base))
    return get_origin(base) is not Literal and any(holds_secret(member) for member in get_args(base))
