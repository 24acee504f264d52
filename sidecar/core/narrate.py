"""From two states to the events between them, worded for people."""

from collections.abc import Iterator

from sidecar.core.actions import Action, CancelDrain
from sidecar.core.blame import is_unhealthy_by_itself
from sidecar.core.drain import DrainPhase, DrainState, DrainStep
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import (
    ChildEnded,
    ChildStarted,
    DrainAdvanced,
    Fact,
    MaintenanceEnded,
    ObserverLate,
    Replanned,
    TimePassed,
)
from sidecar.core.health import Check, CheckState, cause_of
from sidecar.core.plan import OnFailure, ProbePlan
from sidecar.core.releases.narrate import tell_release
from sidecar.core.restart import ChildPhase, restart_pause
from sidecar.core.severity import Severity
from sidecar.core.state import DeploymentStatus, GatewayPhase, State
from sidecar.core.verdict import Cause, Outcome, Verdict


def tell(before: State, after: State, fact: Fact, actions: tuple[Action, ...], now: float) -> tuple[Event, ...]:
    """Tell everything that the step from one state to the other has changed."""
    return (
        *_observer(fact, now),
        *_gateway(before, after, now),
        *_child(before, after, fact, now),
        *_checks(before, after, now),
        *_stop_and_reload(before, after, fact, now),
        *_maintenance(before, after, fact, now),
        *_drain(before, after, fact, actions, now),
        *_withheld(before, after, now),
        *tell_release(before, after, fact, now),
        *_status(before, after, now),
    )


def _observer(fact: Fact, now: float) -> Iterator[Event]:
    if isinstance(fact, ObserverLate):
        yield Event(
            kind=EventKind.OBSERVER_LATE,
            at=now,
            severity=Severity.WARNING,
            cause="observer",
            message=f"the sidecar was held up for {fact.lag:.1f} s; no drain follows from what it missed",
        )


def _gateway(before: State, after: State, now: float) -> Iterator[Event]:
    old, new = before.gateway, after.gateway
    if old is new or old == new:
        return
    if new.phase is GatewayPhase.UNSEEN or (new.phase is GatewayPhase.GONE and old.phase is GatewayPhase.UNSEEN):
        return  # nobody has been seen to listen
    if new.phase is GatewayPhase.GONE:
        pid = new.process.pid if new.process else "?"
        draining = before.drain.phase is not DrainPhase.IDLE or before.stopping or before.child.asked
        draining = draining or before.maintenance is not None
        yield Event(
            kind=EventKind.GATEWAY_EXITED,
            at=now,
            severity=Severity.INFO if draining else Severity.ERROR,
            cause="local",
            message=f"the gateway's process {pid} has exited",
        )
    elif new.process is not None:
        yield Event(
            kind=EventKind.GATEWAY_APPEARED,
            at=now,
            severity=Severity.INFO,
            message=f"the gateway is process {new.process.pid}",
        )
    else:
        yield Event(
            kind=EventKind.GATEWAY_UNPROVEN,
            at=now,
            severity=Severity.WARNING,
            message=f"the gateway's process cannot be proven, so it will not be drained: {new.unproven}",
        )


def _child(before: State, after: State, fact: Fact, now: float) -> Iterator[Event]:
    if isinstance(fact, ChildStarted):
        again = "started again" if after.child.restarts > before.child.restarts else "started"
        yield Event(
            kind=EventKind.CHILD_STARTED,
            at=now,
            severity=Severity.INFO,
            message=f"the gateway's command is {again} as process {fact.process.pid}",
        )
    elif isinstance(fact, ChildEnded):
        follows, severity = _consequence(before, after)
        yield Event(
            kind=EventKind.CHILD_ENDED,
            at=now,
            severity=severity,
            cause="local",
            message=f"the gateway's command {fact.ending.words}; {follows}",
        )


def _consequence(before: State, after: State) -> tuple[str, Severity]:
    """Say what follows from the end of the command."""
    child, rules = after.child, after.plan.parent
    if after.stopping:
        return "the sidecar ends too", Severity.INFO
    if before.child.asked:
        return "the sidecar has asked for that, and starts it again at once", Severity.INFO
    crash = f"nobody has asked for that: crash {len(child.crashes)} within {rules.restart_window:g} s"
    if child.phase is ChildPhase.ENDED:
        return f"{crash} is one too many, and the sidecar ends", Severity.ERROR
    return f"{crash}, it is started again in {restart_pause(len(child.crashes), rules):g} s", Severity.ERROR


def _checks(before: State, after: State, now: float) -> Iterator[Event]:
    for probe in after.plan.probes:
        old, new = before.checks.get(probe.name), after.checks[probe.name]
        if old is new or old is None or new.verdict is None:
            continue
        if old.state is not new.state or old.outcome is not new.outcome:
            yield _check_changed(probe, old, new, new.verdict, now)


def _check_changed(probe: ProbePlan, old: Check, new: Check, verdict: Verdict, now: float) -> Event:
    decided = old.state is not new.state
    if decided and new.state is CheckState.FAILING:
        severity = Severity.ERROR if probe.on_failure is not OnFailure.OBSERVE else Severity.WARNING
    elif new.state is CheckState.PENDING or verdict.outcome is Outcome.PASS:
        severity = Severity.INFO  # whatever starts has not answered yet
    else:
        severity = Severity.WARNING
    cause = cause_of(verdict, upstreams_pass=False)
    count = f" ({new.failures} of {probe.failure_threshold})" if new.failures and not decided else ""
    return Event(
        kind=EventKind.CHECK_CHANGED,
        at=now,
        severity=severity,
        probe=probe.name,
        before=_standing(old),
        after=_standing(new),
        cause=cause,
        message=f"{probe.name} is {_standing(new)}{count}: {verdict.reason}",
        evidence=tuple(
            f"{finding.rule}: found {finding.observed}" for finding in verdict.observation.findings if not finding.holds
        ),
    )


