"""From the name of a kind to the kind.

The built-in kinds stand in a table, so that nothing is imported but what is configured; entry points, which cost
memory and 30 ms to read, are asked only for a name that is not in it.
"""

from importlib import import_module
from typing import Any

from sidecar.contract import Kind

ENTRY_POINT_GROUP = "sidecar.probes"

BUILT_IN = {
    "brightdata": "probes.brightdata:KIND",
    "http": "probes.http:KIND",
    "mcp": "probes.mcp:KIND",
    "postgres": "probes.postgres:KIND",
    "process": "probes.process:KIND",
    "redis": "probes.redis:KIND",
}


def known_kinds() -> list[str]:
    """Every kind that can be named here, built in or installed."""
    return sorted({*BUILT_IN, *_installed()})


def load_kind(name: str) -> Kind[Any] | None:
    """Import the kind of this name; None if there is none."""
    reference = BUILT_IN.get(name) or _installed().get(name)
    if reference is None:
        return None
    module, _, attribute = reference.partition(":")
    kind = getattr(import_module(module), attribute)
    if not isinstance(kind, Kind):
        raise TypeError(f"cannot use probe kind {name!r}: {reference} is no sidecar.contract.Kind")
    return kind


def _installed() -> dict[str, str]:
    from importlib.metadata import entry_points  # noqa: PLC0415 - 2.5 MB that the built-in kinds do without

    return {point.name: point.value for point in entry_points(group=ENTRY_POINT_GROUP)}
