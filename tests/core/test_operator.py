"""What an operator says: maintenance outranks every probe, and a drain on order needs no failure."""

import pytest
from builders import plan, probe, process, verdict

from sidecar.core.actions import BeginDrain, CancelDrain
from sidecar.core.drain import DrainPhase, DrainStep
from sidecar.core.errors import IllegalTransitionError, RefusedError
from sidecar.core.events import EventKind
from sidecar.core.facts import (
    DrainAdvanced,
    DrainOrdered,
    GatewayAppeared,
    GatewayExited,
    MaintenanceBegun,
    MaintenanceEnded,
    ProbeReported,
    StopRequested,
    TimePassed,
)
from sidecar.core.machine import begin_state, step
from sidecar.core.state import Guard, Maintenance
from sidecar.core.verdict import Outcome

ORDER = DrainOrdered("it leaks", "root")


class Sidecar:
    """The core beside a started gateway, with a clock that is wound by hand."""

    def __init__(self, **drain):
        self.now = 1000.0
        self.events, self.actions = [], []
        rules = {"drain_after": 5.0, "min_uptime": 0.0, "lame_duck": 2.0, **drain}
        self.state = begin_state(plan(probe("web"), **rules), self.now)
        self.take(GatewayAppeared(process(1, started=900.0)))
        self.see(Outcome.PASS)

    def take(self, fact, after=0.0):
        """Let time pass, then take in a fact."""
        self.now += after
        self.state, events, actions = step(self.state, fact, self.now)
        self.events += [event.kind for event in events]
        self.actions += actions

    def see(self, outcome, seconds=1):
        """Take in a verdict each second."""
        for _ in range(seconds):
            self.now += 1.0
            self.take(ProbeReported("web", verdict(outcome, self.now)))

    def maintain(self, seconds=60.0, reason="an upgrade"):
        """Begin maintenance."""
        word = Maintenance(reason=reason, by="root", since=self.now, until=self.now + seconds)
        self.take(MaintenanceBegun(word))

    @property
    def answers(self):
        """Status, readiness, liveness and startup."""
        health = self.state.health
        return health.status.value, health.ready, health.live, health.started


def test_maintenance_takes_a_healthy_replica_out():
    """Readiness 503, liveness 200, and the reason says who and why."""
    sidecar = Sidecar()
    assert sidecar.answers == ("ready", True, True, True)
    sidecar.maintain()
    assert sidecar.answers == ("unhealthy", False, True, True)
    assert sidecar.state.health.reasons[0] == "maintenance (root): an upgrade"
    assert EventKind.MAINTENANCE_BEGUN in sidecar.events


def test_maintenance_keeps_a_dead_gateway_alive_for_the_platform():
    """Whoever restarts on liveness must not disturb the work."""
    sidecar = Sidecar()
    sidecar.maintain()
    sidecar.take(GatewayExited(process(1, started=900.0)))
    assert sidecar.answers == ("unhealthy", False, True, True)
    sidecar.take(MaintenanceEnded("it is over", "root"))
    assert sidecar.answers == ("unhealthy", False, False, True)


def test_no_drain_begins_in_maintenance_and_its_end_gives_the_gateway_time():
    """What is broken at the end has ``drain_after`` from then on; only after it a drain begins."""
    sidecar = Sidecar()
    sidecar.maintain()
    sidecar.see(Outcome.FAIL, 30)
    assert not any(isinstance(action, BeginDrain) for action in sidecar.actions)
    assert sidecar.state.withheld.guard is Guard.MAINTENANCE
    sidecar.take(MaintenanceEnded("it is over", "root"))
    assert (sidecar.state.withheld, sidecar.state.drain.phase) == (None, DrainPhase.IDLE)
    sidecar.see(Outcome.FAIL, 4)
    assert sidecar.state.drain.phase is DrainPhase.IDLE
    sidecar.see(Outcome.FAIL)
    assert sidecar.state.drain.phase is DrainPhase.LAME_DUCK


@pytest.mark.parametrize("fact", [TimePassed(), StopRequested(), GatewayExited(process(99))])
def test_maintenance_ends_by_itself_at_whatever_comes_next(fact):
    """No verdict is needed, and no timer that could be late."""
    sidecar = Sidecar()
    sidecar.maintain(60.0)
    sidecar.take(TimePassed(), after=59.9)
    assert sidecar.state.maintenance is not None
    sidecar.take(fact, after=0.1)
    assert sidecar.state.maintenance is None
    assert EventKind.MAINTENANCE_ENDED in sidecar.events


def test_a_new_word_takes_the_place_of_the_old_one():
    """Reason and end are the new ones."""
    sidecar = Sidecar()
    sidecar.maintain(60.0)
    sidecar.maintain(600.0, "a longer upgrade")
    sidecar.take(TimePassed(), after=100.0)
    assert sidecar.state.maintenance.reason == "a longer upgrade"


