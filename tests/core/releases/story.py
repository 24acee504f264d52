"""A release and what befalls it, step by step in the pure core."""

from builders import probe, process, verdict

from sidecar.core.facts import GatewayAppeared, MemoryRecalled, ProbeReported
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import DrainPlan, Plan, Target
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import KnownGood, ReleasePhase
from sidecar.core.releases.sample import Sample, add
from sidecar.core.rules import PlatformKind, ReleasePlan, RollbackPlan
from sidecar.core.verdict import Outcome

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


def condemned(plan=PLAN, memory=KNOWN):
    """A release that took traffic, and is unhealthy by its own fault for too long."""
    story = Story(plan, memory).serve().see("web", Outcome.FAIL).see("web", Outcome.FAIL, after=25.0)
    return story.see("web", Outcome.FAIL, after=25.0)
