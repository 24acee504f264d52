"""Configurations with short times, so that a test sees within a second what takes minutes in earnest."""

from collections.abc import Mapping

GATEWAY_PROBES = """
[probes.gateway]
kind = "http"

[probes.process]
kind = "process"
"""

_DRAIN = {"drain_after": "500ms", "min_uptime": "0s", "lame_duck": "300ms", "quiesce": "10s", "grace": "10s"}


def short(probes: str = GATEWAY_PROBES, **drain: object) -> str:
    """Write a configuration with these probes, and with these keys of the drain."""
    return f"""
derive = false

[defaults]
interval = "300ms"
fast_interval = "100ms"

[drain]
{keys(_DRAIN | drain)}
{probes}"""


def keys(values: Mapping[str, object]) -> str:
    """Write keys with their values."""
    return "\n".join(f"{key} = {_value(value)}" for key, value in values.items())


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool | int) else f'"{value}"'
