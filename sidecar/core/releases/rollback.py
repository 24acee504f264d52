"""The course of one rollback, as a table, and what is written down of it. A step the table does not have raises."""

from enum import StrEnum

from msgspec import Struct

from sidecar.core.errors import IllegalTransitionError
from sidecar.core.releases.release import KnownGood


class RollbackPhase(StrEnum):
    """How far a rollback has come, as one replica sees it."""

    IDLE = "idle"
    SEEKING = "seeking"
    """Finding out whether the platform can restore the target."""
    CLAIMING = "claiming"
    """Seeing to it that no other replica does the same."""
    ASKING = "asking"
    """The platform is being asked. That it will be is written down before."""
    LOOKING = "looking"
    """The platform was asked, and nobody knows whether it has heard."""
    VERIFYING = "verifying"
    """The platform has heard; the earlier release has to become healthy."""
    FOLLOWING = "following"
    """Another replica carries it out. If that falls silent, this one takes over."""
    VERIFIED = "verified"
    """The earlier release is healthy."""
    FAILED = "failed"
    """The earlier release was put in place, or should have been, and is not healthy."""
    HELD = "held"
    """Nothing further is done: a person decides."""


class RollbackStep(StrEnum):
    """What moves a rollback on."""

    SEEK = "seek"
    CLAIM = "claim"
    ASK = "ask"
    LOOK = "look"
    VERIFY = "verify"
    FOLLOW = "follow"
    CONFIRM = "confirm"
    FAIL = "fail"
    HOLD = "hold"


ENDS = {
    RollbackStep.CONFIRM: RollbackPhase.VERIFIED,
    RollbackStep.FAIL: RollbackPhase.FAILED,
    RollbackStep.HOLD: RollbackPhase.HELD,
}
"""The steps that end a rollback, and the phases they lead to."""

FINAL = frozenset(ENDS.values())

TRANSITIONS: dict[tuple[RollbackPhase, RollbackStep], RollbackPhase] = {
    (RollbackPhase.IDLE, RollbackStep.SEEK): RollbackPhase.SEEKING,
    (RollbackPhase.IDLE, RollbackStep.LOOK): RollbackPhase.LOOKING,
    (RollbackPhase.IDLE, RollbackStep.VERIFY): RollbackPhase.VERIFYING,
    (RollbackPhase.IDLE, RollbackStep.FOLLOW): RollbackPhase.FOLLOWING,
    (RollbackPhase.IDLE, RollbackStep.HOLD): RollbackPhase.HELD,
    (RollbackPhase.SEEKING, RollbackStep.CLAIM): RollbackPhase.CLAIMING,
    (RollbackPhase.SEEKING, RollbackStep.HOLD): RollbackPhase.HELD,
    (RollbackPhase.CLAIMING, RollbackStep.ASK): RollbackPhase.ASKING,
    (RollbackPhase.CLAIMING, RollbackStep.FOLLOW): RollbackPhase.FOLLOWING,
    (RollbackPhase.CLAIMING, RollbackStep.HOLD): RollbackPhase.HELD,
    (RollbackPhase.ASKING, RollbackStep.ASK): RollbackPhase.ASKING,
    (RollbackPhase.ASKING, RollbackStep.LOOK): RollbackPhase.LOOKING,
    (RollbackPhase.ASKING, RollbackStep.VERIFY): RollbackPhase.VERIFYING,
    (RollbackPhase.ASKING, RollbackStep.FOLLOW): RollbackPhase.FOLLOWING,
    (RollbackPhase.ASKING, RollbackStep.HOLD): RollbackPhase.HELD,
    (RollbackPhase.LOOKING, RollbackStep.ASK): RollbackPhase.ASKING,
    (RollbackPhase.LOOKING, RollbackStep.VERIFY): RollbackPhase.VERIFYING,
    (RollbackPhase.LOOKING, RollbackStep.FOLLOW): RollbackPhase.FOLLOWING,
    (RollbackPhase.LOOKING, RollbackStep.HOLD): RollbackPhase.HELD,
    (RollbackPhase.VERIFYING, RollbackStep.CONFIRM): RollbackPhase.VERIFIED,
    (RollbackPhase.VERIFYING, RollbackStep.FAIL): RollbackPhase.FAILED,
    (RollbackPhase.VERIFYING, RollbackStep.FOLLOW): RollbackPhase.FOLLOWING,
    (RollbackPhase.VERIFYING, RollbackStep.HOLD): RollbackPhase.HELD,
    (RollbackPhase.FOLLOWING, RollbackStep.SEEK): RollbackPhase.SEEKING,
    (RollbackPhase.FOLLOWING, RollbackStep.LOOK): RollbackPhase.LOOKING,
    (RollbackPhase.FOLLOWING, RollbackStep.VERIFY): RollbackPhase.VERIFYING,
    (RollbackPhase.FOLLOWING, RollbackStep.CONFIRM): RollbackPhase.VERIFIED,
    (RollbackPhase.FOLLOWING, RollbackStep.FAIL): RollbackPhase.FAILED,
    (RollbackPhase.FOLLOWING, RollbackStep.HOLD): RollbackPhase.HELD,
}
"""``ask`` leads to the platform alone, and always through a claim or a look; no end has a way out."""


class Restorable(Struct, frozen=True):
    """Something that the platform can restore."""

    deployment: str
    """What the platform calls it."""
    known: tuple[str, ...] = ()
    """The deployments that the platform had at that time, so that a new one can be told."""


class RollbackOrder(Struct, frozen=True, kw_only=True):
    """What is to be done: take this release out, and put the target in its place."""

    release: str
    target: KnownGood
    by: str | None = None
    """The person who has ordered it; None for the sidecar's own decision."""
    anew: bool = False
    """A person's fresh order: whatever came of the rollback before, begin another."""


class RollbackRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is written down of a rollback, before each act. Times are Unix times."""

    release: str
    """The bad one."""
    target: KnownGood
    phase: RollbackPhase
    """``claiming``: not asked yet. ``asking``: perhaps asked. ``verifying``: surely heard. Else an end."""
    replica: str
    """Who carries it out."""
    by: str | None = None
    """The person who has ordered it."""
    begun: float
    seen: float
    """When who carries it out was last heard of."""
    found: Restorable
    asked: int = 0
    """How often the platform was asked; more than once only where it surely had not heard before."""
    asked_at: float | None = None
    """When it was asked last."""
    detail: str = ""


def advance(phase: RollbackPhase, step: RollbackStep) -> RollbackPhase:
    """Give the phase that a step leads to. Raises ``IllegalTransitionError`` for one that the table does not have."""
    after = TRANSITIONS.get((phase, step))
    if after is None:
        raise IllegalTransitionError(f"a rollback that is {phase} has no step {step}")
    return after


def entry(record: RollbackRecord | None, replica: str, *, anew: bool) -> RollbackStep:
    """Tell with which step this replica begins, or goes on, by what is written down last.

    What ended before the platform was asked may begin again; what ended after that, only by a person's fresh order.
    """
    if record is None or (record.phase in FINAL and (anew or not record.asked)):
        return RollbackStep.SEEK
    if record.phase in FINAL or record.replica != replica:
        return RollbackStep.FOLLOW
    return _GOES_ON[record.phase]


_GOES_ON = {
    RollbackPhase.CLAIMING: RollbackStep.SEEK,
    RollbackPhase.ASKING: RollbackStep.LOOK,
    RollbackPhase.VERIFYING: RollbackStep.VERIFY,
}
