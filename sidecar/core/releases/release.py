"""The life of a release, as a table. A step that the table does not have raises and changes nothing."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.errors import IllegalTransitionError
from sidecar.core.releases.sample import Sample


class ReleasePhase(StrEnum):
    """How far a release has come."""

    STARTING = "starting"
    """It has not taken traffic yet."""
    BAKING = "baking"
    """It takes traffic, and is watched."""
    GOOD = "good"
    BAD = "bad"
    """It has been found bad, and what to do about it is being decided."""
    ROLLED_BACK = "rolled_back"
    HELD = "held"
    """It is bad, and nothing is done about it automatically: a person decides."""


class ReleaseStep(StrEnum):
    """What moves a release on."""

    SERVE = "serve"
    """It takes traffic from now on."""
    PROMOTE = "promote"
    CONDEMN = "condemn"
    HOLD = "hold"
    RECONSIDER = "reconsider"
    """What has forbidden the rollback may be over."""
    ROLL_BACK = "roll_back"
    """An earlier release has been put in its place."""


TRANSITIONS: dict[tuple[ReleasePhase, ReleaseStep], ReleasePhase] = {
    (ReleasePhase.STARTING, ReleaseStep.SERVE): ReleasePhase.BAKING,
    (ReleasePhase.STARTING, ReleaseStep.PROMOTE): ReleasePhase.GOOD,
    (ReleasePhase.STARTING, ReleaseStep.CONDEMN): ReleasePhase.BAD,
    (ReleasePhase.BAKING, ReleaseStep.PROMOTE): ReleasePhase.GOOD,
    (ReleasePhase.BAKING, ReleaseStep.CONDEMN): ReleasePhase.BAD,
    (ReleasePhase.GOOD, ReleaseStep.CONDEMN): ReleasePhase.BAD,
    (ReleasePhase.BAD, ReleaseStep.HOLD): ReleasePhase.HELD,
    (ReleasePhase.BAD, ReleaseStep.PROMOTE): ReleasePhase.GOOD,
    (ReleasePhase.BAD, ReleaseStep.ROLL_BACK): ReleasePhase.ROLLED_BACK,
    (ReleasePhase.HELD, ReleaseStep.RECONSIDER): ReleasePhase.BAD,
    (ReleasePhase.HELD, ReleaseStep.PROMOTE): ReleasePhase.GOOD,
    (ReleasePhase.ROLLED_BACK, ReleaseStep.PROMOTE): ReleasePhase.GOOD,
}
"""``good`` is condemned, and ``rolled_back`` promoted, by a person alone."""

JUDGED = frozenset({ReleasePhase.STARTING, ReleasePhase.BAKING})
"""The phases that the sidecar itself brings to an end."""


class KnownGood(Struct, frozen=True, kw_only=True):
    """A release known to be good: what a rollback restores."""

    release: str
    at: float
    """When it was found good, as Unix time."""
    schema: str | None = None
    """The version of the database's schema it works with."""
    deployments: tuple[str, ...] = ()
    """The platform's names for the deployments it ran as, newest first."""
    command: tuple[str, ...] = ()
    """Parent mode: the command that started it."""


class Hold(Struct, frozen=True, kw_only=True):
    """An operator's word that all automation stops: no drain, no promotion, no rollback."""

    reason: str
    by: str
    at: float
    """Unix time."""


class ReleaseState(Struct, frozen=True, kw_only=True):
    """One release as the core knows it. Times are seconds of CLOCK_BOOTTIME."""

    id: str
    phase: ReleasePhase = ReleasePhase.STARTING
    since: float
    """When this phase began; moved on by every pause, so that ``now - since`` is the time that counts."""
    at: float
    """Until when the time has been counted."""
    reason: str = ""
    """Why it is in this phase."""
    by: str | None = None
    """Who has brought it there, if a person has."""
    served: bool = False
    """It has taken traffic."""
    samples: Mapping[str, Sample] = {}
    """What was measured of it, by probe."""
    saved: float = 0.0
    """When it was written down last."""
    within: Mapping[str, int] = {}
    """Looks in a row that kept within the baseline, by probe."""
    looks: int = 0
    """How often the samples were held against the baseline: each look may be wrong, and takes its part of the risk."""
    unhealthy: float = 0.0
    """Seconds that it was unhealthy by its own fault while it baked."""
    restarts: int = 0
    """How often its gateway ended unasked."""


class Decision(Protocol):
    """What was decided about a release."""

    @property
    def phase(self) -> ReleasePhase:
        """What it has become."""

    @property
    def since(self) -> float:
        """When."""

    @property
    def by(self) -> str | None:
        """The person who has decided it."""


def outranks(one: Decision, other: Decision, *, margin: float = 0.0) -> bool:
    """Tell whether one decision about a release stands against another: the later one by more than ``margin`` seconds.

    But who calls a release good has the last word over whatever is found out about it by itself.
    """
    if _is_promoted(one) != _is_promoted(other) and (one.by is None or other.by is None):
        return _is_promoted(one)
    return one.since > other.since + margin


def _is_promoted(decision: Decision) -> bool:
    return decision.phase is ReleasePhase.GOOD and decision.by is not None


def advance(
    release: ReleaseState, step: ReleaseStep, reason: str, now: float, *, by: str | None = None
) -> ReleaseState:
    """Move a release on by one step. Raises ``IllegalTransitionError`` for a step that the table does not have."""
    phase = TRANSITIONS.get((release.phase, step))
    if phase is None:
        raise IllegalTransitionError(f"a release that is {release.phase} has no step {step}")
    served = release.served or phase in (ReleasePhase.BAKING, ReleasePhase.GOOD)
    return replace(release, phase=phase, since=now, at=now, reason=reason, by=by, served=served)
