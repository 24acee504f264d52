"""How a release is rolled back, platform by platform."""

from sidecar.core.rules import PlatformKind, RailwayPlan, RollbackPlan
from sidecar.platforms.contract import Platform


def open_platform(
    plan: RollbackPlan, railway: RailwayPlan, *, user_agent: str, parent: Platform | None = None
) -> Platform | None:
    """Make the platform that the plan names; None where it names none, or parent mode without a ``parent``.

    ``parent`` is the sidecar itself as a platform, which only its own composition root can make. What a platform needs
    is imported only for the one that is configured. Raises ``PlatformError`` for a plan that cannot be used.
    """
    match plan.platform:
        case PlatformKind.RAILWAY:
            from sidecar.platforms.railway import Railway  # noqa: PLC0415 - it brings a whole HTTP client

            return Railway(railway, timeout=plan.timeout, user_agent=user_agent)
        case PlatformKind.COMMAND:
            from sidecar.platforms.command import Command  # noqa: PLC0415 - subprocesses

            return Command(plan.argv, timeout=plan.timeout)
        case PlatformKind.PARENT:
            return parent
        case None:
            return None
