"""What the health+json dialect shows beside the checks: gateway, drain, maintenance, release, hold."""

from datetime import datetime

from msgspec import Struct

from sidecar.core.snapshot import Snapshot
from sidecar.serve.moments import moment, when


class GatewayView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The gateway's process."""

    phase: str
    since: datetime | None = None
    address: str
    pid: int | None = None
    started: datetime | None = None
    unproven: str | None = None


class DrainView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The drain under way, or withheld."""

    phase: str
    since: datetime | None = None
    reason: str | None = None
    total: int
    shadow: bool = False
    withheld: dict[str, str] | None = None


class MaintenanceView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An operator's word."""

    reason: str
    by: str
    since: datetime | None = None
    until: datetime | None = None


class ReleaseView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The release that is judged."""

    id: str
    phase: str
    since: datetime | None = None
    reason: str | None = None
    by: str | None = None
    samples: dict[str, int] | None = None
    """What was measured of it so far, by probe."""
    unhealthy: float | None = None
    """Seconds, by its own fault."""
    restarts: int = 0
    baseline: str | None = None
    """The release that it is held against."""
    rollback: dict[str, str] | None = None


class HoldView(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All automation is stopped."""

    reason: str
    by: str
    since: datetime | None = None


def view_gateway(snapshot: Snapshot) -> GatewayView:
    """Show the gateway's process."""
    where, gateway = snapshot.state.plan.gateway, snapshot.state.gateway
    process = gateway.process
    return GatewayView(
        phase=gateway.phase,
        since=when(gateway.since, snapshot) if gateway.since else None,
        address=f"{where.host}:{where.port}",
        pid=process.pid if process else None,
        started=when(process.started, snapshot) if process else None,
        unproven=gateway.unproven,
    )


def view_drain(snapshot: Snapshot) -> DrainView:
    """Show the drain, and why one is withheld."""
    state = snapshot.state
    return DrainView(
        phase=state.drain.phase,
        since=when(state.drain.since, snapshot) if state.drain.since else None,
        reason=state.drain.reason or None,
        total=state.drain.total,
        shadow=state.plan.drain.shadow,
        withheld={"guard": state.withheld.guard, "reason": state.withheld.reason} if state.withheld else None,
    )


def view_maintenance(snapshot: Snapshot) -> MaintenanceView | None:
    """Show an operator's word, if there is one."""
    word = snapshot.state.maintenance
    if word is None:
        return None
    return MaintenanceView(
        reason=word.reason, by=word.by, since=when(word.since, snapshot), until=when(word.until, snapshot)
    )


def view_release(snapshot: Snapshot) -> ReleaseView | None:
    """Show the release that is judged, and what becomes of it; None where none is."""
    release, memory = snapshot.state.release, snapshot.state.memory
    if release is None:
        return None
    return ReleaseView(
        id=release.id,
        phase=release.phase,
        since=when(release.since, snapshot),
        reason=release.reason or None,
        by=release.by,
        samples={name: sample.total for name, sample in release.samples.items()} or None,
        unhealthy=round(release.unhealthy, 1) or None,
        restarts=release.restarts,
        baseline=memory.baseline_of,
        rollback=_rollback(snapshot),
    )


def _rollback(snapshot: Snapshot) -> dict[str, str] | None:
    rollback = snapshot.state.rollback
    if rollback.order is None:
        return None
    return {"target": rollback.order.target.release, "phase": rollback.phase, "detail": rollback.detail}


def view_hold(snapshot: Snapshot) -> HoldView | None:
    """Show who has stopped all automation, if somebody has."""
    hold = snapshot.state.memory.hold
    return HoldView(reason=hold.reason, by=hold.by, since=moment(hold.at)) if hold else None
