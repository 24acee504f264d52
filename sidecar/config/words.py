"""Values, types and paths in words: what was found, what was expected, and where."""

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Literal, get_args, get_origin

from msgspec import Meta

from sidecar.config.expanded import Expanded
from sidecar.config.lines import Path
from sidecar.config.secrets import secrets_in
from sidecar.config.shapes import is_kind_of, is_list, is_table, members, quantity, unwrap
from sidecar.config.units import write_duration, write_size
from sidecar.core.redact import redact

_SHOWN_AT_MOST = 60
_LINE_AT_MOST = 1000
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]{1,64}")
_NOUNS = {bool: "true or false", int: "a whole number", float: "a number", str: "a string"}


def printable(text: str) -> str:
    """Keep text to one line without control characters, so that it cannot steer a terminal."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[:_LINE_AT_MOST])


def quote(text: str) -> str:
    """Put text in quotes, cut to a bearable length."""
    return f'"{printable(text[:_SHOWN_AT_MOST])}{"…" if len(text) > _SHOWN_AT_MOST else ""}"'


def write_path(path: Path) -> str:
    """Write a path as TOML does: ``probes.gateway.headers``, with list indexes as ``[0]``."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f"{'.' if text else ''}{part if _BARE_KEY.fullmatch(part) else quote(part)}"
    return text


def choice(names: list[str]) -> str:
    """Put a choice into words: ``"a", "b" or "c"``."""
    return either([f'"{name}"' for name in names])


def either(words: list[str]) -> str:
    """Join alternatives: ``A, B or C``."""
    return " or ".join((", ".join(words[:-1]), words[-1])) if len(words) > 1 else words[0]


def show(value: Any, *, hidden: bool = False) -> str:
    """Put a found value into words. ``hidden``: it is, or may hold, a secret, so only its nature is told."""
    if isinstance(value, Expanded):
        if not value.variables:
            return show(value.text, hidden=hidden)
        variables = ", ".join(f"${{{name}}}" for name in value.variables)
        return f"{_length(value.text)} from {variables}"
    if isinstance(value, str):
        return _length(value) if hidden else quote(redact(value, frozenset(secrets_in(value))))
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return "a boolean" if hidden else str(value).lower()
    if isinstance(value, (int, float)):
        return "a number" if hidden or (isinstance(value, int) and abs(value) >= 10**18) else str(value)
    return "a date or time"


def describe(type_: Any) -> str:
    """Put what a type accepts into words, with examples where the form is special."""
    base, metas = unwrap(type_)
    if quantity(metas) == "duration":
        return f'a duration{_limits(metas, write_duration)} such as "500ms", "5s", "2m"'
    if quantity(metas) == "size":
        return f'a size{_limits(metas, lambda size: write_size(int(size)))} such as "512KiB", "300MiB", "2GiB"'
    if base in _NOUNS:
        return _NOUNS[base] + _limits(metas, lambda number: f"{number:.15g}") + _lengths(metas)
    if members(base):
        return either([describe(member) for member in members(base) if member is not int or float not in members(base)])
    if is_kind_of(base, Enum):
        return choice([str(member.value) for member in base])
    if get_origin(base) is Literal:
        return choice([str(value) for value in get_args(base)])
    if is_list(base):
        each = next(iter(get_args(base)), Any)
        return f"a list{_lengths(metas)}" + ("" if each is Any else f", each {describe(each)}")
    return "a table" if is_table(base) else "another value"


def _length(text: str) -> str:
    return "a string of 1 character" if len(text) == 1 else f"a string of {len(text)} characters"


def _limits(metas: tuple[Meta, ...], write: Callable[[float], str]) -> str:
    low = max((meta.ge for meta in metas if meta.ge is not None), default=0)
    high = min((meta.le for meta in metas if meta.le is not None), default=None)
    above = max((meta.gt for meta in metas if meta.gt is not None), default=None)
    below = min((meta.lt for meta in metas if meta.lt is not None), default=None)
    if high is not None and above is None:
        return f" from {write(low)} to {write(high)}"
    pairs = (("of at least", low or None), ("above", above), ("of at most", high), ("below", below))
    return " and".join(f" {word} {write(limit)}" for word, limit in pairs if limit is not None)


def _lengths(metas: tuple[Meta, ...]) -> str:
    words = []
    for meta in metas:
        if meta.min_length:
            words.append("not empty" if meta.min_length == 1 else f"at least {meta.min_length} long")
        if meta.max_length is not None:
            words.append(f"at most {meta.max_length} long")
        if meta.pattern is not None:
            words.append(f"matching {meta.pattern}")
    return f" ({', '.join(words)})" if words else ""
