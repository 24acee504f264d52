"""Write the generated part of ``configuration.md`` from the types: ``python docs/make_reference.py``."""  # noqa: INP001 - a script

import inspect
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any, get_args

from msgspec import NODEFAULT, Struct
from msgspec.structs import FieldInfo, fields

from sidecar.config.load import TABLES
from sidecar.config.meanings import flow, meanings
from sidecar.config.shapes import is_kind_of, is_table, members, quantity, unwrap
from sidecar.config.tables import ProbeKeys, TopLevel
from sidecar.config.units import write_duration, write_size
from sidecar.config.words import describe
from sidecar.core.notices.plan import NoticeKind, SinkKind
from sidecar.core.plan import LogFormat, OnFailure
from sidecar.registry import BUILT_IN, load_kind

PAGE = Path(__file__).parent / "configuration.md"
MARK = "<!-- Generated below this line by docs/make_reference.py; do not edit. -->\n"


def render(page: str) -> str:
    """Keep what is written by hand, above the mark, and put the reference below it."""
    return page.partition(MARK)[0] + MARK + "\n" + "\n".join(_reference()).rstrip() + "\n"


def _reference() -> Iterator[str]:
    yield from _table("## Top level", TopLevel)
    yield from _table("## `[defaults]`", TABLES["defaults"])
    yield from _table("## `[probes.NAME]`", ProbeKeys, leave_out=TABLES["defaults"])
    yield "To these come the keys of `[defaults]`, for this probe alone, and those of its kind.\n"
    yield from _choices("`on_failure`", OnFailure)
    for name in sorted(BUILT_IN):
        kind = load_kind(name)
        if kind is not None:
            yield from _table(f'### `kind = "{name}"`', kind.spec)
    for name, cls in TABLES.items():
        if name != "defaults":
            yield from _table(f"## `[{name}]`", cls)
    yield from _choices("`log.format`", LogFormat)
    yield from _choices("`kind` in `[notify.sinks.NAME]`", SinkKind)
    yield from _choices("`kinds` in `[notify.sinks.NAME]`", NoticeKind)


def _table(heading: str, cls: type[Struct], leave_out: type[Struct] | None = None) -> Iterator[str]:
    yield f"{heading}\n"
    yield f"{flow(inspect.getdoc(cls) or '')}\n"
    texts = meanings(cls)
    hidden = {field.name for field in fields(leave_out)} if leave_out else set()
    yield "| key | value | default | meaning |\n|---|---|---|---|"
    for field in fields(cls):
        if field.name not in hidden:
            cells = (f"`{field.encode_name}`", _value(field.type), _default(field), texts.get(field.name, ""))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""
    for field in fields(cls):
        for nested in _structs(field.type):
            name = f"{field.encode_name}.NAME" if _is_by_name(field.type) else field.encode_name
            yield from _table(f"#### `{name}`, a table within it", nested)


def _choices(name: str, cls: type[Enum]) -> Iterator[str]:
    texts = meanings(cls)
    yield f"The values of {name}:\n"
    for member in cls:
        yield f'- `"{member.value}"`: {texts[member.name]}'
    yield ""


def _is_by_name(type_: Any) -> bool:
    base, _ = unwrap(type_)
    return is_table(base) and not is_kind_of(base, Struct)


def _structs(type_: Any) -> list[type[Struct]]:
    base, _ = unwrap(type_)
    if is_kind_of(base, Struct):
        return [base]
    return [struct for member in get_args(base) for struct in _structs(member)]


def _value(type_: Any) -> str:
    return (
        describe(type_).replace(' such as "500ms", "5s", "2m"', "").replace(' such as "512KiB", "300MiB", "2GiB"', "")
    )


def _default(field: FieldInfo) -> str:
    if field.required:
        return "needed"
    value = field.default_factory() if field.default is NODEFAULT else field.default
    if value is None or value in ([], {}, ()):
        return "none"
    written = {"duration": write_duration, "size": write_size}.get(_quantity(field.type) or "")
    if written is not None:
        return f'`"{written(value)}"`'
    return f"`{str(value).lower()}`" if isinstance(value, (bool, int, float)) else f'`"{value}"`'


def _quantity(type_: Any) -> str | None:
    base, metas = unwrap(type_)
    return quantity(metas) or next(filter(None, map(_quantity, members(base))), None)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