def _standing(check: Check) -> str:
    """State and latest outcome in one word or two: "passing", "passing, fail"."""
    plain = {CheckState.PASSING: Outcome.PASS, CheckState.FAILING: Outcome.FAIL}.get(check.state)
    return check.state.value if check.outcome in (None, plain) else f"{check.state.value}, {check.outcome}"


def _stop_and_reload(before: State, after: State, fact: Fact, now: float) -> Iterator[Event]:
    if after.stopping and not before.stopping:
        yield Event(
            kind=EventKind.STOPPING,
            at=now,
            severity=Severity.INFO,
            message="asked to stop: readiness is 503, liveness 200, until the gateway is gone",
        )
    if isinstance(fact, Replanned):
        names = ", ".join(probe.name for probe in after.plan.probes)
        yield Event(
            kind=EventKind.RELOADED,
            at=now,
            severity=Severity.INFO,
            message=f"configuration reloaded from {after.plan.source}: {names}",
        )


def _maintenance(before: State, after: State, fact: Fact, now: float) -> Iterator[Event]:
    old, new = before.maintenance, after.maintenance
    if new is not None and new != old:
        message = f"maintenance for {new.until - now:.0f} s, by {new.by}: {new.reason}; readiness 503, liveness 200"
        yield Event(kind=EventKind.MAINTENANCE_BEGUN, at=now, severity=Severity.WARNING, message=message)
    elif old is not None and new is None:
        why = f"ended by {fact.by}: {fact.reason}" if isinstance(fact, MaintenanceEnded) else "its time is over"
        message = f"maintenance ({old.reason}) is over, {why}; the probes decide again"
        yield Event(kind=EventKind.MAINTENANCE_ENDED, at=now, severity=Severity.INFO, message=message)


def _drain(before: State, after: State, fact: Fact, actions: tuple[Action, ...], now: float) -> Iterator[Event]:
    old, new = before.drain, after.drain
    if old.phase is not DrainPhase.IDLE and new.total > old.total:
        # One is over, and the same moment begins the next.
        yield from _drain_moved(old, DrainState(), fact, actions, now)
        yield from _drain_moved(DrainState(), new, TimePassed(), (), now)
    elif old.phase is not new.phase:
        yield from _drain_moved(old, new, fact, actions, now)


def _drain_moved(
    old: DrainState, new: DrainState, fact: Fact, actions: tuple[Action, ...], now: float
) -> Iterator[Event]:
    if old.phase is DrainPhase.IDLE:
        kind, message = (
            EventKind.DRAIN_BEGUN,
            f"draining process {new.process.pid if new.process else '?'}: {new.reason}",
        )
    elif new.phase is not DrainPhase.IDLE:
        kind, message = EventKind.DRAIN_ADVANCED, f"the drain is {new.phase.value}"
    elif why := next((action.reason for action in actions if isinstance(action, CancelDrain)), None):
        kind, message = EventKind.DRAIN_CANCELLED, f"the drain is called off: {why}"
    elif isinstance(fact, DrainAdvanced) and fact.step is DrainStep.CANCEL:
        kind, message = EventKind.DRAIN_CANCELLED, "the drain is called off"
    else:
        kind, message = EventKind.DRAIN_FINISHED, f"the drain is over after {now - old.begun:.1f} s"
    detail = f"; {fact.detail}" if isinstance(fact, DrainAdvanced) and fact.detail else ""
    yield Event(
        kind=kind,
        at=now,
        severity=Severity.INFO if kind is EventKind.DRAIN_CANCELLED else Severity.WARNING,
        cause=None if old.ordered or new.ordered else "local",
        before=old.phase,
        after=new.phase,
        message=message + detail,
    )


def _withheld(before: State, after: State, now: float) -> Iterator[Event]:
    if after.withheld is not None and after.withheld_counts != before.withheld_counts:
        yield Event(
            kind=EventKind.DRAIN_WITHHELD,
            at=now,
            severity=Severity.WARNING,
            after=after.withheld.guard,
            message=f"a drain is withheld: {after.withheld.reason}",
        )


def _status(before: State, after: State, now: float) -> Iterator[Event]:
    old, new = before.health, after.health
    if old.status is new.status and old.ready is new.ready and old.live is new.live:
        return
    severity = {
        DeploymentStatus.UNHEALTHY: Severity.ERROR,
        DeploymentStatus.DEGRADED: Severity.WARNING,
    }.get(new.status, Severity.INFO)
    if after.stopping or after.maintenance is not None or after.drain.phase is not DrainPhase.IDLE:
        severity = Severity.WARNING
    is_own_fault = severity is Severity.ERROR and is_unhealthy_by_itself(after)
    answers = f"ready {_code(new.ready)}, live {_code(new.live)}, startup {_code(new.started)}"
    yield Event(
        kind=EventKind.STATUS_CHANGED,
        at=now,
        severity=severity,
        cause=Cause.LOCAL if is_own_fault else None,
        before=old.status,
        after=new.status,
        message=f"{old.status.value} -> {new.status.value} ({answers})",
        evidence=new.reasons,
    )


def _code(answer: bool) -> int:  # noqa: FBT001
    return 200 if answer else 503
