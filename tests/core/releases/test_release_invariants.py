"""What must always hold of releases, attacked: any order of facts, however unlikely, at any pace."""

from builders import probe, process, verdict
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from msgspec.structs import replace

from sidecar.core.actions import BeginRollback, SaveGood, SaveRelease
from sidecar.core.errors import IllegalTransitionError, RefusedError
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
    RollbackAdvanced,
    RollbackOrdered,
    StopRequested,
    TimePassed,
    TrafficMeasured,
)
from sidecar.core.identity import Ending
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import DrainPlan, Plan, Target
from sidecar.core.releases.memory import NOT_RECALLED, Memory
from sidecar.core.releases.release import TRANSITIONS, Hold, KnownGood, ReleasePhase
from sidecar.core.releases.rollback import RollbackStep
from sidecar.core.releases.sample import Sample
from sidecar.core.rules import PlatformKind, ReleaseMode, ReleasePlan, RollbackPlan
from sidecar.core.state import Maintenance
from sidecar.core.verdict import Evidence, Outcome

WEB, DB = probe("web", failure_threshold=1), probe("db", target=Target.UPSTREAM, failure_threshold=1)
RULES = ReleasePlan(id="2", bake=50.0, bake_limit=200.0, min_samples=10, start_samples=1, start_within=60.0)
PLAN = Plan(
    probes=(WEB, DB),
    drain=DrainPlan(enabled=False),
    release=RULES,
    rollback=RollbackPlan(platform=PlatformKind.COMMAND, argv=("roll", "back"), cool_down=100.0, max_per_day=2),
)
BASELINE = {"web": Sample(answered={10: 200})}
MOVES = frozenset((before, after) for (before, _), after in TRANSITIONS.items())

memories = st.builds(
    Memory,
    target=st.sampled_from([None, KnownGood(release="1", at=1.7e9), KnownGood(release="1", at=1.7e9, schema="7")]),
    baseline=st.sampled_from([{}, BASELINE]),
    bad=st.sampled_from([frozenset(), frozenset({"1"})]),
    hold=st.sampled_from([None, None, Hold(reason="incident", by="ops", at=1.7e9)]),
    rollbacks=st.sampled_from([(), (950.0,), (-9000.0, -8000.0)]),
    unfit=st.sampled_from([None, None, None, "seen by this replica alone"]),
)


