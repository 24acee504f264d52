"""What `sidecar init` finds out about the place where it runs."""

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from msgspec import Struct

from sidecar.config.derive import derive
from sidecar.config.expanded import Expanded
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import Plan
from sidecar.gateway.discovery import discover

_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
"""Of the container, in control groups version 2; the root group has none."""


class Findings(Struct, frozen=True, kw_only=True):
    """What is known of the place."""

    sources: Mapping[str, str]
    """For each derived probe why it is there, in words."""
    gateway: str
    """What is known of the gateway, in words."""
    memory: int | None
    """The container's limit in bytes."""
    lame_duck: tuple[float, str] | None
    """Seconds that suit the platform, and why."""
    linger: tuple[float, str] | None


def find(plan: Plan, environ: Mapping[str, str]) -> Findings:
    """Look around."""
    return Findings(
        sources=_sources(environ),
        gateway=_gateway(plan),
        memory=_memory(),
        lame_duck=_lame_duck(environ),
        linger=_linger(environ),
    )


def _sources(environ: Mapping[str, str]) -> dict[str, str]:
    sources = {}
    for name, probe in derive(environ).items():
        variables = {variable for key in probe.keys.values() if isinstance(key, Expanded) for variable in key.variables}
        if variables:
            sources[name] = f"probed because {', '.join(sorted(variables))} is set"
    return sources


def _gateway(plan: Plan) -> str:
    try:
        found = discover(plan.gateway)
    except OSError as error:
        return f"nobody could be looked for ({(error.strerror or str(error)).lower()})"
    if found is None:
        return "nobody listens yet"
    if isinstance(found, GatewayProcess):
        return f"process {found.pid} listens, and could be drained"
    return f"somebody listens whose process cannot be proven, so it is never drained: {found.reason}"


def _memory() -> int | None:
    with suppress(OSError, ValueError):
        return int(_MEMORY_LIMIT.read_text("ascii")[:32])
    return None


def _lame_duck(environ: Mapping[str, str]) -> tuple[float, str] | None:
    if _is_railway(environ):
        return (
            0.0,
            "Railway asks for health only while it deploys: a later 503 moves no traffic, so none is waited for.",
        )
    if environ.get("KUBERNETES_SERVICE_HOST"):
        return 30.0, "Kubernetes looks away after 3 failures at 10 s by default: periodSeconds times failureThreshold."
    return None


def _linger(environ: Mapping[str, str]) -> tuple[float, str] | None:
    if not _is_railway(environ):
        return None
    name = "RAILWAY_DEPLOYMENT_DRAINING_SECONDS"
    try:
        seconds = min(float(int(environ[name])), 86_400.0)
    except (KeyError, ValueError):
        return None
    return max(seconds - 1.0, 0.0), f"{name} is {seconds:g}: just before Railway's SIGKILL."


def _is_railway(environ: Mapping[str, str]) -> bool:
    return any(name.startswith("RAILWAY_") for name in environ)
