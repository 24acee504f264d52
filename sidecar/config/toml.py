"""Writing TOML: tables below their headings, everything within them on lines of their own."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_TABLES_DEEP = 2
"""So deep a table has a heading, as ``[probes.NAME]``; a deeper one stands in braces."""


def write_toml(document: Mapping[str, Any]) -> str:
    """Write a document of text, numbers, truth values, lists and tables. What is None is left out."""
    return "\n".join(_tables(document, ())).strip()


def write_value(value: Any) -> str:
    """Write one value on one line."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{"".join(map(_escape, value))}"'
    if isinstance(value, Mapping):
        items = ", ".join(f"{_key(name)} = {write_value(item)}" for name, item in value.items() if item is not None)
        return f"{{ {items} }}" if items else "{}"
    if isinstance(value, list):
        return f"[{', '.join(write_value(item) for item in value if item is not None)}]"
    return repr(value)


def _tables(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[str]:
    below = {name for name, value in table.items() if isinstance(value, Mapping) and len(path) < _TABLES_DEEP}
    own = {name: value for name, value in table.items() if name not in below and value is not None}
    if path and (own or not below):
        yield f"\n[{'.'.join(map(_key, path))}]"
    for name, value in own.items():
        yield f"{_key(name)} = {write_value(value)}"
    for name in table:
        if name in below:
            yield from _tables(table[name], (*path, name))


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else write_value(name)


def _escape(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 0xD800 <= code <= 0xDFFF:
        return "\N{REPLACEMENT CHARACTER}"  # half a surrogate pair, which TOML cannot say
    return f"\\u{code:04X}" if code < 0x20 or code == 0x7F else character
