"""The only holder of state: it steps the core with facts, and publishes what follows."""

from collections.abc import Callable
from time import time

from sidecar.core.actions import Action
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import Fact, ProbeReported, Replanned
from sidecar.core.health import is_undecided
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import Plan, ProbePlan
from sidecar.core.snapshot import Snapshot
from sidecar.core.state import State
from sidecar.core.tally import Tally, count, new_tally


class Tracker:
    """Facts go in by ``record``; snapshots, events and actions come out by the three callables, in this order.

    ``observe`` hears of each fact that the core has taken in, before anything comes out.
    """

    def __init__(
        self,
        plan: Plan,
        clock: Callable[[], float],
        *,
        publish: Callable[[Snapshot], None],
        tell: Callable[[Event], None],
        act: Callable[[Action], None],
        observe: Callable[[Fact, float], None] = lambda _fact, _now: None,
    ) -> None:
        self._clock = clock
        self._publish = publish
        self._tell = tell
        self._act = act
        self._observe = observe
        self._state = begin_state(plan, clock())
        self._tallies: dict[str, Tally] = {probe.name: new_tally() for probe in plan.probes}
        self._transitions = 0
        self._lag = 0.0
        self._show(self._clock())

    @property
    def state(self) -> State:
        """What is known now."""
        return self._state

    @property
    def snapshot(self) -> Snapshot:
        """The picture that was published last."""
        return self._snapshot

    def record(self, fact: Fact) -> None:
        """Take in one fact.

        Raises ``IllegalTransitionError`` for a drain step that is not allowed; nothing has changed then.
        """
        now = self._clock()
        state, events, actions = step(self._state, fact, now)
        self._state = state
        self._observe(fact, now)
        self._count(fact)
        self._transitions += sum(event.kind is EventKind.STATUS_CHANGED for event in events)
        self._show(now)
        for event in events:
            self._tell(event)
        for action in actions:
            self._act(action)

    def note_lag(self, lag: float) -> None:
        """Remember how late the event loop was; old delays fade."""
        self._lag = max(lag, 0.9 * self._lag)

    def delay(self, probe: ProbePlan) -> float:
        """How long to wait before this probe's next execution, in seconds."""
        check = self._state.checks.get(probe.name)
        return probe.fast_interval if check is None or is_undecided(check) else probe.interval

    def _count(self, fact: Fact) -> None:
        if isinstance(fact, ProbeReported) and fact.name in self._tallies:
            self._tallies = {**self._tallies, fact.name: count(self._tallies[fact.name], fact.verdict)}
        elif isinstance(fact, Replanned):
            self._tallies = {probe.name: self._tallies.get(probe.name) or new_tally() for probe in fact.plan.probes}

    def _show(self, now: float) -> None:
        self._snapshot = Snapshot(
            at=now,
            wall=time(),
            state=self._state,
            tallies=self._tallies,
            lag=self._lag,
            transitions=self._transitions,
        )
        self._publish(self._snapshot)
