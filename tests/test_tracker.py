"""The tracker: what it publishes, tells and asks for, and in which order."""

import pytest
from builders import plan, probe, process, verdict

from sidecar.core.actions import BeginDrain, ProbeNow
from sidecar.core.drain import DrainStep
from sidecar.core.errors import IllegalTransitionError
from sidecar.core.events import EventKind
from sidecar.core.facts import DrainAdvanced, GatewayAppeared, ProbeReported, Replanned, StopRequested
from sidecar.core.plan import Target
from sidecar.core.state import DeploymentStatus
from sidecar.core.tally import BUCKETS
from sidecar.core.verdict import Outcome
from sidecar.tracker import Tracker


class Watched:
    """A tracker whose clock is set by hand, and everything that came out of it in order."""

    def __init__(self, plan_):
        self.now = 1000.0
        self.out = []
        self.tracker = Tracker(
            plan_,
            lambda: self.now,
            publish=lambda snapshot: self.out.append(("publish", snapshot)),
            tell=lambda event: self.out.append(("tell", event)),
            act=lambda action: self.out.append(("act", action)),
        )

    def record(self, fact):
        """Record a fact; returns what came out."""
        self.out.clear()
        self.tracker.record(fact)
        return list(self.out)

    def report(self, name, outcome, after=1.0, **more):
        """Let a probe report after some seconds; returns what came out."""
        self.now += after
        return self.record(ProbeReported(name, verdict(outcome, self.now, **more)))

    def tally(self, name):
        """What is counted of a probe."""
        [view] = [view for view in self.tracker.snapshot.checks if view.plan.name == name]
        return view.tally


def test_it_publishes_before_it_is_told_anything():
    """The endpoints have something to say from the first moment: nothing is known, and nothing is ready."""
    watched = Watched(plan(probe("http")))
    [(kind, snapshot)] = watched.out
    assert kind == "publish"
    assert snapshot is watched.tracker.snapshot
    assert snapshot.state.health.status is DeploymentStatus.STARTING
    assert snapshot.at == 1000.0


def test_the_snapshot_is_published_before_events_are_told_and_actions_begun():
    """Readiness says 503 before anybody hears why, and before the drain that follows from it begins."""
    watched = Watched(plan(probe("http", failure_threshold=1), drain_after=0.0, min_uptime=0.0))
    watched.record(GatewayAppeared(process()))
    watched.report("http", Outcome.PASS)
    out = watched.report("http", Outcome.FAIL)
    kinds = [kind for kind, _ in out]
    assert kinds == sorted(kinds, key=["publish", "tell", "act"].index)
    assert kinds.count("publish") == 1
    assert out[0][1].state.health.ready is False
    assert {event.kind for kind, event in out if kind == "tell"} >= {EventKind.STATUS_CHANGED, EventKind.DRAIN_BEGUN}
    [action] = [action for kind, action in out if kind == "act"]
    assert isinstance(action, BeginDrain)


def test_what_is_told_can_be_seen_in_the_snapshot_already():
    """Whoever hears an event and asks finds the state that the event is about."""
    seen = []
    tracker = Tracker(
        plan(probe("http")),
        lambda: 1000.0,
        publish=lambda _: None,
        tell=lambda event: seen.append((event.kind, tracker.snapshot.state.health.status)),
        act=lambda action: seen.append((action, tracker.state is tracker.snapshot.state)),
    )
    tracker.record(GatewayAppeared(process()))
    tracker.record(ProbeReported("http", verdict(Outcome.PASS, 1000.0)))
    assert (EventKind.STATUS_CHANGED, DeploymentStatus.READY) in seen
    assert (ProbeNow(Target.GATEWAY), True) in seen


def test_every_report_is_counted_with_outcome_and_duration():
    """The metrics' counts: outcomes, a histogram that is not cumulative, and the sum of the durations."""
    watched = Watched(plan(probe("http")))
    assert watched.tally("http").outcomes == dict.fromkeys(Outcome, 0)
    watched.report("http", Outcome.PASS, elapsed=0.001)
    watched.report("http", Outcome.PASS, elapsed=0.004)
    watched.report("http", Outcome.UNKNOWN, elapsed=60.0)
    tally = watched.tally("http")
    assert tally.outcomes == {Outcome.PASS: 2, Outcome.WARN: 0, Outcome.FAIL: 0, Outcome.UNKNOWN: 1}
    assert tally.seconds == pytest.approx(60.005)
    assert tally.buckets[0] == 1
    assert tally.buckets[BUCKETS.index(0.005)] == 1
    assert tally.buckets[-1] == 1
    assert sum(tally.buckets) == 3


