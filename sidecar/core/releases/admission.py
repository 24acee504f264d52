"""Whether a rollback is admissible. Without an answer that is certain, a bad release is held for a person to decide."""

from enum import StrEnum
from typing import NamedTuple

from sidecar.core.releases.release import KnownGood
from sidecar.core.rules import PlatformKind, ReleaseMode
from sidecar.core.state import State

DAY = 86_400.0


class Obstacle(StrEnum):
    """What forbids a rollback."""

    HOLD = "hold"
    NEVER_SERVED = "never_served"
    """It never took traffic, so there is nothing to undo: readiness stays 503, and the platform keeps what was there.

    Not so where the sidecar itself started it: what ran there before has ended, and nobody serves.
    """
    NO_TARGET = "no_target"
    TARGET_BAD = "target_bad"
    SCHEMA = "schema"
    NO_PLATFORM = "no_platform"
    UNFIT_STORE = "unfit_store"
    """Nobody can say that another replica does not do the same."""
    COOL_DOWN = "cool_down"
    MAX_PER_DAY = "max_per_day"
    SHADOW = "shadow"


INSURMOUNTABLE = frozenset({Obstacle.NO_TARGET, Obstacle.NO_PLATFORM})
"""What nobody's order can override: there is nothing to restore, or nobody who could."""


class Forbidden(NamedTuple):
    """A rollback must not be, and why."""

    obstacle: Obstacle
    reason: str


def admit(state: State, target: KnownGood | None, now: float) -> KnownGood | Forbidden:
    """Decide whether the release may be rolled back to this target by itself."""
    found = next(iter(obstacles(state, target, now)), None)
    if found is not None:
        return found
    assert target is not None  # noqa: S101 - for the type checker: without one there is an obstacle
    return target


def obstacles(state: State, target: KnownGood | None, now: float) -> list[Forbidden]:
    """Name everything that forbids it, the weightiest first."""
    return [Forbidden(obstacle, why) for obstacle, forbidden, why in _rules(state, target, now) if forbidden]


def _rules(state: State, target: KnownGood | None, now: float) -> list[tuple[Obstacle, bool, str]]:
    memory, rules, release = state.memory, state.plan.rollback, state.release
    hold, last = memory.hold, max(memory.rollbacks, default=-DAY)
    today = sum(1 for at in memory.rollbacks if now - at < DAY)
    schema = state.plan.release.schema
    return [
        (Obstacle.NO_TARGET, target is None, "no other release is known to be good"),
        (
            Obstacle.NO_PLATFORM,
            rules.platform is None,
            "rollback.platform is not set: nobody is known who could restore a release",
        ),
        (
            Obstacle.NEVER_SERVED,
            release is not None and not release.served and rules.platform is not PlatformKind.PARENT,
            "it never took traffic, so there is nothing to undo: readiness stays 503",
        ),
        (Obstacle.HOLD, hold is not None, f"on hold by {hold.by}: {hold.reason}" if hold else ""),
        (
            Obstacle.TARGET_BAD,
            target is not None and target.release in memory.bad,
            f"release {target.release if target else ''} is known to be bad as well",
        ),
        (
            Obstacle.SCHEMA,
            target is not None and target.schema != schema,
            f"the database's schema is {schema or 'not declared'}, and {_schema(target)}",
        ),
        (Obstacle.UNFIT_STORE, memory.unfit is not None, memory.unfit or ""),
        (
            Obstacle.COOL_DOWN,
            now - last < rules.cool_down,
            f"rollback.cool_down is {rules.cool_down:g} s, and the last rollback began {now - last:.0f} s ago",
        ),
        (
            Obstacle.MAX_PER_DAY,
            today >= rules.max_per_day,
            f"rollback.max_per_day is {rules.max_per_day}, and {today} have begun within 24 hours",
        ),
        (
            Obstacle.SHADOW,
            state.plan.release.mode is ReleaseMode.SHADOW,
            f"shadow: it would be rolled back to release {target.release if target else ''} now",
        ),
    ]


def _schema(target: KnownGood | None) -> str:
    return f"that of release {target.release} is {target.schema or 'not declared'}" if target else ""
