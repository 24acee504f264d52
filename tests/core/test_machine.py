"""What the deployment is, and what follows, fact by fact."""

import pytest
from builders import plan, probe, process, verdict

from sidecar.core.actions import BeginDrain, CancelDrain, ProbeNow
from sidecar.core.drain import DrainPhase, DrainStep
from sidecar.core.errors import IllegalTransitionError
from sidecar.core.events import EventKind
from sidecar.core.facts import (
    DrainAdvanced,
    GatewayAppeared,
    GatewayExited,
    ObserverLate,
    ProbeReported,
    Replanned,
    StopRequested,
)
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import OnFailure, Target
from sidecar.core.state import DeploymentStatus, Guard
from sidecar.core.verdict import Evidence, Outcome

P, W, F, U = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
WEB = probe("web")
DB = probe("db", target=Target.UPSTREAM, on_failure=OnFailure.UNREADY)
CACHE = probe("cache", target=Target.UPSTREAM)


class Sidecar:
    """The core with a clock that is wound by hand."""

    def __init__(self, *probes, **drain):
        self.now = 1000.0
        self.state = begin_state(plan(*(probes or (WEB, DB, CACHE)), **drain), self.now)
        self.events = []
        self.actions = []

    def take(self, fact, after=1.0):
        """Let time pass, then take in a fact; returns the actions that follow."""
        self.now += after
        self.state, events, actions = step(self.state, fact, self.now)
        self.events += events
        self.actions += actions
        return actions

    def see(self, outcomes, **details):
        """Take in verdicts, ``{"web": F}``, a second later."""
        self.now += 1.0
        for name, outcome in outcomes.items():
            self.take(ProbeReported(name, verdict(outcome, self.now, **(details if outcome is F else {}))), after=0.0)
        return self

    def started(self):
        """A gateway, old enough, with everything well."""
        self.take(GatewayAppeared(process(started=0.0)))
        return self.see({"web": P, "db": P, "cache": P})

    def fail(self, name, seconds, **details):
        """One failure a second for so many seconds, while every other check passes."""
        for _ in range(seconds):
            self.see({**dict.fromkeys(self.state.checks, P), name: F}, **details)
        return self

    @property
    def health(self):
        """What is answered now."""
        return self.state.health

    @property
    def answers(self):
        """Status, and the codes of readiness, liveness and startup."""
        h = self.health
        return (h.status.value, *(200 if answer else 503 for answer in (h.ready, h.live, h.started)))

    def kinds(self):
        """The kinds of the events told so far."""
        return [event.kind for event in self.events]


def test_before_the_first_verdict_it_is_starting_and_alive():
    """Nothing known: not ready, not started, but alive."""
    assert Sidecar().answers == ("starting", 503, 200, 503)


def test_it_is_ready_when_every_startup_check_has_passed_once():
    """The last missing check completes the start."""
    sidecar = Sidecar().see({"web": P, "db": P})
    assert sidecar.answers == ("starting", 503, 200, 503)
    assert any("cache: has not passed yet" in reason for reason in sidecar.health.reasons)
    assert sidecar.see({"cache": P}).answers == ("ready", 200, 200, 200)


@pytest.mark.parametrize(
    ("failing", "answers"),
    [
        ("web", ("unhealthy", 503, 503, 200)),
        ("db", ("unhealthy", 503, 200, 200)),
        ("cache", ("degraded", 200, 200, 200)),
    ],
)
def test_a_failing_check_does_what_its_on_failure_says(failing, answers):
    """Drain and unready take readiness away, degrade does not, and liveness is the gateway's alone."""
    sidecar = Sidecar().started()
    assert sidecar.fail(failing, 2).answers[1] == 200, "two failures decide nothing"
    assert sidecar.fail(failing, 1).answers == answers
    assert sidecar.see({failing: P}).answers == ("ready", 200, 200, 200)


@pytest.mark.parametrize(
    ("name", "evidence", "cause"),
    [("web", Evidence.SILENT, "local"), ("web", Evidence.MISCONFIGURED, None), ("db", Evidence.SILENT, None)],
)
def test_an_unhealthy_status_tells_whose_fault_it_is_where_that_is_proven(name, evidence, cause):
    """The gateway's own, or nobody's as far as one replica can tell."""
    events = Sidecar().started().fail(name, 3, evidence=evidence).events
    (event,) = [each for each in events if each.kind is EventKind.STATUS_CHANGED and each.after == "unhealthy"]
    assert event.cause == cause


