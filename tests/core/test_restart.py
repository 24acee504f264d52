"""A command that has ended: what is a crash, and when it is started again."""

import pytest
from builders import plan, probe, process, verdict
from msgspec.structs import replace

from sidecar.core.actions import BeginDrain, CancelDrain, CancelStart, EndChild, GiveUp, StartChild
from sidecar.core.drain import DrainPhase, DrainStep
from sidecar.core.errors import RefusedError
from sidecar.core.events import EventKind
from sidecar.core.facts import (
    ChildEnded,
    ChildStarted,
    DrainAdvanced,
    GatewayAppeared,
    GatewayExited,
    MaintenanceBegun,
    ProbeReported,
    ReplacementOrdered,
    StopRequested,
)
from sidecar.core.identity import Ending
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import ParentPlan
from sidecar.core.restart import ChildPhase, ChildState, decide_restart
from sidecar.core.severity import Severity
from sidecar.core.state import Maintenance
from sidecar.core.verdict import Evidence, Outcome

RULES = ParentPlan(restart_backoff=1.0, restart_backoff_max=5.0, max_restarts=4, restart_window=100.0)
RUNNING = ChildState(phase=ChildPhase.RUNNING)


@pytest.mark.parametrize(
    ("crashed_before", "pause"),
    [
        ([], 1.0),
        ([990.0], 2.0),
        ([980.0, 990.0], 4.0),
        ([970.0, 980.0, 990.0], 5.0),
        ([960.0, 970.0, 980.0, 990.0], None),
        ([900.0], 1.0),
        ([900.1], 2.0),
        ([800.0, 810.0, 820.0, 990.0], 2.0),
    ],
)
def test_each_crash_within_the_window_doubles_the_pause_and_one_too_many_is_the_last(crashed_before, pause):
    """The longest pause is a bound; a crash that is as old as the window counts no more."""
    child = replace(RUNNING, crashes=tuple(crashed_before))
    assert decide_restart(child, RULES, 1000.0).pause == pause


def test_without_permitted_restarts_the_first_crash_is_the_last():
    """``max_restarts = 0`` leaves restarting to the platform."""
    assert decide_restart(RUNNING, ParentPlan(max_restarts=0), 1000.0).pause is None


def test_an_end_that_was_asked_for_is_no_crash():
    """It is started again at once, however many crashes there were, and counts as none."""
    child = replace(RUNNING, asked=True, crashes=(996.0, 997.0, 998.0, 999.0))
    decision = decide_restart(child, RULES, 1000.0)
    assert decision.pause == 0.0
    assert decision.child.crashes == child.crashes


def test_crashes_that_count_no_more_are_forgotten():
    """A gateway that crashes once a day for years takes no memory."""
    child = RUNNING
    for day in range(1000):
        child = decide_restart(child, RULES, day * 86400.0).child
    assert len(child.crashes) == 1


class AsParent:
    """The core in parent mode, with a clock that is wound by hand."""

    def __init__(self, **drain):
        self.now = 1000.0
        self.state = begin_state(plan(probe("web", failure_threshold=1), **drain), self.now)
        self.events, self.actions = [], []

    def take(self, *facts):
        """Take in facts, each a second after the one before."""
        for fact in facts:
            self.now += 1.0
            self.state, events, actions = step(self.state, fact, self.now)
            self.events += events
            self.actions += actions
        return self

    def see(self, outcome, **details):
        """Take in a verdict on the gateway."""
        self.now += 1.0
        return self.take(ProbeReported("web", verdict(outcome, self.now + 1.0, **details)))

    def ready(self, pid=1):
        """A command that runs, listens and passes."""
        started = process(pid, self.now)
        return self.take(ChildStarted(started), GatewayAppeared(started)).see(Outcome.PASS)

    @property
    def answers(self):
        """Readiness, liveness, startup."""
        health = self.state.health
        return health.ready, health.live, health.started


