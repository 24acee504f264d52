"""A release that starts: what it needs before it takes traffic, and what becomes of it where it does not get there."""

from builders import process
from core.releases.story import KNOWN, PLAN, RULES, Story, samples
from msgspec.structs import replace

from sidecar.core.actions import BeginRollback
from sidecar.core.facts import GatewayAppeared, RollbackAdvanced
from sidecar.core.releases.release import ReleasePhase
from sidecar.core.releases.rollback import RollbackStep
from sidecar.core.rules import PlatformKind, ReleaseMode, ReleasePlan
from sidecar.core.state import DeploymentStatus
from sidecar.core.verdict import Outcome


def test_without_a_name_nothing_is_judged():
    """Neither without an id nor when it is switched off."""
    assert Story(replace(PLAN, release=ReleasePlan())).state.release is None
    assert Story(replace(PLAN, release=replace(RULES, mode=ReleaseMode.OFF))).state.release is None


def test_a_release_takes_traffic_when_every_startup_check_has_passed():
    """Without a baseline nothing more is needed."""
    story = Story().tell(GatewayAppeared(process())).see("web")
    assert story.phase is ReleasePhase.STARTING
    story.see("db")
    assert story.phase is ReleasePhase.BAKING
    assert story.state.health.ready


def test_a_release_with_a_baseline_needs_looks_within_it_before_it_takes_traffic():
    """So many in a row; a slow one begins the row anew. Until then readiness is 503 and the status is starting."""
    story = Story(memory=replace(KNOWN, baseline={"web": samples(0.01)}, baseline_of="1"))
    story.tell(GatewayAppeared(process())).see("db").see("web").see("web", elapsed=0.5).see("web")
    assert story.phase is ReleasePhase.STARTING
    assert story.state.health.status is DeploymentStatus.STARTING
    assert story.state.health.started
    assert not story.state.health.ready
    assert story.state.health.reasons == ("release 2: web: 1 of 2 looks in a row within the baseline of 1",)
    assert story.see("web").phase is ReleasePhase.BAKING
    assert story.state.health.ready


def test_in_shadow_nothing_holds_traffic_back():
    """The release is judged all the same."""
    plan = replace(PLAN, release=replace(RULES, mode=ReleaseMode.SHADOW))
    story = Story(plan, replace(KNOWN, baseline={"web": samples(0.01)}, baseline_of="1"))
    story.tell(GatewayAppeared(process())).see("db").see("web", elapsed=0.5)
    assert story.phase is ReleasePhase.STARTING
    assert story.state.health.ready


def test_a_release_that_does_not_start_in_time_is_bad_and_stays_out_of_traffic():
    """Nothing is to be undone, so no platform is called; readiness stays 503 even when it passes later."""
    story = Story().tell(GatewayAppeared(process())).see("db").see("web", Outcome.FAIL, after=60.0)
    assert story.phase is ReleasePhase.HELD
    assert "start_within is 50 s: web has not passed" in story.state.release.reason
    assert "never took traffic, so there is nothing to undo" in story.state.release.reason
    assert not story.acted(BeginRollback)
    story.see("web").see("db")
    assert story.state.health.started
    assert not story.state.health.ready


def test_a_parent_undoes_a_release_that_does_not_start():
    """What ran in its place before has ended. The earlier release takes traffic as soon as it runs."""
    story = Story(replace(PLAN, rollback=replace(PLAN.rollback, platform=PlatformKind.PARENT)))
    story.tell(GatewayAppeared(process())).see("db").see("web", Outcome.FAIL, after=60.0)
    assert story.phase is ReleasePhase.BAD
    assert story.acted(BeginRollback)
    story.see("web").see("db")
    for move in (RollbackStep.SEEK, RollbackStep.CLAIM, RollbackStep.ASK):
        story.tell(RollbackAdvanced(move, ""))
    assert not story.state.health.ready
    story.tell(RollbackAdvanced(RollbackStep.VERIFY, ""))
    assert story.state.health.ready
    late = Story(story.state.plan)
    late.state = story.state
    late.tell(RollbackAdvanced(RollbackStep.FAIL, "not healthy within 600 s"))
    assert late.state.health.ready
    story.tell(RollbackAdvanced(RollbackStep.CONFIRM, ""))
    assert (story.state.running, story.state.health.ready) == ("1", True)


def test_an_outage_of_somebody_else_makes_no_release_bad():
    """A release whose upstream has never passed goes on waiting."""
    story = Story().tell(GatewayAppeared(process())).see("web").see("db", Outcome.FAIL, after=500.0)
    assert story.phase is ReleasePhase.STARTING
    assert story.see("db").phase is ReleasePhase.BAKING


def test_while_an_upstream_is_out_the_time_to_start_does_not_run():
    """It goes on when the upstream is back; what the release has not done by its end then is its own fault."""
    story = Story(memory=replace(KNOWN, baseline={"web": samples(0.01)}, baseline_of="1"))
    story.tell(GatewayAppeared(process())).see("db").see("db", Outcome.FAIL, after=20.0)
    story.see("db", Outcome.FAIL, after=900.0).see("db").see("web", elapsed=0.5, after=20.0)
    assert story.phase is ReleasePhase.STARTING
    assert story.see("web", elapsed=0.5, after=20.0).phase is ReleasePhase.HELD
    assert "start_within is 50 s: web: 0 of 2 looks in a row" in story.state.release.reason
