"""A journal that is replayed by the plan under which it was written tells what happened, whatever that was."""

from builders import plan, probe, process, verdict
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule
from msgspec.structs import replace

from sidecar.core.drain import DrainPhase, DrainStep
from sidecar.core.errors import IllegalTransitionError, RefusedError
from sidecar.core.events import EventKind
from sidecar.core.facts import (
    ChildEnded,
    ChildStarted,
    DrainAdvanced,
    DrainOrdered,
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
    ReplacementOrdered,
    Replanned,
    RollbackAdvanced,
    RollbackOrdered,
    StandingRecalled,
    StopRequested,
    TimePassed,
    TrafficMeasured,
)
from sidecar.core.identity import Ending
from sidecar.core.journal.entries import write_entry
from sidecar.core.journal.replay import replay
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import OnFailure, Target
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import Hold, KnownGood
from sidecar.core.releases.rollback import RollbackStep
from sidecar.core.releases.sample import Sample
from sidecar.core.rules import PlatformKind, ReleasePlan, RollbackPlan
from sidecar.core.state import Maintenance, Standing
from sidecar.core.verdict import Evidence, Outcome
from sidecar.journal.reading import parse
from sidecar.journal.recorder import Recorder

MOMENT = 1 / 1024
"""No two facts come at once. Like every other time here it is a binary fraction, so that sums of them are exact."""

UNIX = 1_700_000_000.0

JUDGED = {
    "release": ReleasePlan(id="v2", bake=60.0, start_within=100.0, unhealthy_budget=10.0, min_samples=5),
    "rollback": RollbackPlan(platform=PlatformKind.COMMAND, argv=("true",)),
}
TOLD = (
    EventKind.STATUS_CHANGED,
    EventKind.DRAIN_BEGUN,
    EventKind.RELEASE_CHANGED,
    EventKind.ROLLBACK_BEGUN,
    EventKind.HOLD_BEGUN,
    EventKind.HOLD_ENDED,
)
V1 = KnownGood(release="v1", at=UNIX)
HOLD = Hold(reason="a freeze", by="root", at=UNIX)

PLANS = (
    plan(
        probe("web", failure_threshold=2),
        probe("mcp", failure_threshold=1, success_threshold=2),
        probe("db", target=Target.UPSTREAM, on_failure=OnFailure.UNREADY),
        probe("cache", target=Target.UPSTREAM),
        drain_after=3.0,
        min_uptime=60.0,
        lame_duck=2.0,
        quiesce=4.0,
        grace=8.0,
        cool_down=200.0,
    ),
    replace(plan(probe("web"), drain_after=900.0), **JUDGED),
    plan(probe("web"), drain_after=0.0, min_uptime=0.0, lame_duck=0.0, quiesce=4.0, cool_down=20.0, shadow=True),
    plan(probe("web"), probe("mcp"), drain_after=1.0, min_uptime=0.0, lame_duck=1.0, escalate=False, cool_down=20.0),
)