class AnyOrder(RuleBasedStateMachine):
    """Facts in any order; what the release does is held against what it may do."""

    def __init__(self):
        super().__init__()
        self.now = 1000.0
        self.state = begin_state(PLAN, self.now)
        self.automatic = 0
        """Rollbacks begun by themselves since a person said something about it."""

    def take(self, fact):
        """Step, and check what the step itself must obey."""
        before = self.state
        try:
            self.state, _, actions = step(before, fact, self.now)
        except IllegalTransitionError:
            assert isinstance(fact, RollbackAdvanced)
            return
        except RefusedError:
            assert isinstance(fact, (ReleasePromoted, RollbackOrdered))
            return
        if isinstance(fact, (HoldEnded, RollbackOrdered, ReleasePromoted, MemoryRecalled)):
            self.automatic = 0
        old, new = before.release.phase, self.state.release.phase
        if not isinstance(fact, MemoryRecalled):
            self.moved(fact, old, new)
        if new is not old:
            assert any(isinstance(action, SaveRelease) for action in actions), "a decision was not written down"
        assert sum(isinstance(action, SaveGood) for action in actions) == (new is ReleasePhase.GOOD is not old)
        for place, action in enumerate(actions):
            if isinstance(action, BeginRollback):
                self.began(fact, action.order)
                saved = any(isinstance(each, SaveRelease) for each in actions[:place])
                assert saved or new is old, "a rollback began before the decision was written down"

    def moved(self, fact, old, new):
        """A release moves as the table says; a fact may take it two steps, from a fault to being held."""
        steps = {(old, new)} if old is not new else set()
        two = {(old, middle) in MOVES and (middle, new) in MOVES for middle in ReleasePhase}
        assert steps <= MOVES or True in two
        if new is ReleasePhase.BAD and old is ReleasePhase.GOOD:
            assert isinstance(fact, RollbackOrdered), "only a person condemns what is good"

    def began(self, fact, order):
        """A rollback begins on an order, or once by itself when everything allows it."""
        memory = self.state.memory
        assert not self.state.stopping or order.by
        assert self.state.release.phase is ReleasePhase.BAD
        if order.by is not None:
            assert isinstance(fact, RollbackOrdered)
            assert fact.forced or order.target.release not in memory.bad
            return
        self.automatic += 1
        assert self.automatic == 1, "twice by itself"
        assert order.target.release not in memory.bad
        assert order.target.schema == RULES.schema
        assert self.state.release.served
        assert memory.hold is None
        assert memory.unfit is None
        assert all(self.now - at >= 100.0 for at in memory.rollbacks)

    @rule(seconds=st.sampled_from([0.1, 1.0, 1.0, 5.0, 31.0, 400.0]))
    def wait(self, seconds):
        """Time passes."""
        self.now += seconds
        self.take(TimePassed())

    @rule(
        name=st.sampled_from(["web", "web", "db"]),
        outcome=st.sampled_from(list(Outcome)),
        evidence=st.sampled_from(list(Evidence)),
        elapsed=st.sampled_from([0.001, 0.01, 0.5]),
        times=st.integers(1, 8),
    )
    def see(self, name, outcome, evidence, elapsed, times):
        """A probe reports, some times in a row."""
        proof = evidence if outcome in (Outcome.FAIL, Outcome.UNKNOWN) else None
        for _ in range(times):
            self.now += 1.0
            self.take(ProbeReported(name, verdict(outcome, self.now, elapsed=elapsed, evidence=proof)))

    @rule()
    def start_well(self):
        """Everything passes."""
        self.take(GatewayAppeared(process()))
        self.see("db", Outcome.PASS, Evidence.WRONG, 0.01, 1)
        self.see("web", Outcome.PASS, Evidence.WRONG, 0.001, 2)

    @rule(pid=st.integers(1, 3))
    def come_and_go(self, pid):
        """The gateway crashes, with or without a command of the sidecar's."""
        if self.state.child.phase == "running":
            self.take(ChildEnded(Ending(1, "has ended with status 1")))
        else:
            self.take(GatewayAppeared(process(pid)))
            self.take(GatewayExited(process(pid)))

    @rule()
    def become_parent(self):
        """The command is started."""
        self.take(ChildStarted(process(9)))

    @rule(memory=memories)
    def recall(self, memory):
        """The store is read."""
        self.take(MemoryRecalled(memory))

    @rule(memory=memories, phase=st.sampled_from(list(ReleasePhase)))
    def another_replica_decides(self, memory, phase):
        """The store is read, and this release is in it."""
        told = replace(self.state.release, phase=phase, since=self.now)
        self.take(MemoryRecalled(replace(memory, release=told)))

    @rule(errors=st.sampled_from([0, 50]))
    def measure_traffic(self, errors):
        """The gateway's own metrics."""
        self.take(TrafficMeasured(Sample(answered={10: 100}, errors=errors)))

    @rule(
        fact=st.sampled_from(
            [
                HoldBegun(Hold(reason="incident", by="ops", at=1.7e9)),
                HoldEnded("ops"),
                ReleasePromoted("looked at it", "ops"),
                RollbackOrdered(None, "now", "ops"),
                RollbackOrdered(KnownGood(release="0", at=1.6e9), "now", "ops", forced=True),
                MaintenanceBegun(Maintenance(reason="upgrade", by="ops", since=0.0, until=2000.0)),
                MaintenanceEnded("it is over", "ops"),
                ObserverLate(20.0),
                StopRequested(),
            ]
        )
    )
    def say(self, fact):
        """Somebody says something."""
        self.take(fact)

    @rule(move=st.sampled_from(list(RollbackStep)))
    def advance_rollback(self, move):
        """The actor asks for a step."""
        self.take(RollbackAdvanced(move, "because"))

    @invariant()
    def what_never_took_traffic_takes_none_before_its_time(self):
        """While it is starting, or bad from the start, readiness is 503, unless its startup is all that was needed."""
        release = self.state.release
        if not release.served:
            assert not self.state.health.ready

    @invariant()
    def without_a_recall_nothing_is_rolled_back_by_itself(self):
        """Whatever was done before is not known."""
        if self.state.memory.unfit == NOT_RECALLED and self.state.rollback.order is not None:
            assert self.state.rollback.order.by is not None


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(
    max_examples=50, stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN]),
            st.sampled_from([Evidence.WRONG, Evidence.LIMIT, Evidence.MISCONFIGURED]),
            st.sampled_from([0.001, 0.5, 5.0]),
        ),
        max_size=60,
    ),
    st.sampled_from([ReleaseMode.AUTO, ReleaseMode.SHADOW]),
    st.sampled_from([ReleasePhase.STARTING, ReleasePhase.BAKING]),
)
@settings(deadline=None)
def test_no_release_is_bad_for_what_an_upstream_may_have_caused(seen, mode, phase):
    """While an upstream fails, wrong, slow and misconfigured replies, or none in time, condemn nothing."""
    now, state = 1000.0, begin_state(replace(PLAN, release=replace(RULES, mode=mode)), 1000.0)

    def take(fact):
        nonlocal state
        state = step(state, fact, now).state

    take(MemoryRecalled(Memory(target=KnownGood(release="1", at=1.7e9), baseline=BASELINE, unfit=None)))
    take(GatewayAppeared(process()))
    for name in ("db", "web", "web") if phase is ReleasePhase.BAKING else ("db",):
        take(ProbeReported(name, verdict(Outcome.PASS, now, elapsed=0.001)))
    assert state.release.phase is phase
    take(ProbeReported("db", verdict(Outcome.FAIL, now)))
    for outcome, evidence, elapsed in seen:
        now += 10.0
        proof = evidence if outcome in (Outcome.FAIL, Outcome.UNKNOWN) else None
        take(ProbeReported("db", verdict(Outcome.FAIL, now)))
        take(ProbeReported("web", verdict(outcome, now, elapsed=elapsed, evidence=proof)))
    now += 1.0
    take(ProbeReported("db", verdict(Outcome.PASS, now)))
    assert state.release.phase in (phase, ReleasePhase.BAKING, ReleasePhase.GOOD)
    assert state.release.unhealthy == 0.0
