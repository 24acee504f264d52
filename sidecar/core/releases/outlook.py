"""What a release has to expect, told when the store is read first: nobody should learn it only when one is bad."""

from sidecar.core.plan import Plan
from sidecar.core.rules import ReleaseMode


def outlook(plan: Plan, unfit: str | None) -> str | None:
    """Say what comes of a bad release; None where none is judged. ``unfit`` is why the store forbids rollbacks."""
    rules, platform = plan.release, plan.rollback.platform
    if rules.id is None or rules.mode is ReleaseMode.OFF:
        return None
    if rules.mode is ReleaseMode.SHADOW:
        return f"release {rules.id} is judged in shadow: what would be done is told, and nothing is done"
    if platform is None:
        return f"release {rules.id} is judged; a bad one is held, as rollback.platform is not set"
    if unfit is not None:
        return f"release {rules.id} is judged; a bad one is held, not rolled back: {unfit}"
    return f"release {rules.id} is judged; a bad one is rolled back by {platform}"
