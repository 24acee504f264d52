"""The flight record: everything that was known when things turned bad, frozen before it changes again."""

from collections.abc import Iterable, Mapping
from typing import Annotated

from msgspec import Meta, Struct

from sidecar.core.events import Event, EventKind
from sidecar.core.health import Check, CheckState
from sidecar.core.journal.entries import keep
from sidecar.core.releases.release import JUDGED, ReleasePhase
from sidecar.core.severity import Severity
from sidecar.core.snapshot import CheckView, Snapshot, health_at
from sidecar.core.state import DeploymentStatus
from sidecar.core.verdict import Outcome, Verdict

RECENT = 5
"""How many of the latest verdicts of a probe are kept, where it does not simply pass."""

_FINDINGS_AT_MOST = 8
_NOTES_AT_MOST = 24

Seconds = Annotated[float, Meta(ge=0)]


class Look(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One execution of a probe, in full."""

    at: float
    """When it began, as Unix time."""
    outcome: Outcome
    reason: str
    evidence: str | None = None
    seconds: Seconds
    phases: tuple[tuple[str, Seconds], ...] = ()
    findings: tuple[str, ...] = ()
    """Each rule with the value that was seen; those that do not hold are marked."""
    notes: Mapping[str, str | int | float] = {}


class ProbeRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One check and its latest executions, the oldest first."""

    kind: str
    on_failure: str
    state: CheckState
    since: float
    failures: int = 0
    successes: int = 0
    local_since: float | None = None
    """Since when the failure is unbroken and proven to be this replica's own."""
    looks: tuple[Look, ...] = ()


class GatewayRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The gateway's process."""

    phase: str
    pid: int | None = None
    age: Seconds | None = None
    unproven: str | None = None
    command: str | None = None
    """Parent mode: what the command does."""
    restarts: int = 0
    figures: Mapping[str, str | int | float] = {}
    """What the kernel says of it: its listen queue, connections in flight, memory, threads and the like."""


class Flight(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was known at one moment. All times are Unix time."""

    at: float
    why: tuple[str, ...]
    """What has happened."""
    replica: str
    version: str
    """The sidecar's."""
    release: str | None = None
    release_phase: str | None = None
    status: DeploymentStatus
    ready: bool
    live: bool
    reasons: tuple[str, ...] = ()
    gateway: GatewayRecord
    drain: str
    withheld: str | None = None
    maintenance: str | None = None
    lag: Seconds
    """The longest delay of the sidecar's own event loop lately."""
    transitions: int
    """How often the status had changed by then."""
    probes: Mapping[str, ProbeRecord]


def is_bad(event: Event) -> bool:
    """Tell whether things have turned bad with this event: then a flight record is worth its while.

    Nobody needs one for what was asked for, such as a stop or maintenance: that is no error.
    """
    if event.kind is EventKind.DRAIN_BEGUN:
        return True
    if event.kind is EventKind.RELEASE_CHANGED:
        return event.after == ReleasePhase.BAD or (event.after == ReleasePhase.HELD and event.before in JUDGED)
    turned = event.kind is EventKind.STATUS_CHANGED and event.before != event.after == DeploymentStatus.UNHEALTHY
    return turned and event.severity is Severity.ERROR


def freeze(
    snapshot: Snapshot, recent: Mapping[str, Iterable[Verdict]], event: Event, *, replica: str, version: str
) -> Flight:
    """Put together what is known; ``recent`` holds the latest verdicts of each probe, the oldest first."""
    state, offset = snapshot.state, snapshot.wall - snapshot.at
    health = health_at(snapshot, snapshot.at)
    return Flight(
        at=snapshot.wall,
        why=(keep(event.message),),
        replica=keep(replica),
        version=version,
        release=state.running and keep(state.running),
        release_phase=state.release.phase if state.release else None,
        status=health.status,
        ready=health.ready,
        live=health.live,
        reasons=tuple(map(keep, health.reasons)),
        gateway=_gateway(snapshot),
        drain=keep(f"{state.drain.phase}: {state.drain.reason}") if state.drain.reason else state.drain.phase,
        withheld=keep(f"{state.withheld.guard}: {state.withheld.reason}") if state.withheld else None,
        maintenance=keep(f"by {state.maintenance.by}: {state.maintenance.reason}") if state.maintenance else None,
        lag=snapshot.lag,
        transitions=snapshot.transitions,
        probes={view.plan.name: _probe(view, recent.get(view.plan.name, ()), offset) for view in snapshot.checks},
    )


def _gateway(snapshot: Snapshot) -> GatewayRecord:
    gateway, child = snapshot.state.gateway, snapshot.state.child
    process = gateway.process
    return GatewayRecord(
        phase=gateway.phase,
        pid=process.pid if process else None,
        age=max(0.0, snapshot.at - process.started) if process else None,
        unproven=gateway.unproven and keep(gateway.unproven),
        command=child.phase,
        restarts=child.restarts,
    )


def _probe(view: CheckView, recent: Iterable[Verdict], offset: float) -> ProbeRecord:
    check = view.check
    verdicts = list(recent)[-1 if _simply_passes(check) else -RECENT :]
    return ProbeRecord(
        kind=view.plan.kind,
        on_failure=view.plan.on_failure,
        state=check.state,
        since=check.since + offset,
        failures=check.failures,
        successes=check.successes,
        local_since=None if check.local_since is None else check.local_since + offset,
        looks=tuple(map(_look, verdicts)),
    )


def _simply_passes(check: Check) -> bool:
    return check.state is CheckState.PASSING and check.outcome is Outcome.PASS


def _look(verdict: Verdict) -> Look:
    seen = verdict.observation
    return Look(
        at=seen.wall,
        outcome=verdict.outcome,
        reason=verdict.reason,
        evidence=verdict.evidence,
        seconds=seen.elapsed,
        phases=tuple((phase.name, phase.seconds) for phase in seen.phases),
        findings=tuple(
            f"{'' if finding.holds else 'NOT '}{finding.rule}: found {finding.observed}"
            for finding in seen.findings[:_FINDINGS_AT_MOST]
        ),
        notes=dict(list(seen.notes.items())[:_NOTES_AT_MOST]),
    )