def test_a_check_that_is_only_observed_changes_nothing():
    """``observe`` is shown and counted, no more."""
    trial = probe("trial", target=Target.UPSTREAM, on_failure=OnFailure.OBSERVE, startup=False)
    sidecar = Sidecar(WEB, trial).see({"web": P}).fail("trial", 5)
    assert sidecar.answers == ("ready", 200, 200, 200)


def test_a_warning_degrades_and_never_more():
    """A thousand warnings take no readiness and begin no drain."""
    sidecar = Sidecar().started()
    for _ in range(1000):
        sidecar.see({"web": W, "db": P, "cache": P})
    assert sidecar.answers == ("degraded", 200, 200, 200)
    assert not any(isinstance(action, BeginDrain) for action in sidecar.actions)


def test_upstream_latches_outlive_a_restart_of_the_gateway():
    """A gateway that restarts during an outage of its cache comes back: the cache need not pass again."""
    sidecar = Sidecar().started().fail("cache", 3)
    sidecar.take(GatewayExited(process(started=0.0)))
    assert sidecar.answers == ("unhealthy", 503, 503, 200)
    sidecar.take(GatewayAppeared(process(pid=200, started=sidecar.now)))
    assert sidecar.answers == ("starting", 503, 200, 503)
    assert sidecar.see({"web": P}).answers == ("degraded", 200, 200, 200)


def test_an_exit_is_known_at_once_and_nothing_but_a_new_process_makes_it_ready_again():
    """Readiness and liveness say 503 from the exit on, whatever the port answers."""
    sidecar = Sidecar().started()
    sidecar.take(GatewayExited(process(started=0.0)))
    for _ in range(10):
        sidecar.see({"web": P, "db": P, "cache": P})
        assert sidecar.answers[1:3] == (503, 503)
    assert EventKind.GATEWAY_EXITED in sidecar.kinds()


def test_a_new_process_starts_with_clean_counters_and_is_looked_at_at_once():
    """Failures of the old process do not count against the new one."""
    sidecar = Sidecar().started().fail("web", 2)
    sidecar.take(GatewayExited(process(started=0.0)))
    actions = sidecar.take(GatewayAppeared(process(pid=200, started=sidecar.now)))
    assert actions[0] == ProbeNow(Target.GATEWAY)
    assert sidecar.state.checks["web"].failures == 0


def test_a_doubt_about_the_process_changes_no_answer():
    """A process that cannot be proven for a moment keeps its counts; it only is not drained meanwhile."""
    sidecar = Sidecar().started().fail("web", 2)
    sidecar.take(GatewayAppeared(None, "two processes listen"))
    assert sidecar.answers == ("ready", 200, 200, 200)
    sidecar.take(GatewayAppeared(process(started=0.0)))
    assert sidecar.state.checks["web"].failures == 2


def test_a_verdict_on_the_process_before_is_thrown_away():
    """An execution that began before the new process appeared says nothing about it."""
    sidecar = Sidecar().started()
    sidecar.take(GatewayExited(process(started=0.0)))
    seen_before = sidecar.now
    sidecar.take(GatewayAppeared(process(pid=200, started=sidecar.now)))
    sidecar.take(ProbeReported("web", verdict(P, seen_before)))
    assert sidecar.state.checks["web"].verdict is None


def test_unknown_holds_the_state_as_degraded_and_then_fails_closed_without_a_drain():
    """For ``stale_after`` the last state is held; then readiness is 503, and still nothing is drained."""
    sidecar = Sidecar(WEB, drain_after=5.0).see({"web": P})
    sidecar.take(GatewayAppeared(process(started=0.0)))
    sidecar.see({"web": U})
    assert sidecar.answers == ("degraded", 200, 200, 200)
    for _ in range(60):
        sidecar.see({"web": U})
    assert sidecar.answers == ("unhealthy", 503, 200, 200)
    assert sidecar.state.drain.total == 0


def test_a_snapshot_is_believed_until_the_first_check_grows_stale():
    """With nothing further heard, readiness may be believed for 30 seconds from the oldest evidence."""
    sidecar = Sidecar().started()
    assert sidecar.health.believe_until == sidecar.state.checks["web"].known_at + 30.0


def test_a_drain_begins_after_unbroken_local_failure():
    """Not before ``drain_after``; then the process is drained, readiness is 503 and liveness 200."""
    sidecar = Sidecar(drain_after=30.0).started().fail("web", 30)
    assert sidecar.state.drain.phase is DrainPhase.IDLE
    sidecar.fail("web", 1)
    assert sidecar.state.drain.phase is DrainPhase.LAME_DUCK
    assert sidecar.actions[-1].process == process(started=0.0)
    assert sidecar.answers == ("unhealthy", 503, 200, 200)


