"""What is recalled from the store: a release goes on where it was, and what others have decided is taken over."""

import pytest
from builders import process
from core.releases.story import KNOWN, PLAN, Story, samples
from msgspec.structs import replace

from sidecar.core.actions import BeginRollback, SaveRelease
from sidecar.core.facts import (
    ChildEnded,
    ChildStarted,
    GatewayAppeared,
    MemoryRecalled,
    ReleasePromoted,
    RollbackAdvanced,
    RollbackOrdered,
)
from sidecar.core.identity import Ending
from sidecar.core.releases.probation import RECALL_WITHIN
from sidecar.core.releases.release import KnownGood, ReleasePhase, ReleaseState
from sidecar.core.releases.rollback import RollbackOrder, RollbackStep
from sidecar.core.rules import PlatformKind
from sidecar.core.verdict import Outcome


def test_what_another_replica_has_decided_is_taken_over():
    """A release that is bad elsewhere is bad here, and the claim decides who acts."""
    story = Story().serve()
    told = replace(story.state.release, phase=ReleasePhase.BAD, reason="slow", since=story.now)
    story.tell(MemoryRecalled(replace(KNOWN, release=told)))
    assert story.phase is ReleasePhase.BAD
    assert story.acted(BeginRollback)


def test_a_decision_that_was_heard_of_is_as_old_as_it_is():
    """So that a person's next one, a moment after it was heard of, is news as well."""
    story = Story().serve()
    bad = replace(story.state.release, phase=ReleasePhase.BAD, reason="slow", since=story.now - 10.0)
    story.tell(MemoryRecalled(replace(KNOWN, release=bad, unfit="seen by this replica alone")))
    promoted = replace(bad, phase=ReleasePhase.GOOD, reason="promoted", by="ops", since=story.now + 0.1)
    story.tell(MemoryRecalled(replace(KNOWN, release=promoted)), after=15.0)
    assert story.phase is ReleasePhase.GOOD


def test_a_promotion_stands_against_what_another_replica_finds_out_meanwhile():
    """And it stands here, where the release was condemned after it: whoever has said it knows why."""
    story = Story().serve().tell(ReleasePromoted("the crashes had another cause", "ops"))
    bad = replace(story.state.release, phase=ReleasePhase.BAD, reason="slow", by=None, since=story.now + 5.0)
    story.tell(MemoryRecalled(replace(KNOWN, release=bad)), after=15.0)
    assert story.phase is ReleasePhase.GOOD
    promoted = story.state.release
    other = Story().serve()
    other.tell(MemoryRecalled(replace(KNOWN, release=replace(bad, since=other.now)))).tell(MemoryRecalled(KNOWN))
    assert other.phase is ReleasePhase.BAD
    other.tell(MemoryRecalled(replace(KNOWN, release=replace(promoted, since=other.now - 9.0))))
    assert other.phase is ReleasePhase.GOOD


@pytest.mark.parametrize("is_remembered", [False, True])
def test_what_the_sidecar_itself_has_restored_runs_from_then_on(is_remembered):
    """In parent mode: what the rollback has named, which need not be the last good release; after a restart too."""
    plan = replace(PLAN, rollback=replace(PLAN.rollback, platform=PlatformKind.PARENT))
    older = KnownGood(release="0", at=1.6e9)
    if is_remembered:
        told = ReleaseState(id="2", phase=ReleasePhase.ROLLED_BACK, since=990.0, at=990.0, served=True)
        story = Story(plan, replace(KNOWN, release=told, unfinished=RollbackOrder(release="2", target=older)))
    else:
        story = Story(plan).serve().tell(RollbackOrdered(older, "customers complain", "ops"))
        for move in (
            RollbackStep.SEEK,
            RollbackStep.CLAIM,
            RollbackStep.ASK,
            RollbackStep.VERIFY,
            RollbackStep.CONFIRM,
        ):
            story.tell(RollbackAdvanced(move, ""))
    assert (story.state.release.id, story.phase) == ("0", ReleasePhase.GOOD)
    assert story.state.running == "0"


def test_a_restarted_sidecar_goes_on_where_it_was():
    """The time baked, the samples and the restarts are those that were written down.

    The time in between counts for nothing: nobody has watched the release.
    """
    told = ReleaseState(
        id="2",
        phase=ReleasePhase.BAKING,
        since=910.0,
        at=990.0,
        served=True,
        samples={"web": samples(0.01)},
        restarts=1,
    )
    story = Story(memory=replace(KNOWN, release=told))
    assert story.phase is ReleasePhase.BAKING
    assert story.state.release.restarts == 1
    story.tell(GatewayAppeared(process())).see("db").see("web").bake(15)
    assert story.phase is ReleasePhase.BAKING
    assert story.bake(5).phase is ReleasePhase.GOOD


def test_a_crash_before_the_store_is_read_counts_as_well():
    """It is added to those that were written down, so that a sidecar that is killed again and again forgets none."""
    told = ReleaseState(id="2", phase=ReleasePhase.BAKING, since=910.0, at=990.0, served=True, restarts=1)
    story = Story(memory=None).tell(ChildStarted(process(2)))
    story.tell(ChildEnded(Ending(1, "has ended with status 1"))).tell(MemoryRecalled(replace(KNOWN, release=told)))
    assert (story.phase, story.state.release.restarts) == (ReleasePhase.BAKING, 2)


def test_no_traffic_is_taken_before_the_store_is_read():
    """It may say that the release is held, or has to keep within a baseline; but it is not waited for forever."""
    told = ReleaseState(id="2", phase=ReleasePhase.HELD, since=900.0, at=990.0)
    story = Story(memory=None).tell(GatewayAppeared(process())).see("db").see("web")
    assert story.phase is ReleasePhase.STARTING
    assert story.state.health.reasons == ("release 2: the store has not been read yet",)
    assert not story.tell(MemoryRecalled(replace(KNOWN, release=told))).see("web", after=60.0).state.health.ready
    alone = Story(memory=None).tell(GatewayAppeared(process())).see("db").see("web").see("web", after=RECALL_WITHIN)
    assert alone.state.health.ready


def test_a_look_at_the_samples_is_written_down():
    """It has taken its part of the risk to be wrong: a sidecar that is killed must not take that part once more."""
    story = Story(memory=replace(KNOWN, baseline={"web": samples(0.01)}, baseline_of="1")).serve()
    story.bake(60)
    assert story.state.release.looks > 0
    assert {saved.release.looks for saved in story.acted(SaveRelease)} == set(range(story.state.release.looks + 1))


def test_a_good_release_that_starts_again_is_not_judged_anew():
    """Neither its start nor its crashes make it bad."""
    told = ReleaseState(id="2", phase=ReleasePhase.GOOD, since=0.0, at=0.0, served=True)
    story = Story(memory=replace(KNOWN, release=told, baseline={"web": samples(0.01)}, baseline_of="1"))
    story.see("web", Outcome.FAIL, after=500.0).see("db").see("web")
    assert story.phase is ReleasePhase.GOOD
    assert story.state.health.ready
