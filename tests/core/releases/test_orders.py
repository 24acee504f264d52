"""What people say: a release is promoted, rolled back, or put on hold."""

import pytest
from builders import process
from core.releases.story import KNOWN, PLAN, Story, condemned
from msgspec.structs import replace

from sidecar.core.actions import BeginRollback, SaveGood
from sidecar.core.drain import DrainPhase
from sidecar.core.errors import RefusedError
from sidecar.core.facts import GatewayAppeared, HoldBegun, HoldEnded, ReleasePromoted, RollbackOrdered
from sidecar.core.plan import DrainPlan
from sidecar.core.releases.release import Hold, ReleasePhase
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.core.state import Guard
from sidecar.core.verdict import Outcome


def test_a_person_may_promote_a_release_that_is_held():
    """It takes traffic, is the last good one, and who said so is written down."""
    story = Story().tell(GatewayAppeared(process())).see("db").see("web", Outcome.FAIL, after=60.0)
    story.tell(ReleasePromoted("looked at it", "ops")).see("web")
    assert story.phase is ReleasePhase.GOOD
    assert story.state.release.by == "ops"
    assert story.state.health.ready
    assert story.acted(SaveGood)
    with pytest.raises(RefusedError, match="it is good already"):
        story.tell(ReleasePromoted("again", "ops"))


def test_a_person_may_roll_a_good_release_back():
    """The order needs no fault, and carries who has given it."""
    story = Story().serve().bake(120).tell(RollbackOrdered(None, "customers complain", "ops"))
    (begun,) = story.acted(BeginRollback)
    assert begun.order.by == "ops"
    assert begun.order.anew
    assert story.phase is ReleasePhase.BAD


def test_an_order_heeds_what_forbids_a_rollback_unless_it_is_forced():
    """Only what makes it impossible cannot be overridden."""
    story = Story(memory=replace(KNOWN, rollbacks=(900.0,))).serve()
    with pytest.raises(RefusedError, match=r"cool_down is 600 s.*--force overrides it"):
        story.tell(RollbackOrdered(None, "now", "ops"))
    story.tell(RollbackOrdered(None, "now", "ops", forced=True))
    assert story.acted(BeginRollback)
    assert "by ops: now; forced over: rollback.cool_down is 600 s" in story.state.release.reason
    with pytest.raises(RefusedError, match="a rollback to release 1 is under way"):
        story.tell(RollbackOrdered(None, "now", "ops", forced=True))
    with pytest.raises(RefusedError, match=r"no other release is known to be good$"):
        Story(memory=replace(KNOWN, target=None)).serve().tell(RollbackOrdered(None, "now", "ops", forced=True))


def test_on_hold_nothing_happens_by_itself():
    """No drain, no promotion, no rollback; when it ends, what was held is decided about anew."""
    plan = replace(PLAN, drain=DrainPlan(drain_after=0.0, min_uptime=0.0))
    story = Story(plan).serve().tell(HoldBegun(Hold(reason="incident", by="ops", at=1.7e9)))
    for _ in range(50):
        story.see("db").see("web", Outcome.FAIL, after=0.0)
    assert story.state.drain.phase is DrainPhase.IDLE
    assert story.state.withheld.guard is Guard.HOLD
    assert story.phase is ReleasePhase.BAKING
    story.tell(HoldEnded("ops"))
    assert story.state.drain.phase is not DrainPhase.IDLE


def test_the_end_of_a_hold_reconsiders_what_was_held():
    """A release that could not be rolled back then may be now."""
    story = condemned(memory=replace(KNOWN, rollbacks=(900.0,)))
    assert story.phase is ReleasePhase.HELD
    story.tell(HoldBegun(Hold(reason="incident", by="ops", at=1.7e9)), after=700.0).tell(HoldEnded("ops"))
    assert story.acted(BeginRollback)
    assert story.state.rollback.phase is RollbackPhase.IDLE