def test_an_end_without_a_beginning_changes_nothing():
    """It is not told either."""
    sidecar = Sidecar()
    before = sidecar.state
    sidecar.take(MaintenanceEnded("it is over", "root"))
    assert sidecar.state is before
    assert EventKind.MAINTENANCE_ENDED not in sidecar.events


@pytest.mark.parametrize("ordered", [False, True])
def test_maintenance_calls_off_a_drain_before_its_signal(ordered):
    """Of a sick gateway's drain, and of an order as well: the later word counts."""
    sidecar = Sidecar()
    if ordered:
        sidecar.take(ORDER)
    else:
        sidecar.see(Outcome.FAIL, 9)
    assert sidecar.state.drain.phase is DrainPhase.LAME_DUCK
    sidecar.maintain()
    assert sidecar.state.drain.phase is DrainPhase.IDLE
    assert sidecar.actions[-1] == CancelDrain("maintenance has begun")


def test_a_drain_on_order_needs_no_failure_and_no_recovery_ends_it():
    """A healthy gateway is taken out, and passing probes do not bring it back."""
    sidecar = Sidecar(drain_after=3600.0, min_uptime=3600.0)
    sidecar.take(ORDER)
    assert sidecar.actions[-1] == BeginDrain(process(1, started=900.0), "ordered by root: it leaks")
    assert sidecar.answers == ("unhealthy", False, True, True)
    sidecar.see(Outcome.PASS, 5)
    assert sidecar.state.drain.phase is DrainPhase.LAME_DUCK
    sidecar.take(DrainAdvanced(DrainStep.QUIESCE))
    sidecar.take(DrainAdvanced(DrainStep.SIGNAL))
    sidecar.take(GatewayExited(process(1, started=900.0)))
    assert (sidecar.state.drain.phase, sidecar.state.drain.ordered) == (DrainPhase.IDLE, False)


def test_a_drain_on_order_keeps_its_lame_duck_and_does_without_evidence():
    """Traffic leaves before the signal; old evidence forbids nothing, for nothing rests on it."""
    sidecar = Sidecar()
    sidecar.take(ORDER)
    with pytest.raises(IllegalTransitionError):
        sidecar.take(DrainAdvanced(DrainStep.QUIESCE), after=1.0)
    sidecar.take(DrainAdvanced(DrainStep.QUIESCE), after=3600.0)
    sidecar.take(DrainAdvanced(DrainStep.SIGNAL))
    assert sidecar.state.drain.phase is DrainPhase.SIGNALLED


def test_an_automatic_drain_cools_down_after_one_on_order():
    """What an operator has just restarted is left alone for a while."""
    sidecar = Sidecar()
    sidecar.take(ORDER)
    sidecar.take(DrainAdvanced(DrainStep.QUIESCE), after=2.0)
    sidecar.take(DrainAdvanced(DrainStep.SIGNAL))
    sidecar.take(GatewayExited(process(1, started=900.0)))
    sidecar.take(GatewayAppeared(process(2, started=sidecar.now)))
    sidecar.see(Outcome.PASS)
    sidecar.see(Outcome.FAIL, 20)
    assert sidecar.state.withheld.guard is Guard.COOL_DOWN


def unproven(sidecar):
    """Another user's process listens."""
    sidecar.take(GatewayAppeared(None, "it belongs to another user"))


REFUSALS = {
    "it belongs to another user": unproven,
    "is gone": lambda sidecar: sidecar.take(GatewayExited(process(1, started=900.0))),
    "one is under way (lame_duck): ordered by root: it leaks": lambda sidecar: sidecar.take(ORDER),
    "maintenance is on": lambda sidecar: sidecar.maintain(),
    "stopping": lambda sidecar: sidecar.take(StopRequested()),
}


@pytest.mark.parametrize(("why", "happens"), REFUSALS.items(), ids=list(REFUSALS))
def test_an_order_that_must_not_be_carried_out_is_refused_and_changes_nothing(why, happens):
    """The identity proof is never bypassed; the refusal says what stands against it."""
    sidecar = Sidecar()
    happens(sidecar)
    before = sidecar.state
    with pytest.raises(RefusedError) as refused:
        sidecar.take(ORDER)
    assert str(refused.value).startswith("cannot drain: ")
    assert why in str(refused.value)
    assert sidecar.state is before


def test_a_gateway_that_is_never_signalled_is_not_signalled_on_order_either():
    """``drain.enabled = false`` is a promise."""
    with pytest.raises(RefusedError, match="enabled is false"):
        Sidecar(enabled=False).take(ORDER)