CRASH = ChildEnded(Ending(0, "has ended with status 0"))
GONE = GatewayExited(process(1, 1000.0))


REPLACEMENT = ReplacementOrdered("an earlier release takes its place")


def test_a_command_that_is_replaced_is_drained_as_any_other():
    """Its requests are not cut; what ends by a drain is started again at once, and is no crash."""
    sidecar = AsParent().ready().take(REPLACEMENT)
    assert sidecar.actions[-1] == BeginDrain(sidecar.state.gateway.process, REPLACEMENT.reason)
    assert sidecar.take(REPLACEMENT).actions.count(sidecar.actions[-1]) == 1


def test_a_drain_that_is_under_way_becomes_the_replacements_own():
    """No recovery calls it off any more: another command is to run, however well this one is."""
    sidecar = AsParent(drain_after=0.0, min_uptime=0.0).ready().see(Outcome.FAIL, evidence=Evidence.REFUSED)
    assert sidecar.state.drain.phase is DrainPhase.LAME_DUCK
    began = len(sidecar.actions)
    sidecar.take(REPLACEMENT).see(Outcome.PASS)
    assert (sidecar.state.drain.phase, sidecar.state.drain.reason) == (DrainPhase.LAME_DUCK, REPLACEMENT.reason)
    assert not [action for action in sidecar.actions[began:] if isinstance(action, BeginDrain | CancelDrain)]


def test_a_command_that_is_replaced_and_does_not_listen_is_ended():
    """There is nobody to drain. Its end is no crash, and the other one is started at once."""
    sidecar = AsParent().take(ChildStarted(process(1, 1000.0)), REPLACEMENT)
    assert sidecar.actions[-1] == EndChild()
    sidecar.take(CRASH)
    assert sidecar.actions[-1] == StartChild(0.0)
    assert sidecar.state.child.crashes == ()
    assert sidecar.take(REPLACEMENT).actions[-1] == StartChild(0.0)


@pytest.mark.parametrize(
    ("drain", "fact", "why"),
    [
        ({"enabled": False}, None, "drain.enabled is false"),
        ({"shadow": True}, None, "drain.shadow is true"),
        ({}, StopRequested(), "the sidecar is stopping"),
        ({}, MaintenanceBegun(Maintenance(reason="a move", by="root", since=1000.0, until=9e9)), "maintenance is on"),
    ],
)
def test_a_command_that_must_not_be_ended_is_not_replaced(drain, fact, why):
    """Whoever has said that the gateway is left alone is obeyed by a rollback as well."""
    sidecar = AsParent(**drain).ready().take(*(() if fact is None else (fact,)))
    with pytest.raises(RefusedError, match=f"cannot end the gateway: {why}"):
        sidecar.take(REPLACEMENT)


@pytest.mark.parametrize("facts", [[GONE, CRASH], [CRASH, GONE]])
def test_a_crash_takes_readiness_and_leaves_liveness_until_the_next_process_passes(facts):
    """Whichever end is heard first: a platform that restarts on liveness must not cut the restart short."""
    sidecar = AsParent().ready()
    assert sidecar.answers == (True, True, True)
    for fact in facts:
        sidecar.take(fact)
        assert sidecar.answers == (False, True, True)
    assert sidecar.actions[-1] == StartChild(1.0)
    sidecar.see(Outcome.FAIL, evidence=Evidence.REFUSED)
    assert sidecar.answers == (False, True, True)
    sidecar.take(ChildStarted(process(2, sidecar.now)))
    assert sidecar.answers == (False, True, False)
    sidecar.take(GatewayAppeared(process(2, sidecar.now))).see(Outcome.PASS)
    assert sidecar.answers == (True, True, True)
    assert sidecar.state.child.restarts == 1


