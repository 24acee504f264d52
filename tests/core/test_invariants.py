"""The invariants, attacked: any order of facts, however unlikely, at any pace."""

from builders import plan, probe, process, verdict
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sidecar.core.actions import BeginDrain, EndChild, StartChild
from sidecar.core.drain import SIGNALS, DrainPhase, DrainStep
from sidecar.core.errors import IllegalTransitionError, RefusedError
from sidecar.core.facts import (
    ChildEnded,
    ChildStarted,
    DrainAdvanced,
    DrainOrdered,
    GatewayAppeared,
    GatewayExited,
    MaintenanceBegun,
    MaintenanceEnded,
    ObserverLate,
    ProbeReported,
    ReplacementOrdered,
    Replanned,
    StopRequested,
    TimePassed,
)
from sidecar.core.health import GATING, CheckState
from sidecar.core.identity import Ending
from sidecar.core.machine import begin_state, step, step_in_full
from sidecar.core.plan import OnFailure, Target
from sidecar.core.restart import ChildPhase
from sidecar.core.state import DeploymentStatus, GatewayPhase, Maintenance
from sidecar.core.verdict import Evidence, Outcome

WEB, MCP = probe("web", failure_threshold=2), probe("mcp", failure_threshold=1)
DB = probe("db", target=Target.UPSTREAM, on_failure=OnFailure.UNREADY, stale_after=20.0)
CACHE = probe("cache", target=Target.UPSTREAM)
TRIAL = probe("trial", target=Target.UPSTREAM, on_failure=OnFailure.OBSERVE, startup=False)
PLANS = (
    plan(WEB, MCP, DB, CACHE, TRIAL, drain_after=3.0, min_uptime=60.0, lame_duck=2.0, cool_down=200.0),
    plan(WEB, MCP, drain_after=0.0, min_uptime=0.0, lame_duck=2.0, cool_down=200.0),
    plan(WEB, DB, drain_after=3.0, min_uptime=60.0, lame_duck=2.0, cool_down=200.0),
)
NAMES = ("web", "mcp", "db", "cache", "trial")