def draining(**drain):
    """A sidecar that has just begun a drain."""
    return Sidecar(drain_after=30.0, **drain).started().fail("web", 31)


def test_recovery_before_the_signal_calls_the_drain_off():
    """One pass and the drain is over, and the actor can go no further."""
    sidecar = draining().see({"web": P})
    assert isinstance(sidecar.actions[-1], CancelDrain)
    assert sidecar.answers == ("ready", 200, 200, 200)
    with pytest.raises(IllegalTransitionError):
        sidecar.take(DrainAdvanced(DrainStep.QUIESCE), after=10.0)


def test_an_unknown_verdict_before_the_signal_calls_the_drain_off():
    """What is not seen failing any more is not drained."""
    sidecar = draining().see({"web": U})
    assert isinstance(sidecar.actions[-1], CancelDrain)


def test_a_drain_goes_on_to_its_signal_and_ends_with_the_exit():
    """Lame duck, quiesce, signal, exit; then the drain is over and the gateway gone."""
    sidecar = draining(lame_duck=5.0)
    sidecar.take(DrainAdvanced(DrainStep.QUIESCE), after=5.0)
    sidecar.take(DrainAdvanced(DrainStep.SIGNAL))
    assert sidecar.answers == ("unhealthy", 503, 200, 200)
    sidecar.take(GatewayExited(process(started=0.0)))
    assert sidecar.state.drain.phase is DrainPhase.IDLE
    assert sidecar.kinds()[-3:] == [
        EventKind.GATEWAY_EXITED,
        EventKind.DRAIN_FINISHED,
        EventKind.STATUS_CHANGED,
    ]


def test_a_drain_that_begins_as_another_ends_is_told_like_any_other():
    """Given up while the failure goes on and no pause forbids the next: one is over, one has begun."""
    sidecar = draining(lame_duck=0.0, cool_down=1.0)
    sidecar.take(DrainAdvanced(DrainStep.QUIESCE))
    sidecar.take(DrainAdvanced(DrainStep.SIGNAL))
    sidecar.fail("web", 5)
    sidecar.take(DrainAdvanced(DrainStep.FINISH))
    over, begun = (event for event in sidecar.events[-2:])
    assert (over.kind, over.before, over.after) == (EventKind.DRAIN_FINISHED, "signalled", "idle")
    assert (begun.kind, begun.before, begun.after) == (EventKind.DRAIN_BEGUN, "idle", "lame_duck")
    assert begun.message.startswith("draining process 100: web has failed for")


def test_a_signal_on_evidence_that_is_too_old_is_refused():
    """A stalled engine freezes drains."""
    sidecar = draining(lame_duck=5.0)
    sidecar.take(DrainAdvanced(DrainStep.QUIESCE), after=5.0)
    with pytest.raises(IllegalTransitionError, match="too old"):
        sidecar.take(DrainAdvanced(DrainStep.SIGNAL), after=60.0)


def test_a_stop_from_outside_calls_the_drain_off_and_keeps_liveness():
    """Somebody else is stopping the gateway: readiness 503, liveness 200, no signal of ours."""
    sidecar = draining()
    actions = sidecar.take(StopRequested())
    assert isinstance(actions[0], CancelDrain)
    assert sidecar.answers == ("unhealthy", 503, 200, 200)


def test_a_late_observer_begins_its_proof_anew():
    """Half a minute of failure with a stall within it is no half a minute of seen failure."""
    sidecar = Sidecar(drain_after=30.0).started().fail("web", 20)
    sidecar.take(ObserverLate(3.0))
    assert sidecar.fail("web", 15).state.drain.total == 0
    assert sidecar.fail("web", 20).state.drain.total == 1


GUARDS = [
    ({"enabled": False}, {}, Guard.DISABLED),
    ({"min_uptime": 1e6}, {}, Guard.MIN_UPTIME),
    ({"max_per_hour": 0}, {}, Guard.MAX_PER_HOUR),
    ({}, {"evidence": Evidence.MISCONFIGURED}, Guard.NOT_LOCAL),
]


@pytest.mark.parametrize(("rules", "details", "guard"), GUARDS)
def test_a_guard_withholds_the_drain_and_tells_it_once(rules, details, guard):
    """The drain is due, the guard forbids it; one event and one count, not one a second."""
    sidecar = Sidecar(drain_after=10.0, **rules).started().fail("web", 40, **details)
    assert sidecar.state.drain.total == 0
    assert sidecar.state.withheld.guard is guard
    assert sidecar.kinds().count(EventKind.DRAIN_WITHHELD) == 1
    assert sidecar.state.withheld_counts == {guard: 1}
    assert sidecar.answers[1] == 503


