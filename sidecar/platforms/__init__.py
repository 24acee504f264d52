"""How a release is rolled back, platform by platform."""

from sidecar.core.plan import Plan
from sidecar.core.rules import PlatformKind
from sidecar.platforms.contract import Platform


def open_platform(plan: Plan, *, user_agent: str, parent: Platform | None = None) -> Platform | None:
    """Make the platform that the plan names; None where it names none, or parent mode without a ``parent``.

    ``parent`` is the sidecar itself as a platform, which only its own composition root can make. What a platform needs
    is imported only for the one that is configured. Raises ``PlatformError`` for a plan that cannot be used.
    """
    rules = plan.rollback
    match rules.platform:
        case PlatformKind.RAILWAY:
            from sidecar.platforms.railway import Railway  # noqa: PLC0415 - it brings a whole HTTP client

            return Railway(plan.railway, timeout=rules.timeout, user_agent=user_agent)
        case PlatformKind.COMMAND:
            from sidecar.platforms.command import Command  # noqa: PLC0415 - subprocesses

            return Command(rules.argv, timeout=rules.timeout, secrets=plan.secrets)
        case PlatformKind.PARENT:
            return parent
        case None:
            return None