class AnyOrder(RuleBasedStateMachine):
    """Facts in any order; after each, everything that must always hold is held against the state."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.state = begin_state(PLANS[0], self.now)
        self.unready_since = self.now
        self.pids = 1
        self.signalled = []

    def take(self, fact):
        """Step, and check what the step itself must obey."""
        before = self.state
        try:
            stepped = step(before, fact, self.now)
        except IllegalTransitionError:
            assert isinstance(fact, DrainAdvanced), "only a drain's step can be refused"
            return
        except RefusedError:
            assert isinstance(fact, DrainOrdered | ReplacementOrdered), "only an order can be refused"
            return
        assert stepped == step_in_full(before, fact, self.now), "the shortcut has led elsewhere"
        self.state, _, actions = stepped
        if self.state.health.ready:
            self.unready_since = None
        elif self.unready_since is None:
            self.unready_since = self.now
        for action in actions:
            if isinstance(action, BeginDrain):
                self.drain_began(before, action)
            if isinstance(action, EndChild):
                assert isinstance(fact, ReplacementOrdered)
                assert before.drain.phase is DrainPhase.IDLE
                assert before.plan.drain.enabled
                assert self.state.maintenance is None
            if isinstance(action, StartChild):
                assert isinstance(fact, ChildEnded)
                assert not self.state.stopping
                assert action.pause <= self.state.plan.parent.restart_backoff_max
        if self.state.drain.phase in SIGNALS and before.drain.phase not in SIGNALS:
            self.signal_sent(before)

    def drain_began(self, before, action):
        """A drain begins only on an order, or on a fresh, local failure of an old enough, started gateway.

        The gateway is proven in any case, and nobody has taken the replica out.
        """
        assert action.process == self.state.gateway.process
        assert not self.state.stopping
        assert self.state.maintenance is None
        if self.state.drain.ordered:
            return
        assert self.now <= self.state.health.believe_until
        assert before.health.started or self.state.health.started
        rules = self.state.plan.drain
        assert self.now - action.process.started >= rules.min_uptime
        sick = [
            check
            for item in self.state.plan.probes
            if item.target is Target.GATEWAY and (check := self.state.checks[item.name]).state is CheckState.FAILING
        ]
        assert any(check.local_since is not None and check.outcome is Outcome.FAIL for check in sick)
        if self.signalled:
            assert self.now - self.signalled[-1] >= rules.cool_down
        assert sum(self.now - at < 3600 for at in self.signalled) < rules.max_per_hour

    def signal_sent(self, before):
        """Readiness has said 503 for lame duck, and the evidence is still believed."""
        self.signalled.append(self.now)
        assert self.unready_since is not None
        assert self.now - self.unready_since >= before.plan.drain.lame_duck
        assert self.now <= before.health.believe_until or before.drain.ordered
        assert before.drain.process == before.gateway.process
        assert before.gateway.phase is GatewayPhase.UP

    @initialize(age=st.sampled_from([0.0, 500.0]), plan_=st.sampled_from(PLANS))
    def a_gateway_is_there(self, age, plan_):
        """Begin where drains can begin: a running gateway, and everything well."""
        self.take(Replanned(plan_))
        self.take(GatewayAppeared(process(1, self.now - age)))
        self.all_is_well(1)

    @precondition(lambda self: self.state.drain.phase is not DrainPhase.IDLE)
    @rule(pause=st.sampled_from([0.5, 2.0, 35.0]), still_failing=st.booleans())
    def actor_goes_on(self, pause, still_failing):
        """The actor waits and asks for the next step in order, as the real one does."""
        self.now += pause
        if still_failing:
            self.now -= pause
            self.gateway_fails(max(1, int(pause)), Evidence.REFUSED)
        following = {
            DrainPhase.LAME_DUCK: DrainStep.QUIESCE,
            DrainPhase.QUIESCING: DrainStep.SIGNAL,
            DrainPhase.SIGNALLED: DrainStep.ESCALATE,
        }
        self.take(DrainAdvanced(following.get(self.state.drain.phase, DrainStep.FINISH)))

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 2.0, 10.0, 40.0, 4000.0]))
    def time_passes(self, seconds):
        """Nothing is heard for a while."""
        self.now += seconds

    @rule(
        name=st.sampled_from(NAMES),
        outcome=st.sampled_from(Outcome),
        evidence=st.sampled_from(Evidence),
        age=st.sampled_from([0.0, 2.0, 25.0, 50.0]),
    )
    def probe_reports(self, name, outcome, evidence, age):
        """One verdict, on what was observed just now or long ago."""
        self.take(ProbeReported(name, verdict(outcome, self.now - age, evidence=evidence)))

    @rule(rounds=st.integers(1, 8))
    def all_is_well(self, rounds):
        """Every probe passes, round after round."""
        for _ in range(rounds):
            self.now += 1.0
            for name in NAMES:
                self.take(ProbeReported(name, verdict(Outcome.PASS, self.now)))

    @rule(seconds=st.integers(1, 12), evidence=st.sampled_from([Evidence.REFUSED, Evidence.SILENT, Evidence.WRONG]))
    def gateway_fails(self, seconds, evidence):
        """The gateway's checks fail for a while, every other passes."""
        for _ in range(seconds):
            self.now += 1.0
            for name in NAMES:
                outcome = Outcome.FAIL if name in ("web", "mcp") else Outcome.PASS
                self.take(ProbeReported(name, verdict(outcome, self.now, evidence=evidence)))

    @rule(data=st.data())
    def something_disturbs(self, data):
        """Now and then, what nobody asked for."""
        disturb = data.draw(
            st.sampled_from(
                [
                    self.gateway_appears,
                    self.gateway_exits,
                    self.an_older_process_exits,
                    self.actor_asks,
                    self.observer_was_late,
                    self.reloaded,
                    self.stop_is_asked_for,
                    self.a_drain_is_ordered,
                    self.a_replacement_is_ordered,
                    self.maintenance_begins,
                    self.maintenance_ends,
                    self.nothing_but_time,
                    self.command_starts,
                    self.command_ends,
                ]
            )
        )
        disturb(data.draw)

    def gateway_appears(self, draw):
        """A process, or one that cannot be proven."""
        self.pids += 1
        proven = draw(st.booleans())
        found = process(self.pids, self.now - draw(st.sampled_from([0.0, 50.0, 500.0]))) if proven else None
        self.take(GatewayAppeared(found, None if proven else "it belongs to another user"))

    def gateway_exits(self, _):
        """The known process exits."""
        if self.state.gateway.process is not None:
            self.take(GatewayExited(self.state.gateway.process))

    def an_older_process_exits(self, _):
        """An exit of a process that is not the gateway any more."""
        phase = self.state.gateway.phase
        self.take(GatewayExited(process(0, 0.0)))
        assert self.state.gateway.phase is phase

    def command_starts(self, _):
        """Parent mode: whatever was known of the gateway is about another."""
        self.pids += 1
        self.take(ChildStarted(process(self.pids, self.now)))
        assert not self.state.health.ready

    def command_ends(self, draw):
        """Parent mode: it is started again, or is given up, or was to end; never two of these."""
        self.take(ChildEnded(Ending(draw(st.sampled_from([0, 1, 137])), "has ended")))
        allowed = {ChildPhase.ENDED} if self.state.stopping else {ChildPhase.RESTARTING, ChildPhase.ENDED}
        assert self.state.child.phase in allowed
        assert len(self.state.child.crashes) <= self.state.plan.parent.max_restarts + 1

    def actor_asks(self, draw):
        """The actor asks for a step, in order or not."""
        self.take(DrainAdvanced(draw(st.sampled_from([item for item in DrainStep if item is not DrainStep.BEGIN]))))

    def observer_was_late(self, draw):
        """The sidecar was held up; no check keeps a proof of unbroken failure."""
        self.take(ObserverLate(draw(st.floats(1.0, 100.0))))
        assert all(check.local_since is None for check in self.state.checks.values())

    def reloaded(self, draw):
        """A reload never takes a start back."""
        started = self.state.health.started
        self.take(Replanned(draw(st.sampled_from(PLANS))))
        assert self.state.health.started or not started

    def stop_is_asked_for(self, _):
        """The platform stops everything: no drain of ours goes on without having signalled."""
        self.take(StopRequested())
        assert self.state.drain.phase is DrainPhase.IDLE or self.state.drain.phase in SIGNALS

    def a_drain_is_ordered(self, _):
        """An operator wants a drain: it begins, or it is refused and changes nothing."""
        self.take(DrainOrdered("an order", "root"))

    def a_replacement_is_ordered(self, _):
        """Parent mode: the command is drained, or ended, or goes on; it is never counted as a crash."""
        self.take(ReplacementOrdered("an earlier release takes its place"))

    def maintenance_begins(self, draw):
        """An operator takes the replica out: no drain goes on that has not signalled."""
        until = self.now + draw(st.sampled_from([0.5, 5.0, 5000.0]))
        self.take(MaintenanceBegun(Maintenance(reason="an upgrade", by="root", since=self.now, until=until)))
        assert self.state.drain.phase is DrainPhase.IDLE or self.state.drain.phase in SIGNALS

    def maintenance_ends(self, _):
        """An operator puts it back."""
        self.take(MaintenanceEnded("it is over", "root"))
        assert self.state.maintenance is None

    def nothing_but_time(self, _):
        """Whatever comes past its end, it ends the maintenance."""
        self.take(TimePassed())
        assert self.state.maintenance is None or self.now < self.state.maintenance.until

    @invariant()
    def everything_may_be_believed_until_then(self):
        """A check that is silent too long ends it, and one that gates readiness also by being unknown too long."""
        ends = {
            item.name: item.stale_after + (check.known_at if item.on_failure in GATING else check.reported_at)
            for item in self.state.plan.probes
            if (check := self.state.checks[item.name])
        }
        assert ends == {name: check.believe_until for name, check in self.state.checks.items()}
        assert self.state.health.believe_until == min(ends.values())

    @invariant()
    def whatever_passes_has_passed_once(self):
        """So a passing check never stands against the start, and need not be asked."""
        assert all(check.latched for check in self.state.checks.values() if check.state is CheckState.PASSING)

    @invariant()
    def maintenance_outranks_every_probe(self):
        """While it lasts the replica is never ready and always alive."""
        if self.state.maintenance is not None:
            assert not self.state.health.ready
            assert self.state.health.live

    @invariant()
    def status_and_answers_agree(self):
        """Ready and degraded are ready, the other two are not; nothing is ready that has not started."""
        health = self.state.health
        assert health.ready == (health.status in (DeploymentStatus.READY, DeploymentStatus.DEGRADED))
        assert health.started or health.status is DeploymentStatus.STARTING

    @invariant()
    def unready_while_draining_stopping_or_gone(self):
        """No drain, stop or death is ever shown as ready."""
        state = self.state
        if state.drain.phase is not DrainPhase.IDLE or state.stopping or state.gateway.phase is GatewayPhase.GONE:
            assert not state.health.ready

    @invariant()
    def liveness_is_suspended_while_draining_or_stopping(self):
        """A platform that restarts on liveness would cut the drain short."""
        if self.state.drain.phase is not DrainPhase.IDLE or self.state.stopping:
            assert self.state.health.live

    @invariant()
    def a_restart_is_neither_ready_nor_dead(self):
        """Traffic has to leave, and the platform has to wait."""
        if self.state.child.phase is ChildPhase.RESTARTING:
            assert not self.state.health.ready
            assert self.state.health.live

    @invariant()
    def not_alive_is_only_for_a_dead_or_hung_gateway(self):
        """Liveness is never taken away for an upstream or for the observer."""
        if not self.state.health.live:
            gateway_checks = [self.state.checks[p.name] for p in self.state.plan.probes if p.target is Target.GATEWAY]
            hung = any(
                check.state is CheckState.FAILING
                and check.verdict.evidence in (Evidence.GONE, Evidence.REFUSED, Evidence.SILENT)
                for check in gateway_checks
            )
            assert self.state.gateway.phase is GatewayPhase.GONE or hung


AnyOrder.TestCase.settings = settings(max_examples=300, stateful_step_count=40)
TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.__doc__ = "No order of facts breaks an invariant."
