"""A release from its start to its end: what it needs, what condemns it, and what forbids that it is rolled back."""

import pytest
from builders import probe, process, verdict
from msgspec.structs import replace

from sidecar.core.actions import BeginRollback, SaveGood, SaveRelease
from sidecar.core.drain import DrainPhase
from sidecar.core.errors import IllegalTransitionError, RefusedError
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
    MemoryRecalled,
    ObserverLate,
    ProbeReported,
    ReleasePromoted,
    Replanned,
    RollbackAdvanced,
    RollbackOrdered,
    StopRequested,
    TimePassed,
    TrafficMeasured,
)
from sidecar.core.identity import Ending
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import DrainPlan, Plan, Target
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.probation import RECALL_WITHIN
from sidecar.core.releases.release import TRANSITIONS, Hold, KnownGood, ReleasePhase, ReleaseState, ReleaseStep, advance
from sidecar.core.releases.rollback import RollbackOrder, RollbackPhase, RollbackStep
from sidecar.core.releases.sample import Sample, add
from sidecar.core.rules import PlatformKind, ReleaseMode, ReleasePlan, RollbackPlan
from sidecar.core.state import DeploymentStatus, Guard, Maintenance
from sidecar.core.verdict import Evidence, Outcome

WEB = probe("web", failure_threshold=1)
DB = probe("db", target=Target.UPSTREAM, failure_threshold=1)
RULES = ReleasePlan(id="2", bake=100.0, bake_limit=1000.0, min_samples=20, start_samples=2, start_within=50.0)
PLAN = Plan(
    probes=(WEB, DB),
    drain=DrainPlan(enabled=False),
    release=RULES,
    rollback=RollbackPlan(platform=PlatformKind.COMMAND, argv=("roll", "back"), cool_down=600.0, max_per_day=2),
)
GOOD = KnownGood(release="1", at=1.7e9)
KNOWN = Memory(target=GOOD, unfit=None)


def samples(seconds, count=100, errors=0):
    """So many answers that took so long, and errors."""
    sample = Sample(errors=errors)
    for _ in range(count):
        sample = add(sample, seconds, failed=False)
    return sample


class Story:
    """A deployment and what befalls it, with a clock that only the test moves."""

    def __init__(self, plan=PLAN, memory=KNOWN):
        self.now = 1000.0
        self.state = begin_state(plan, self.now)
        self.events, self.actions = [], []
        if memory is not None:
            self.tell(MemoryRecalled(memory))

    def tell(self, fact, after=0.0):
        """Let a fact happen, so many seconds later."""
        self.now += after
        self.state, events, actions = step(self.state, fact, self.now)
        self.events += events
        self.actions += actions
        return self

    def see(self, name, outcome=Outcome.PASS, *, after=1.0, elapsed=0.01, evidence=None):
        """Let a probe report."""
        self.now += after
        seen = verdict(outcome, self.now, elapsed=elapsed, evidence=evidence)
        return self.tell(ProbeReported(name, seen))

    def serve(self):
        """Let everything pass, so that it takes traffic."""
        self.tell(GatewayAppeared(process())).see("db").see("web").see("web")
        assert self.phase is ReleasePhase.BAKING
        return self

    def bake(self, seconds, **seen):
        """Let the gateway be seen once a second."""
        for _ in range(seconds):
            if self.phase is ReleasePhase.BAKING:
                self.see("web", **seen)
                self.see("db", after=0.0)
        return self

    @property
    def phase(self):
        """How far the release has come."""
        return self.state.release.phase

    def acted(self, kind):
        """The actions of one kind."""
        return [action for action in self.actions if isinstance(action, kind)]


# The table ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", ReleasePhase)
@pytest.mark.parametrize("move", ReleaseStep)
def test_a_step_that_the_table_does_not_have_is_refused(phase, move):
    """It raises and names both; every other step leads where the table says."""
    release = ReleaseState(id="2", phase=phase, since=0.0, at=0.0)
    if (phase, move) in TRANSITIONS:
        assert advance(release, move, "why", 5.0).phase is TRANSITIONS[phase, move]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{phase} has no step {move}"):
            advance(release, move, "why", 5.0)


# Starting -------------------------------------------------------------------------------------------------------------


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


# Baking ---------------------------------------------------------------------------------------------------------------


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


# Rolling back, or not -------------------------------------------------------------------------------------------------


def condemned(plan=PLAN, memory=KNOWN):
    """A release that took traffic, and is unhealthy by its own fault for too long."""
    story = Story(plan, memory).serve().see("web", Outcome.FAIL).see("web", Outcome.FAIL, after=25.0)
    return story.see("web", Outcome.FAIL, after=25.0)


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


# What people say ------------------------------------------------------------------------------------------------------


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
