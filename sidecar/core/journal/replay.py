"""The past under another policy: the facts of a journal, stepped through the core by the rules of another plan.

What the probes saw is given. What they look for, how often, how long they wait and what they call slow cannot be
changed after the fact; thresholds, ``on_failure``, ``stale_after`` and the drain's table can. A drain that the past did
not have changes nothing of what follows it: what the gateway would have done then, nobody knows.
"""

from collections.abc import Iterable, Iterator
from heapq import merge

from msgspec.structs import replace

from sidecar.core import facts
from sidecar.core.drain import DrainPhase, DrainState, DrainStep
from sidecar.core.errors import IllegalTransitionError, RefusedError
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import DrainAdvanced, Fact, ProbeReported, RollbackAdvanced
from sidecar.core.journal import entries as journal
from sidecar.core.journal.entries import Entry
from sidecar.core.journal.runlength import SPREAD, spread_out
from sidecar.core.journal.transcript import fact_of, known_process
from sidecar.core.machine import begin_state, step
from sidecar.core.plan import DrainPlan, Plan
from sidecar.core.severity import Severity
from sidecar.core.state import State
from sidecar.core.verdict import Verdict

_KILLED_WITHIN = 10.0
"""Seconds after SIGKILL in which a process that was killed is gone."""


def replay(entries: Iterable[Entry], plan: Plan) -> Iterator[Event]:
    """Step through what the journal holds, and give every event that would have been; their times are Unix time.

    The entries come in the journal's order: those of one run of the sidecar are put in order here. At any moment just
    those probes take part that ran then and are in the plan.
    """
    past = _Past(plan)
    for run in _runs(entries):
        for at, _, entry, verdict in merge(*map(_moments, enumerate(run))):
            yield from past.take(at, entry, verdict)