class Fidelity(RuleBasedStateMachine):
    """A sidecar with its recorder and a drain's actor; at the end the journal is replayed."""

    @initialize(plan_=st.sampled_from(PLANS), work=st.sampled_from([0.0, 1.5, 60.0]))
    def begin(self, plan_, work):
        """The sidecar starts; work in flight lasts so long."""
        self.now = 1000.0
        self.plan = plan_
        self.work = work
        self.pids = 1
        self.entries = []
        self.happened = []
        self.recorder = Recorder(plan_, "r1", self.entries.append, now=self.now, wall=self.now + UNIX, spread=0.0)
        self.state = begin_state(plan_, self.now)
        self.take(GatewayAppeared(process(1, self.now - 500)))

    def take(self, fact):
        """Step the core, and have the fact and its events recorded."""
        self.now += MOMENT
        try:
            self.state, events, _ = step(self.state, fact, self.now)
        except (RefusedError, IllegalTransitionError):
            return False
        self.recorder.note(fact, self.now)
        for event in events:
            self.recorder.note_event(event)
            if event.kind in TOLD:
                self.happened.append((event.at + UNIX, event.kind, event.before, event.after, event.evidence))
        return True

    def pass_time(self, seconds):
        """Let time pass, in which the drain's actor does its work as the real one does."""
        until = self.now + seconds
        while (due := self.due()) is not None and due[0] <= until:
            self.now = max(self.now, due[0])
            if not self.take(DrainAdvanced(due[1])):
                self.take(DrainAdvanced(DrainStep.CANCEL))
        self.now = max(self.now, until)

    def due(self):
        """When the actor takes its next step, and which."""
        drain, rules = self.state.drain, self.plan.drain
        match drain.phase:
            case DrainPhase.LAME_DUCK:
                return drain.begun + rules.lame_duck, DrainStep.QUIESCE
            case DrainPhase.QUIESCING:
                ends = DrainStep.FINISH if rules.shadow else DrainStep.SIGNAL
                return drain.since + min(self.work, rules.quiesce), ends
            case DrainPhase.SIGNALLED:
                return drain.since + rules.grace, DrainStep.ESCALATE if rules.escalate else DrainStep.FINISH
            case DrainPhase.KILLED:
                return drain.since + 10.0, DrainStep.FINISH
        return None

    def report(self, name, outcome, evidence, took):
        """One verdict."""
        evidence = evidence if outcome in (Outcome.FAIL, Outcome.UNKNOWN) else None
        seen = verdict(outcome, self.now + MOMENT - took, evidence=evidence, elapsed=took)
        self.take(ProbeReported(name, seen))

    @rule(seconds=st.sampled_from([0.125, 1.0, 5.0, 40.0, 400.0]))
    def nothing_is_heard(self, seconds):
        """Time passes."""
        self.pass_time(seconds)

    @rule(
        name=st.sampled_from(["web", "mcp", "db", "cache", "gone"]),
        outcome=st.sampled_from(Outcome),
        evidence=st.sampled_from(Evidence),
        took=st.sampled_from([MOMENT, 0.5, 2.0]),
    )
    def probe_reports(self, name, outcome, evidence, took):
        """Any verdict, also of a probe that nobody knows."""
        self.report(name, outcome, evidence, took)

    @rule(rounds=st.integers(1, 12), every=st.sampled_from([1.0, 5.0, 31.0]), fails=st.sampled_from(["", "web", "db"]))
    def goes_on_for_a_while(self, rounds, every, fails):
        """Round after round the same verdicts."""
        for _ in range(rounds):
            self.pass_time(every)
            for name in ("web", "mcp", "db", "cache"):
                outcome = Outcome.FAIL if name == fails else Outcome.PASS
                self.report(name, outcome, Evidence.REFUSED, MOMENT)

    @precondition(lambda self: self.state.gateway.process is not None)
    @rule()
    def gateway_exits(self):
        """The known process exits."""
        self.take(GatewayExited(self.state.gateway.process))

    @rule(age=st.sampled_from([0.0, 500.0]), proven=st.booleans())
    def gateway_appears(self, age, proven):
        """Another process, proven or not."""
        self.pids += 1
        found = process(self.pids, self.now - age) if proven else None
        self.take(GatewayAppeared(found, None if proven else "it belongs to another user"))

    @rule(
        fact=st.sampled_from(
            [
                StopRequested(),
                ObserverLate(2.0),
                MaintenanceEnded("it is over", "root"),
                TimePassed(),
                DrainOrdered("an order", "root"),
                ReplacementOrdered("an earlier release takes its place"),
                ChildEnded(Ending(1, "ended with status 1")),
                HoldBegun(HOLD),
                HoldEnded("root"),
                MemoryRecalled(Memory(target=V1, unfit=None)),
                MemoryRecalled(Memory(target=V1, unfit=None, hold=HOLD)),
                MemoryRecalled(Memory(unfit="the file is one replica's alone")),
                StandingRecalled(Standing(upstream=("db",), drains=(900.0,))),
                TrafficMeasured(Sample(answered={3: 20}, errors=2)),
                ReleasePromoted("it is well", "root"),
                RollbackOrdered(None, "it is slow", "root"),
                RollbackAdvanced(RollbackStep.SEEK),
                RollbackAdvanced(RollbackStep.HOLD, "nobody can"),
            ]
        )
    )
    def something_else_happens(self, fact):
        """Now and then, what nobody expects."""
        self.take(fact)

    @rule()
    def command_starts(self):
        """Parent mode: whatever was known of the gateway is about another."""
        self.pids += 1
        self.take(ChildStarted(process(self.pids, self.now)))

    @rule(seconds=st.sampled_from([0.5, 50.0]))
    def maintenance_begins(self, seconds):
        """An operator takes the replica out."""
        self.take(MaintenanceBegun(Maintenance(reason="x", by="root", since=self.now, until=self.now + seconds)))

    @rule()
    def the_same_configuration_is_read_again(self):
        """A reload that changes nothing."""
        self.take(Replanned(self.plan))

    def teardown(self):
        """Every change of status and every drain comes again: at its very moment, and for the same reasons."""
        self.recorder.close_runs()
        reading = parse(map(write_entry, self.entries))
        assert not reading.problems
        again = [
            (event.at, event.kind, event.before, event.after, event.evidence)
            for event in replay(reading.entries, self.plan)
            if event.kind in TOLD
        ]
        assert again == self.happened


Fidelity.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestFidelity = Fidelity.TestCase
TestFidelity.__doc__ = "No order of facts is told otherwise by its replay."
