"""A health sidecar for MCP gateways: it finds out the truth, tells it, and drains a sick gateway.

Used from a program of one's own::

    from sidecar import DeploymentHealthChecker

    async with DeploymentHealthChecker() as checker:
        if await checker.check_readiness():
            ...
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sidecar.checker import DeploymentHealthChecker
    from sidecar.core.state import DeploymentStatus

__version__ = "0.1.0"
USER_AGENT = f"mcp-gateway-sidecar/{__version__}"
"""Who asks, for servers that are asked over HTTP."""

__all__ = ["DeploymentHealthChecker", "DeploymentStatus", "__version__"]


_PUBLIC = {"DeploymentHealthChecker": "sidecar.checker", "DeploymentStatus": "sidecar.core.state"}


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for: a probe's author needs none of them."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
