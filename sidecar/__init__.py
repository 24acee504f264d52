"""A health sidecar for MCP gateways: it finds out the truth, tells it, and drains a sick gateway.

Used from a program of one's own::

    from sidecar import DeploymentHealthChecker

    async with DeploymentHealthChecker() as checker:
        if await checker.check_readiness():
            ...
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sidecar.checker import DeploymentHealthChecker
    from sidecar.core.state import DeploymentStatus

__version__ = "0.1.0"
__all__ = ["DeploymentHealthChecker", "DeploymentStatus", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the public names when they are asked for: a probe's author needs none of them."""
    if name == "DeploymentHealthChecker":
        from sidecar.checker import DeploymentHealthChecker  # noqa: PLC0415

        return DeploymentHealthChecker
    if name == "DeploymentStatus":
        from sidecar.core.state import DeploymentStatus  # noqa: PLC0415

        return DeploymentStatus
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