def test_a_wrong_reply_during_an_outage_upstream_is_not_drained():
    """The gateway repeats its database's error: unready, and left alone."""
    sidecar = Sidecar(drain_after=10.0).started()
    for _ in range(60):
        sidecar.see({"db": F, "web": F, "cache": P}, evidence=Evidence.WRONG)
    assert sidecar.state.drain.total == 0
    assert sidecar.state.withheld.guard is Guard.NOT_LOCAL


def test_a_gateway_that_never_started_is_not_drained():
    """Never while starting."""
    sidecar = Sidecar(WEB, DB, drain_after=10.0)
    sidecar.take(GatewayAppeared(process(started=0.0)))
    sidecar.see({"web": P})
    for _ in range(60):
        sidecar.see({"web": F})
    assert sidecar.state.withheld.guard is Guard.STARTING


def test_a_process_that_cannot_be_proven_is_not_drained():
    """The reason says who it is."""
    sidecar = Sidecar(WEB, drain_after=10.0).see({"web": P})
    sidecar.take(GatewayAppeared(None, "it belongs to another user"))
    sidecar.fail("web", 40)
    assert sidecar.state.withheld.guard is Guard.UNPROVEN_PROCESS
    assert "another user" in sidecar.state.withheld.reason


def test_cooling_down_withholds_the_next_drain():
    """After a drain that ended without an exit, the pause holds."""
    sidecar = draining(cool_down=300.0, escalate=False, lame_duck=0.0)
    for drain_step in (DrainStep.QUIESCE, DrainStep.SIGNAL, DrainStep.FINISH):
        sidecar.take(DrainAdvanced(drain_step))
    assert sidecar.fail("web", 100).state.withheld.guard is Guard.COOL_DOWN
    assert sidecar.fail("web", 250).state.drain.total == 2


def test_a_reload_keeps_what_is_known_and_never_undoes_a_start():
    """Unchanged probes keep their state; a new one does not make the deployment start again."""
    sidecar = Sidecar().started().fail("cache", 3)
    sidecar.take(Replanned(plan(WEB, probe("extra", target=Target.UPSTREAM), CACHE)))
    assert sidecar.answers == ("degraded", 200, 200, 200)
    assert set(sidecar.state.checks) == {"web", "extra", "cache"}


def test_a_reload_that_changes_the_rules_calls_a_drain_off():
    """What began under rules that hold no more is decided anew; the event says why it ended."""
    sidecar = draining()
    actions = sidecar.take(Replanned(plan(WEB, DB, CACHE, drain_after=30.0, enabled=False)))
    assert [type(action) for action in actions] == [CancelDrain]
    assert sidecar.state.drain.phase is DrainPhase.IDLE
    cancelled = next(event for event in sidecar.events if event.kind is EventKind.DRAIN_CANCELLED)
    assert "rules have changed" in cancelled.message
    assert sidecar.fail("web", 5).state.withheld.guard is Guard.DISABLED


def test_a_probe_that_a_reload_took_away_may_still_report():
    """Its last verdict changes nothing."""
    sidecar = Sidecar().started()
    sidecar.take(Replanned(plan(WEB)))
    before = sidecar.state
    assert sidecar.take(ProbeReported("db", verdict(F, sidecar.now))) == ()
    assert sidecar.state is before


def test_every_change_of_status_is_an_event_with_evidence():
    """Who asks why it changed finds rule and value."""
    sidecar = Sidecar().started().fail("db", 3, reason="connects: found refused")
    changed = [event for event in sidecar.events if event.kind is EventKind.STATUS_CHANGED]
    assert [(event.before, event.after) for event in changed] == [
        (DeploymentStatus.STARTING, DeploymentStatus.READY),
        (DeploymentStatus.READY, DeploymentStatus.UNHEALTHY),
    ]
    assert changed[-1].evidence == ("db: connects: found refused",)


def test_an_upstream_that_is_merely_observed_withholds_no_drain():
    """It is shown and counted, and nothing else: what is tried out may be wrong itself."""
    tried = probe("tried", target=Target.UPSTREAM, on_failure=OnFailure.OBSERVE)
    now, state = 1000.0, begin_state(plan(probe("web", failure_threshold=1), tried), 1000.0)
    for name, outcome in (("tried", F), ("web", F)):
        seen = verdict(outcome, now, evidence=Evidence.WRONG)
        state = step(state, ProbeReported(name, seen), now).state
    assert state.checks["web"].local_since == now
