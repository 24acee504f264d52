"""What the environment says where the file says nothing: ports, the token, how to write events.

``PORT`` is the health port where a platform sets it, because that is the port which the platform asks for health. A
process manager sets ``PORT`` too, to a number of its own for each entry, and there it means nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

from sidecar.config.expanded import Expanded
from sidecar.config.report import Report

RAILWAY_VARIABLES = {
    "api_url": "RAILWAY_API_URL",
    "api_token": "RAILWAY_API_TOKEN",
    "project_token": "RAILWAY_TOKEN",
    "project": "RAILWAY_PROJECT_ID",
    "environment": "RAILWAY_ENVIRONMENT_ID",
    "service": "RAILWAY_SERVICE_ID",
    "deployment": "RAILWAY_DEPLOYMENT_ID",
}
"""The variables that stand for the keys of ``[railway]``."""

_FOREMAN = re.compile(r"[A-Za-z0-9_-]+\.[0-9]+")


def fill_in(document: dict[str, Any], environ: Mapping[str, str], report: Report) -> None:
    """Put the variables that stand for keys into the document, where the file leaves these keys out."""
    health = ["SIDECAR_PORT"] if _is_port_assigned(environ) else ["SIDECAR_PORT", "PORT"]
    for table, key, variables in (
        ("gateway", "port", ["GATEWAY_PORT"]),
        ("server", "port", health),
        ("server", "token", ["SIDECAR_TOKEN"]),
        ("server", "socket", ["SIDECAR_SOCKET"]),
        ("log", "format", ["SIDECAR_LOG_FORMAT"]),
        ("state", "replica", ["RAILWAY_REPLICA_ID"]),
        ("railway", "deployment", ["RAILWAY_DEPLOYMENT_ID"]),
    ):
        _fill_key(document.setdefault(table, {}), (table, key), variables, environ, report)
    _fill_platform(document, environ, report)
    state, directory = document.setdefault("state", {}), _state_directory(environ)
    if isinstance(state, dict) and "dir" not in state and directory is not None:
        state["dir"] = directory


def _fill_platform(document: dict[str, Any], environ: Mapping[str, str], report: Report) -> None:
    """Fill in what is a secret or means something only where the file asks for it: the store's URL, Railway's names."""
    state, rollback = document["state"], document.setdefault("rollback", {})
    if isinstance(state, dict) and state.get("store") == "redis":
        _fill_key(state, ("state", "url"), ["REDIS_URL"], environ, report)
    if isinstance(rollback, dict) and rollback.get("platform") == "railway":
        railway = document.setdefault("railway", {})
        for key, variable in RAILWAY_VARIABLES.items():
            _fill_key(railway, ("railway", key), [variable], environ, report)


def _fill_key(
    section: Any, path: tuple[str, ...], variables: list[str], environ: Mapping[str, str], report: Report
) -> None:
    """Put the first of these variables that is set in the place of a key that the file leaves out."""
    key, variable = path[-1], next((name for name in variables if environ.get(name)), None)
    if isinstance(section, dict) and key not in section and variable is not None:
        section[key] = Expanded(environ[variable], (variable,))
        report.origins[path] = variable


def check_ports(document: Mapping[str, Any], gateway: int, health: int, report: Report) -> None:
    """Tell when both ports are the same, and who said so."""
    if gateway == health:
        report.add(
            ("server", "port"),
            f"{health} ({_origin(document, 'server', report)})",
            f"a port other than the gateway's, {gateway} ({_origin(document, 'gateway', report)})",
            "set SIDECAR_PORT or GATEWAY_PORT",
        )


def _state_directory(environ: Mapping[str, str]) -> Expanded | None:
    """Find the place for state that the service manager (systemd.exec(5)) or the user's session (XDG) gives."""
    if given := environ.get("STATE_DIRECTORY"):
        return Expanded(given.partition(":")[0], ("STATE_DIRECTORY",))
    for variable, below in (("XDG_STATE_HOME", ""), ("HOME", "/.local/state")):
        # A path that is not absolute is to be ignored (XDG Base Directory Specification).
        if environ.get(variable, "").startswith("/"):
            return Expanded(f"{environ[variable].rstrip('/')}{below}/mcp-gateway-sidecar", (variable,))
    return None


def _origin(document: Mapping[str, Any], table: str, report: Report) -> str:
    if variable := report.origins.get((table, "port")):
        return f"from {variable}"
    return f"{table}.port" if "port" in document[table] else "the default"


def _is_port_assigned(environ: Mapping[str, str]) -> bool:
    """Tell whether a process manager (honcho, Overmind, foreman) has set ``PORT``."""
    return (
        "HONCHO_PROCESS_NAME" in environ
        or any(name.startswith("OVERMIND_PROCESS_") for name in environ)
        or _FOREMAN.fullmatch(environ.get("PS", "")) is not None
    )
