"""What happens next: worded by the core, for people at three in the morning."""

import pytest
from builders import plan, probe, process, verdict
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.drain import DrainStep
from sidecar.core.facts import (
    DrainAdvanced,
    DrainOrdered,
    GatewayAppeared,
    GatewayExited,
    MaintenanceBegun,
    ProbeReported,
    StopRequested,
)
from sidecar.core.forecast import forecast
from sidecar.core.plan import OnFailure, Target
from sidecar.core.state import Maintenance
from sidecar.core.verdict import Evidence, Outcome
from sidecar.tracker import Tracker

DB = probe("db", target=Target.UPSTREAM, on_failure=OnFailure.UNREADY)
CACHE = probe("cache", target=Target.UPSTREAM)


class Scene:
    """A tracker with a clock that is wound by hand, beside a started gateway."""

    def __init__(self, **drain):
        self.now = 1000.0
        rules = {"drain_after": 30.0, "min_uptime": 0.0, **drain}
        self.tracker = Tracker(
            plan(probe("web"), DB, CACHE, **rules),
            lambda: self.now,
            publish=lambda _: None,
            tell=lambda _: None,
            act=lambda _: None,
        )

    def started(self):
        """Everything is well."""
        self.tracker.record(GatewayAppeared(process(1, 900.0)))
        return self.see()

    def see(self, seconds=1, evidence=None, **outcomes):
        """Take in a verdict of every probe each second; those not named pass."""
        for _ in range(seconds):
            self.now += 1.0
            for name in ("web", "db", "cache"):
                outcome = outcomes.get(name, Outcome.PASS)
                proof = evidence if outcome is Outcome.FAIL else None
                self.take(ProbeReported(name, verdict(outcome, self.now, evidence=proof)))
        return self

    def take(self, fact):
        """Take in a fact."""
        self.tracker.record(fact)
        return self

    def later(self, seconds):
        """Let time pass."""
        self.now += seconds
        return self

    def told(self):
        """The forecast of this moment."""
        return forecast(self.tracker.snapshot, self.now)


def draining(**rules):
    """A drain on order has begun."""
    return Scene(**rules).started().take(DrainOrdered("it leaks", "root"))


QUIESCE = DrainAdvanced(DrainStep.QUIESCE)
FAIL, UNKNOWN = Outcome.FAIL, Outcome.UNKNOWN
WORD = Maintenance(reason="an upgrade", by="root", since=1000.0, until=1601.0)

NEXT = {
    "the first failure": (lambda: Scene().started().see(web=FAIL), "web: 2 more failures, the next look in 1 s: unr"),
    "the last one before": (lambda: Scene().started().see(2, web=FAIL), "web: 1 more failure in 1 s: unready"),
    "of an upstream": (lambda: Scene().started().see(2, cache=FAIL), "cache: 1 more failure in 1 s: degraded"),
    "of recovery": (lambda: Scene().started().see(5, db=FAIL), "db: 1 more pass in 5 s: passing again"),
    "of a start": (Scene, "db: 1 more pass in 0 s: passing"),
    "of doubt": (lambda: Scene().started().see(db=UNKNOWN).later(10), "db: unready in 19 s unless it can tell again"),
    "of long doubt": (lambda: Scene().started().see(40, db=UNKNOWN), "db: unready until it can tell again"),
    "of a drain": (lambda: Scene().started().see(19, web=FAIL), "drain in 12 s unless it recovers"),
    "of one to be withheld": (
        lambda: Scene(min_uptime=3600.0).started().see(19, web=FAIL),
        "a drain is due in 12 s unless it recovers, and will be withheld: min_uptime",
    ),
    "of one that is not proven": (
        lambda: Scene().started().see(5, db=FAIL, web=FAIL, evidence=Evidence.WRONG),
        "no drain, unless the failure proves to be the gateway's own",
    ),
    "of one that is withheld": (lambda: Scene(min_uptime=3600.0).started().see(40, web=FAIL), "withheld (min_uptime)"),
    "of lame duck": (lambda: draining().later(1), "lame duck ends in 4 s, SIGTERM follows within 10 s"),
    "of shadow": (lambda: draining(shadow=True), "SIGTERM (shadow: it is not sent) follows"),
    "of quiescing": (lambda: draining().later(5).take(QUIESCE), "SIGTERM in 10 s at the latest"),
    "of the end": (
        lambda: draining(quiesce=0.0).later(5).take(QUIESCE).take(DrainAdvanced(DrainStep.SIGNAL)),
        "SIGKILL in 30 s unless the gateway exits",
    ),
    "of maintenance": (lambda: Scene().started().take(MaintenanceBegun(WORD)), "maintenance ends in 10 min"),
    "of a stop": (lambda: Scene().started().take(StopRequested()), "the sidecar stops when the gateway is gone"),
    "of a death": (lambda: Scene().started().take(GatewayExited(process(1, 900.0))), "unready until another process"),
    "of silence": (lambda: Scene().started().later(10), "unready in 20 s should the probes fall silent"),
    "of a long silence": (lambda: Scene().started().later(100), "ready again at the earliest with the next verdicts"),
}  # fmt: skip


@pytest.mark.parametrize(("scene", "expected"), NEXT.values(), ids=list(NEXT))
def test_what_happens_next_is_told(scene, expected):
    """With its count and its time."""
    assert [line for line in scene().told().next if expected in line], scene().told().next


def test_all_is_well_when_there_is_nothing_to_tell():
    """Nothing holds the status, and no check has anything coming but its next look."""
    told = Scene().started().later(2).told()
    assert (told.ready, told.live, told.started, told.held_by) == (True, True, True, ())
    assert [(check.name, check.age, check.next_look, check.next) for check in told.checks] == [
        ("web", 2.0, 3.0, None),
        ("db", 2.0, 3.0, None),
        ("cache", 2.0, 3.0, None),
    ]


def test_what_holds_the_status_is_told_with_rule_and_value():
    """The gravest first: an operator's word outranks the probes."""
    scene = Scene().started().see(5, db=FAIL).take(MaintenanceBegun(WORD))
    assert scene.told().held_by == ("maintenance (root): an upgrade", "db: it is fail")


@given(st.floats(min_value=1000.0, max_value=4000.0))
def test_a_drain_is_foretold_whatever_the_clock_shows(at):
    """What is due when ``drain_after`` is over is due to the last bit of a fraction of a second."""
    scene = Scene(drain_after=3600.0)
    scene.now = at
    told = scene.started().see(19, web=FAIL).told()
    assert "drain in 60 min unless it recovers" in told.next


def test_what_is_foretold_comes_true():
    """A drain that is foretold for 12 s from now begins then, and no second earlier."""
    scene = Scene().started().see(19, web=FAIL)
    scene.see(11, web=FAIL)
    assert scene.tracker.state.drain.total == 0
    scene.see(1, web=FAIL)
    assert scene.tracker.state.drain.total == 1
