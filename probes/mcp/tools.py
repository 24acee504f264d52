"""Lists of tools: what they hold, how two of them differ, and what a call must repeat in its headers. Pure."""

import base64
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

_COMPARED_AT_MOST = 500
_NAMED_AT_MOST = 5
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_PLAIN_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class Tool(Struct, frozen=True, rename="camel"):
    """A tool as ``tools/list`` describes it."""

    name: str
    description: str | None = None
    input_schema: Any = None


class Page(Struct, frozen=True, rename="camel"):
    """One page of the result of ``tools/list``."""

    tools: list[Tool]
    next_cursor: str | None = None


class CallResult(Struct, frozen=True, rename="camel"):
    """The result of ``tools/call``."""

    content: list[Any] = []
    is_error: bool = False
    result_type: str = "complete"

    def text(self) -> str:
        """Join all text of the content."""
        parts = (part.get("text") for part in self.content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))


class ToolList:
    """A whole list of tools, reduced to what tells it from another."""

    def __init__(self, tools: Iterable[Tool]) -> None:
        texts = {tool.name: msgspec.json.encode(tool, order="sorted") for tool in tools}
        self.hashes = {name: hash(text) for name, text in texts.items()}
        """One for each name; comparable within this process only."""
        self.fingerprint = f"{zlib.crc32(b''.join(texts[name] for name in sorted(texts))):08x}"
        """Of name, description and input schema of all tools, whatever their order: for people who compare replicas."""

    def __len__(self) -> int:
        return len(self.hashes)

    def __contains__(self, name: str) -> bool:
        return name in self.hashes

    def changes_since(self, earlier: "ToolList") -> str:
        """Word the difference, as "added 'a'; removed 'b', 'c'"."""
        now, then = self.hashes, earlier.hashes
        parts = {
            "added": now.keys() - then.keys(),
            "removed": then.keys() - now.keys(),
            "changed": {name for name in now.keys() & then.keys() if now[name] != then[name]},
        }
        return "; ".join(f"{what} {quoted(sorted(names))}" for what, names in parts.items() if names)

    def nearest(self, name: str) -> list[str]:
        """Find the names most like ``name``."""
        import difflib  # noqa: PLC0415 - loaded by whoever misses a tool

        known = list(self.hashes)[:_COMPARED_AT_MOST]
        return difflib.get_close_matches(name, known, n=3)


def read_page(result: Raw) -> Page | None:
    """Read the result of ``tools/list``; None when it is not one."""
    try:
        return msgspec.json.decode(result, type=Page)
    except (msgspec.DecodeError, RecursionError):
        return None


def read_call(result: Raw) -> CallResult | None:
    """Read the result of ``tools/call``; None when it is not one."""
    try:
        return msgspec.json.decode(result, type=CallResult)
    except (msgspec.DecodeError, RecursionError):
        return None


def quoted(names: Iterable[str]) -> str:
    """Names for people: a few of them, and how many more there are."""
    names = list(names)
    shown = ", ".join(f"'{name[:64]}'" for name in names[:_NAMED_AT_MOST])
    return f"{shown} and {len(names) - _NAMED_AT_MOST} more" if len(names) > _NAMED_AT_MOST else shown


def call_headers(name: str, input_schema: object, arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Repeat the tool's name, and the arguments marked ``x-mcp-header``, as a modern ``tools/call`` must.

    Source: MCP specification 2026-07-28, "Streamable HTTP", request metadata.
    """
    headers = [("Mcp-Name", _header_value(name))]
    for header, value in _marked(input_schema, arguments):
        text = str(value).lower() if isinstance(value, bool) else str(value)
        headers.append((f"Mcp-Param-{header}", _header_value(text)))
    return headers


def _marked(schema: object, arguments: object) -> Iterator[tuple[str, str | int | bool]]:
    """Find the given arguments that are marked; marks count along chains of ``properties`` only."""
    properties = schema.get("properties") if isinstance(schema, dict) else None
    if not isinstance(properties, dict) or not isinstance(arguments, Mapping):
        return
    for key, value in arguments.items():
        inner = properties.get(key)
        header = inner.get("x-mcp-header") if isinstance(inner, dict) else None
        if isinstance(header, str) and _HEADER_NAME.fullmatch(header) and isinstance(value, str | int):
            yield header, value
        yield from _marked(inner, value)


def _header_value(text: str) -> str:
    if _PLAIN_VALUE.fullmatch(text) and not (text.startswith("=?base64?") and text.endswith("?=")):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="