def _runs(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Split the journal where the sidecar was started: whose clock was set meanwhile, begins another time."""
    run: list[Entry] = []
    for entry in entries:
        if isinstance(entry, journal.SidecarStarted) and run:
            yield run
            run = []
        run.append(entry)
    yield run


def _moments(numbered: tuple[int, Entry]) -> Iterator[tuple[float, int, Entry, Verdict | None]]:
    """Give an entry's moments in order."""
    number, entry = numbered
    if isinstance(entry, journal.Verdicts):
        for at, verdict in spread_out(entry):
            yield at, number, entry, verdict
    else:
        yield entry.at, number, entry, None


class _Past:
    """The state as it would have been."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._state: State | None = None

    def take(self, at: float, entry: Entry, verdict: Verdict | None) -> Iterator[Event]:
        """Take in what the journal says of this moment."""
        yield from self._let_actor_go_on(at)
        match entry:
            case journal.SidecarStarted():
                self._state = begin_state(self._plan_of(entry), at)
            case journal.SidecarRuns() if self._state is None:
                yield from self._begin_in_the_middle(entry)
            case journal.Replanned():
                yield from self._step(facts.Replanned(self._plan_of(entry)), at)
            case journal.DrainAdvanced():
                yield from self._follow_actor(entry)
            case journal.Verdicts() if verdict is not None:
                yield from self._step(ProbeReported(entry.probe, verdict), at)
            case journal.SidecarRuns() | journal.Verdicts() | journal.Lost() | journal.Told():
                return
            case _:
                yield from self._step(fact_of(entry), at)

    def _plan_of(self, rules: journal.Rules) -> Plan:
        """Leave out the probes of which this part of the journal knows nothing: they would never have passed.

        What was deployed is what was deployed, whatever is deployed where the replay runs.
        """
        ran = {probe.name for probe in rules.probes}
        probes = tuple(probe for probe in self._plan.probes if probe.name in ran)
        return replace(self._plan, probes=probes, release=replace(self._plan.release, id=rules.release))

    def _begin_in_the_middle(self, rules: journal.SidecarRuns) -> Iterator[Event]:
        """Begin where the journal's start has been dropped, with what was said again."""
        self._state = begin_state(self._plan_of(rules), rules.at)
        if rules.child is not None:
            yield from self._step(facts.ChildStarted(known_process(rules.child)), rules.at)
        if rules.gateway is not None:
            yield from self._step(facts.GatewayAppeared(known_process(rules.gateway)), rules.at)

    def _let_actor_go_on(self, now: float) -> Iterator[Event]:
        """Take the drain's steps that are due by now."""
        while self._state is not None:
            due = _due(self._state.drain, self._state.plan.drain)
            if due is None or due[0] > now:
                return
            yield from self._ask(due[1], due[0])

    def _follow_actor(self, past: journal.DrainAdvanced) -> Iterator[Event]:
        """Take the step that the past's own drain took now, if this one has come as far: it knew of work in flight."""
        if self._state is None:
            return
        following = _counterpart(past.step, self._state.drain.phase, self._state.plan.drain)
        if following is DrainStep.QUIESCE and _lame_duck_left(self._state, past.at) > 0:
            return  # by these rules it is too early
        if following is not None:
            yield from self._ask(following, past.at)

    def _ask(self, following: DrainStep, at: float) -> Iterator[Event]:
        """Ask for a step as the actor does: what is refused is called off."""
        try:
            yield from self._step(DrainAdvanced(following), at)
        except IllegalTransitionError:  # the evidence is too old to send a signal on it
            yield from self._step(DrainAdvanced(DrainStep.CANCEL), at)

    def _step(self, fact: Fact, at: float) -> Iterator[Event]:
        if self._state is None:
            return
        try:
            self._state, told, _ = step(self._state, fact, at)
        except IllegalTransitionError:
            if isinstance(fact, RollbackAdvanced):
                return  # there was a rollback in the past, and there is none here
            raise
        except RefusedError as refusal:
            told = (Event(kind=EventKind.REMARK, at=at, severity=Severity.WARNING, message=str(refusal)),)
        yield from told


def _counterpart(step: DrainStep, phase: DrainPhase, rules: DrainPlan) -> DrainStep | None:
    """Tell which step by these rules is the one that the past's actor took; None where this drain is elsewhere."""
    match phase, step:
        case DrainPhase.LAME_DUCK, DrainStep.QUIESCE | DrainStep.CANCEL:
            return DrainStep.QUIESCE
        case DrainPhase.QUIESCING, DrainStep.SIGNAL | DrainStep.FINISH | DrainStep.CANCEL:
            return _after_quiesce(rules)
        case DrainPhase.SIGNALLED, DrainStep.ESCALATE if rules.escalate:
            return DrainStep.ESCALATE
        case DrainPhase.SIGNALLED, DrainStep.ESCALATE | DrainStep.FINISH:
            return DrainStep.FINISH
        case DrainPhase.KILLED, DrainStep.FINISH:
            return DrainStep.FINISH
        case _:
            return None


def _lame_duck_left(state: State, now: float) -> float:
    return state.drain.begun + state.plan.drain.lame_duck - now


def _due(drain: DrainState, rules: DrainPlan) -> tuple[float, DrainStep] | None:
    """Tell when the drain's actor takes its next step at the latest, and which; None where none is under way.

    It takes it a moment after it is due, so that the step of the past's own drain comes first where there was one.
    Without one, work in flight is taken to last for the whole ``quiesce``, and the gateway to go within ``grace``.
    """
    match drain.phase:
        case DrainPhase.LAME_DUCK:
            return drain.begun + rules.lame_duck + SPREAD, DrainStep.QUIESCE
        case DrainPhase.QUIESCING:
            return drain.since + rules.quiesce + SPREAD, _after_quiesce(rules)
        case DrainPhase.SIGNALLED:
            return drain.since + rules.grace + SPREAD, DrainStep.FINISH
        case DrainPhase.KILLED:
            return drain.since + _KILLED_WITHIN + SPREAD, DrainStep.FINISH
        case _:
            return None


def _after_quiesce(rules: DrainPlan) -> DrainStep:
    return DrainStep.FINISH if rules.shadow else DrainStep.SIGNAL