def test_status_0_is_a_crash_too_and_its_event_says_what_follows():
    """An error, with the count and the pause."""
    sidecar = AsParent().ready().take(CRASH)
    [ended] = [event for event in sidecar.events if event.kind is EventKind.CHILD_ENDED]
    assert ended.severity is Severity.ERROR
    assert "has ended with status 0; nobody has asked for that: crash 1 within 300 s" in ended.message
    assert "started again in 1 s" in ended.message


@pytest.mark.parametrize(("status", "ends_with"), [(0, 1), (3, 3), (139, 139)])
def test_too_many_crashes_end_the_sidecar_and_never_with_status_0(status, ends_with):
    """What the platform sees is a failure, and the gateway's own where it is one."""
    sidecar = AsParent()
    for pid in range(6):
        sidecar.ready(pid).take(ChildEnded(Ending(status, "has ended")))
    assert [action.pause for action in sidecar.actions if isinstance(action, StartChild)] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert sidecar.actions[-1] == GiveUp(ends_with)
    assert sidecar.state.child.phase is ChildPhase.ENDED
    assert sidecar.answers[:2] == (False, False)


def drained(**rules):
    """A gateway that a drain has signalled."""
    sidecar = AsParent(drain_after=0.0, min_uptime=0.0, lame_duck=0.0, **rules).ready()
    sidecar.see(Outcome.FAIL)
    assert sidecar.state.drain.phase is DrainPhase.LAME_DUCK
    return sidecar.take(DrainAdvanced(DrainStep.QUIESCE), DrainAdvanced(DrainStep.SIGNAL))


@pytest.mark.parametrize("facts", [[GONE, CRASH], [CRASH, GONE]])
def test_after_a_drain_the_command_is_started_again_at_once(facts):
    """The end was asked for: no pause, no crash, and liveness is 200 throughout."""
    sidecar = drained()
    for fact in facts:
        sidecar.take(fact)
        assert sidecar.answers[1]
    assert StartChild(0.0) in sidecar.actions
    assert sidecar.state.child.crashes == ()
    assert sidecar.state.drain.phase is DrainPhase.IDLE


def test_a_wrapper_that_outlives_the_drained_gateway_is_waited_for():
    """Between the end of who listened and the end of the command, the platform is not told to interfere."""
    sidecar = drained().take(GONE)
    assert sidecar.state.child.phase is ChildPhase.RUNNING
    assert sidecar.answers[:2] == (False, True)


def test_an_end_before_the_signal_of_a_drain_is_a_crash():
    """Nobody had asked for it yet."""
    sidecar = AsParent(drain_after=0.0, min_uptime=0.0).ready().see(Outcome.FAIL).take(CRASH)
    assert sidecar.actions[-1] == StartChild(1.0)
    assert len(sidecar.state.child.crashes) == 1


def test_the_next_process_owes_nothing_to_the_drain_of_the_last():
    """Its own sudden end is a crash."""
    sidecar = drained().take(CRASH).ready(2).take(CRASH)
    assert sidecar.actions[-1] == StartChild(1.0)


def test_a_stop_is_followed_by_no_start():
    """Neither after the end that it asks for, nor after one that came before it."""
    stopped = AsParent().ready().take(StopRequested(), CRASH)
    assert stopped.actions[-1:] != [StartChild(1.0)]
    assert stopped.state.child.phase is ChildPhase.ENDED
    pausing = AsParent().ready().take(CRASH, StopRequested())
    assert pausing.actions[-1] == CancelStart()
    assert pausing.state.child.phase is ChildPhase.ENDED
    assert stopped.answers[:2] == pausing.answers[:2] == (False, True)


def test_beside_a_gateway_there_is_no_command():
    """An exit of somebody else's process restarts nothing, and liveness says so."""
    started = process(1, 1000.0)
    sidecar = AsParent().take(GatewayAppeared(started)).see(Outcome.PASS).take(GatewayExited(started))
    assert not [action for action in sidecar.actions if isinstance(action, StartChild | GiveUp)]
    assert sidecar.answers == (False, False, True)
