"""A bad release: what forbids that it is rolled back, and how a rollback ends."""

import pytest
from core.releases.story import GOOD, KNOWN, PLAN, RULES, Story, condemned
from msgspec.structs import replace

from sidecar.core.actions import BeginRollback, SaveRelease
from sidecar.core.errors import IllegalTransitionError
from sidecar.core.events import EventKind
from sidecar.core.facts import HoldEnded, MemoryRecalled, Replanned, RollbackAdvanced, RollbackOrdered, TimePassed
from sidecar.core.machine import step
from sidecar.core.releases.probation import RECALL_WITHIN
from sidecar.core.releases.release import Hold, ReleasePhase, ReleaseState
from sidecar.core.releases.rollback import RollbackOrder, RollbackStep
from sidecar.core.rules import ReleaseMode, RollbackPlan
from sidecar.core.verdict import Outcome


@pytest.mark.parametrize(
    ("plan", "memory", "why"),
    [
        (replace(PLAN, rollback=RollbackPlan()), KNOWN, "rollback.platform is not set"),
        (PLAN, replace(KNOWN, target=None), "no other release is known to be good"),
        (PLAN, replace(KNOWN, unfit="SQLite is seen by this replica alone"), "SQLite is seen by this replica alone"),
        (PLAN, replace(KNOWN, bad=frozenset({"1"})), "release 1 is known to be bad as well"),
        (
            replace(PLAN, release=replace(RULES, schema="7")),
            KNOWN,
            "the database's schema is 7, and that of release 1 is",
        ),
        (PLAN, replace(KNOWN, rollbacks=(900.0,)), "rollback.cool_down is 600 s"),
        (PLAN, replace(KNOWN, rollbacks=(-5000.0, -4000.0)), "rollback.max_per_day is 2, and 2 have begun"),
        (
            replace(PLAN, release=replace(RULES, mode=ReleaseMode.SHADOW)),
            KNOWN,
            "shadow: it would be rolled back to release 1",
        ),
    ],
)
def test_a_bad_release_that_must_not_be_rolled_back_is_held(plan, memory, why):
    """The reason says what forbids it, an event is an error, and readiness goes on to follow the probes."""
    story = condemned(plan, memory)
    assert story.phase is ReleasePhase.HELD
    assert why in story.state.release.reason
    assert not story.acted(BeginRollback)
    assert [event.after for event in story.events if event.kind is EventKind.RELEASE_CHANGED][-1] == "held"
    assert story.see("web").state.health.ready


def test_a_bad_release_is_written_down_before_it_is_rolled_back():
    """Nobody may restore it, whatever becomes of this sidecar."""
    story = condemned()
    saved = next(i for i, action in enumerate(story.actions) if getattr(action, "release", None) == story.state.release)
    begun = next(i for i, action in enumerate(story.actions) if isinstance(action, BeginRollback))
    assert isinstance(story.actions[saved], SaveRelease)
    assert saved < begun


def test_a_release_that_a_person_has_condemned_is_written_down_before_it_is_rolled_back():
    """Nor may anybody restore that one."""
    actions = step(Story().serve().state, RollbackOrdered(None, "customers complain", "ops"), 1010.0).actions
    (saved,) = [i for i, action in enumerate(actions) if isinstance(action, SaveRelease)]
    (begun,) = [i for i, action in enumerate(actions) if isinstance(action, BeginRollback)]
    assert actions[saved].release.phase is ReleasePhase.BAD
    assert saved < begun


@pytest.mark.parametrize("mode", [ReleaseMode.SHADOW, ReleaseMode.OFF])
def test_what_a_reload_turns_off_goes_no_further(mode):
    """A rollback under way asks nobody any more, unless a person has ordered it."""
    for ordered in (False, True):
        story = condemned() if not ordered else Story().serve().tell(RollbackOrdered(None, "now", "ops"))
        story.tell(RollbackAdvanced(RollbackStep.SEEK, ""))
        story.tell(Replanned(replace(PLAN, release=replace(RULES, mode=mode))))
        if ordered:
            story.tell(RollbackAdvanced(RollbackStep.CLAIM, ""))
            continue
        with pytest.raises(IllegalTransitionError, match=f"release.mode is {mode}"):
            story.tell(RollbackAdvanced(RollbackStep.CLAIM, ""))


def test_before_the_store_is_read_no_rollback_begins():
    """What another replica has done is not known yet; it begins as soon as the store has been read."""
    story = Story(memory=None)
    story.now += RECALL_WITHIN
    story.serve().see("web", Outcome.FAIL).see("web", Outcome.FAIL, after=25.0).see("web", Outcome.FAIL, after=25.0)
    assert story.phase is ReleasePhase.BAD
    assert not story.acted(BeginRollback)
    story.tell(MemoryRecalled(KNOWN))
    assert story.acted(BeginRollback)


@pytest.mark.parametrize(
    ("steps", "phase"),
    [
        (
            (RollbackStep.SEEK, RollbackStep.CLAIM, RollbackStep.ASK, RollbackStep.VERIFY, RollbackStep.CONFIRM),
            "rolled_back",
        ),
        ((RollbackStep.SEEK, RollbackStep.CLAIM, RollbackStep.ASK, RollbackStep.VERIFY, RollbackStep.FAIL), "held"),
        ((RollbackStep.SEEK, RollbackStep.HOLD), "held"),
    ],
)
def test_the_end_of_a_rollback_is_the_releases_end(steps, phase):
    """Done, or held for a person; and no other one begins by itself."""
    story = condemned()
    for move in steps:
        story.tell(RollbackAdvanced(move, "because"))
    assert story.phase == phase
    assert not story.state.rollback.is_under_way
    story.see("web", Outcome.FAIL, after=5000.0).tell(TimePassed(), after=90_000.0)
    assert len(story.acted(BeginRollback)) == 1


@pytest.mark.parametrize(("last", "begins"), [((), True), ((900.0,), False)])
def test_a_rollback_that_was_left_unfinished_comes_to_its_end_whatever_forbids_another(last, begins):
    """On hold it is looked after, but the platform is not asked; afterwards another one has to be admissible."""
    told = ReleaseState(id="2", phase=ReleasePhase.BAD, since=990.0, at=990.0, served=True, reason="slow")
    order, hold = RollbackOrder(release="2", target=GOOD), Hold(reason="incident", by="ops", at=1.7e9)
    story = Story(memory=replace(KNOWN, release=told, unfinished=order, hold=hold, rollbacks=last))
    assert story.acted(BeginRollback) == [BeginRollback(order)]
    story.tell(RollbackAdvanced(RollbackStep.LOOK, "left behind"))
    with pytest.raises(IllegalTransitionError, match="on hold by ops: incident"):
        story.tell(RollbackAdvanced(RollbackStep.ASK, "once more"))
    story.tell(RollbackAdvanced(RollbackStep.HOLD, "called off"))
    assert story.phase is ReleasePhase.HELD
    story.tell(HoldEnded("ops"))
    assert (len(story.acted(BeginRollback)) == 2) is begins
