"""A release that takes traffic and bakes: what makes it good, what condemns it, and what counts for nothing."""

import pytest
from builders import process
from core.releases.story import GOOD, KNOWN, Story, samples
from msgspec.structs import replace

from sidecar.core.actions import BeginRollback, SaveGood, SaveRelease
from sidecar.core.events import EventKind
from sidecar.core.facts import (
    ChildEnded,
    ChildStarted,
    GatewayAppeared,
    GatewayExited,
    HoldBegun,
    HoldEnded,
    MaintenanceBegun,
    MaintenanceEnded,
    ObserverLate,
    StopRequested,
    TrafficMeasured,
)
from sidecar.core.identity import Ending
from sidecar.core.releases.release import Hold, ReleasePhase
from sidecar.core.state import Maintenance
from sidecar.core.verdict import Evidence, Outcome


def test_a_release_without_a_baseline_is_good_when_it_has_baked():
    """It becomes the baseline of the next, and is written down as the last good one."""
    story = Story().serve().bake(120)
    assert story.phase is ReleasePhase.GOOD
    (good,) = story.acted(SaveGood)
    assert good.release.id == "2"
    assert good.baseline["web"].total >= 20
    assert [event.after for event in story.events if event.kind is EventKind.RELEASE_CHANGED] == ["baking", "good"]


def test_a_release_within_its_baseline_is_good_when_it_has_baked():
    """The reason shows what was compared."""
    story = Story(memory=replace(KNOWN, baseline={"web": samples(0.01)}, baseline_of="1")).serve().bake(120)
    assert story.phase is ReleasePhase.GOOD
    assert "web" in story.state.release.reason


def test_a_release_that_is_slower_than_its_baseline_is_rolled_back():
    """As soon as the samples prove it, which is long before the bake is over."""
    story = Story(memory=replace(KNOWN, baseline={"web": samples(0.01, 1000)}, baseline_of="1")).serve()
    story.bake(100, elapsed=0.3)
    assert story.phase is ReleasePhase.BAD
    assert "worse than 1: web" in story.state.release.reason
    assert story.now < 1100
    (begun,) = story.acted(BeginRollback)
    assert (begun.order.release, begun.order.target) == ("2", GOOD)


def test_a_release_without_enough_samples_bakes_on_and_is_good_at_the_limit():
    """The baseline before is kept, as there is none to take its place."""
    story = Story(memory=replace(KNOWN, baseline={"web": samples(0.01)}, baseline_of="1")).serve()
    for _ in range(9):
        story.see("web", after=100.0)
        story.see("db", after=0.0)
    assert story.phase is ReleasePhase.BAKING
    story.see("web", after=100.0)
    story.see("db", after=0.0)
    assert story.phase is ReleasePhase.GOOD
    assert story.acted(SaveGood)[0].baseline == {}


def test_a_baseline_is_kept_until_something_takes_its_place():
    """A probe that only the new release has says nothing about the last one's."""
    story = Story(memory=replace(KNOWN, baseline={"api": samples(0.01)}, baseline_of="1")).serve().bake(990)
    assert story.phase is ReleasePhase.BAKING
    story.see("web", after=20.0).see("db", after=0.0)
    assert story.phase is ReleasePhase.GOOD
    assert "bake_limit is over" in story.state.release.reason
    assert story.acted(SaveGood)[0].baseline == {}


def test_what_later_ones_are_held_against_is_written_down_before_that_the_release_is_good():
    """Afterwards it is not measured any more: whoever is killed between the two judges it once more."""
    story = Story().serve().bake(120)
    good = next(i for i, action in enumerate(story.actions) if isinstance(action, SaveGood))
    saved = next(i for i, action in enumerate(story.actions) if getattr(action, "release", None) == story.state.release)
    assert isinstance(story.actions[good + 1], SaveRelease)
    assert good < story.actions.index(SaveRelease(story.state.release), saved)


def test_what_the_gateway_measures_itself_is_held_against_the_baseline_too():
    """Errors that the probes never see condemn a release."""
    known = replace(KNOWN, baseline={"traffic": samples(0.01, 10_000)}, baseline_of="1")
    story = Story(memory=known).serve().tell(TrafficMeasured(samples(0.01, 700, errors=300)))
    assert story.phase is ReleasePhase.BAD
    assert "traffic" in story.state.release.reason


def test_a_release_that_is_unhealthy_for_too_long_by_its_own_fault_is_rolled_back():
    """unhealthy_budget counts all such times together."""
    story = Story().serve()
    for _ in range(4):
        story.see("web", Outcome.FAIL).see("web", Outcome.FAIL, after=9.0).see("web")
    assert story.phase is ReleasePhase.BAD
    assert "unhealthy_budget is 30 s" in story.state.release.reason


def test_an_outage_of_an_upstream_counts_neither_against_a_release_nor_as_samples():
    """A wrong reply meanwhile is nobody's own fault, and what is slow is the upstream."""
    story = Story(memory=replace(KNOWN, baseline={"web": samples(0.01)}, baseline_of="1")).serve()
    measured = story.state.release.samples
    story.see("db", Outcome.FAIL)
    for _ in range(60):
        story.see("web", Outcome.FAIL, evidence=Evidence.WRONG, elapsed=1.0)
    assert story.phase is ReleasePhase.BAKING
    assert story.state.release.samples == measured
    assert story.state.release.unhealthy == 0.0


def test_a_gateway_that_crashes_too_often_condemns_its_release():
    """restart_budget ends are forgiven, in parent mode by the command's end."""
    story = Story()
    for pid in range(1, 5):
        story.tell(ChildStarted(process(pid)), after=1.0).tell(GatewayAppeared(process(pid)))
        story.see("db").see("web")
        story.tell(GatewayExited(process(pid))).tell(ChildEnded(Ending(1, "has ended with status 1")))
        assert story.state.release.restarts == min(pid, 3)
    assert story.phase is ReleasePhase.BAD
    assert "restart_budget is 2" in story.state.release.reason


def test_ends_that_somebody_has_asked_for_are_no_crashes():
    """Neither while the sidecar stops nor in maintenance."""
    away = Maintenance(reason="upgrade", by="ops", since=0.0, until=1e9)
    assert Story().serve().tell(StopRequested()).tell(GatewayExited(process())).state.release.restarts == 0
    assert Story().serve().tell(MaintenanceBegun(away)).tell(GatewayExited(process())).state.release.restarts == 0
    assert Story().serve().tell(GatewayExited(process())).state.release.restarts == 1


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        (
            MaintenanceBegun(Maintenance(reason="upgrade", by="ops", since=0.0, until=1e9)),
            MaintenanceEnded("it is over", "ops"),
        ),
        (HoldBegun(Hold(reason="careful", by="ops", at=1.7e9)), HoldEnded("ops")),
    ],
)
def test_the_bake_is_paused_by_an_operators_word(begin, end):
    """The time does not count, and nothing that is seen does."""
    story = Story().serve().bake(50).tell(begin)
    story.see("web", Outcome.FAIL, after=500.0).see("web", after=500.0)
    assert story.phase is ReleasePhase.BAKING
    assert story.state.release.unhealthy == 0.0
    story.tell(end).bake(40)
    assert story.phase is ReleasePhase.BAKING
    assert story.bake(20).phase is ReleasePhase.GOOD


def test_the_time_of_a_stall_counts_for_nothing():
    """What the observer has not seen, has not been watched."""
    story = Story().serve().bake(50)
    story.now += 500.0
    story.tell(ObserverLate(500.0)).bake(40)
    assert story.phase is ReleasePhase.BAKING