def test_a_report_of_nobodys_probe_is_not_counted():
    """A reload may have taken the probe away while it was looking."""
    watched = Watched(plan(probe("http")))
    watched.report("gone", Outcome.FAIL)
    assert [view.plan.name for view in watched.tracker.snapshot.checks] == ["http"]


def test_changes_of_the_status_are_counted():
    """Every change and nothing else: a further pass is none."""
    watched = Watched(plan(probe("http", failure_threshold=1)))
    for outcome, transitions in [("pass", 1), ("pass", 1), ("fail", 2), ("fail", 2), ("pass", 3)]:
        watched.report("http", Outcome(outcome))
        assert watched.tracker.snapshot.transitions == transitions


def test_a_reload_keeps_the_counts_of_the_probes_that_stay():
    """Even of those whose settings have changed: a counter that falls back looks like a restart."""
    watched = Watched(plan(probe("stays"), probe("changes"), probe("goes")))
    for name in ("stays", "changes", "goes"):
        watched.report(name, Outcome.PASS)
    watched.record(Replanned(plan(probe("stays"), probe("changes", timeout=1.0), probe("comes"))))
    passes = {view.plan.name: view.tally.outcomes[Outcome.PASS] for view in watched.tracker.snapshot.checks}
    assert passes == {"stays": 1, "changes": 1, "comes": 0}


def test_a_refused_step_changes_nothing_and_publishes_nothing():
    """A drain step without a drain raises; state and snapshot are the same objects as before."""
    watched = Watched(plan(probe("http")))
    state, snapshot = watched.tracker.state, watched.tracker.snapshot
    with pytest.raises(IllegalTransitionError):
        watched.record(DrainAdvanced(DrainStep.SIGNAL))
    assert watched.out == []
    assert watched.tracker.state is state
    assert watched.tracker.snapshot is snapshot


def test_it_looks_more_often_while_undecided():
    """Fast from the first contrary result until a threshold decides, and at the normal pace otherwise."""
    http = probe("http", interval=5.0, fast_interval=1.0, failure_threshold=3, success_threshold=2)
    watched = Watched(plan(http))
    assert watched.tracker.delay(http) == 1.0  # nothing is known yet
    course = [
        ("pass", 1.0),  # one of two
        ("pass", 5.0),  # decided
        ("fail", 1.0),
        ("fail", 1.0),
        ("unknown", 1.0),  # decides nothing
        ("fail", 5.0),  # decided
        ("fail", 5.0),
        ("pass", 1.0),
        ("warn", 5.0),  # a warning is a success
        ("unknown", 5.0),
    ]
    for outcome, delay in course:
        watched.report("http", Outcome(outcome))
        assert watched.tracker.delay(http) == delay, outcome


def test_a_probe_that_a_reload_has_just_brought_is_looked_at_fast():
    """It is undecided, even before the reload is recorded."""
    comes = probe("comes", interval=5.0, fast_interval=1.0)
    watched = Watched(plan(probe("http")))
    assert watched.tracker.delay(comes) == 1.0


def test_the_loops_delay_is_shown_at_its_worst_and_fades():
    """One late moment is not hidden by the next punctual one, and is not shown for ever."""
    watched = Watched(plan(probe("http")))
    watched.tracker.note_lag(0.5)
    watched.tracker.note_lag(0.0)
    watched.report("http", Outcome.PASS)
    shown = watched.tracker.snapshot.lag
    assert 0 < shown < 0.5
    for _ in range(100):
        watched.tracker.note_lag(0.0)
    watched.report("http", Outcome.PASS)
    assert watched.tracker.snapshot.lag < 0.001


def test_a_stop_is_told_once():
    """A second request finds it stopping already."""
    watched = Watched(plan(probe("http")))
    first = watched.record(StopRequested())
    second = watched.record(StopRequested())
    assert next(event.kind for kind, event in first if kind == "tell") is EventKind.STOPPING
    assert [event for kind, event in second if kind == "tell"] == []
