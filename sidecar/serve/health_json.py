"""The ``application/health+json`` dialect (draft-inadarei-api-health-check-06), with ``deploymentStatus`` added.

An answer of "yes" is ``pass`` while the deployment is ready and ``warn`` otherwise, an answer of "no" is ``fail``: so
the status never contradicts the HTTP code, nor ``deploymentStatus``. ``affectedEndpoints`` is left out: which endpoints
of a gateway depend on an upstream is not known here.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import Struct

from sidecar.core.forecast import Forecast
from sidecar.core.health import GATING, Check, CheckState, stale_at
from sidecar.core.notices.sink import SinkState
from sidecar.core.snapshot import CheckView, Snapshot
from sidecar.core.state import DeploymentStatus, Health
from sidecar.core.verdict import Observation, Outcome
from sidecar.serve.facts import (
    DrainView,
    GatewayView,
    HoldView,
    MaintenanceView,
    ReleaseView,
    view_drain,
    view_gateway,
    view_hold,
    view_maintenance,
    view_release,
)
from sidecar.serve.moments import moment, when
from sidecar.serve.response import Page
from sidecar.serve.routes import Route
from sidecar.serve.sinks import SinkView, view_sinks

CONTENT_TYPE = "application/health+json"

_COMPONENT_TYPES = {"postgres": "datastore", "redis": "datastore", "process": "system"}


class Status(StrEnum):
    """The draft's three words."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"


class About(Struct, frozen=True, kw_only=True):
    """What does not change while the sidecar runs."""

    version: str
    """The sidecar's."""
    service_id: str | None = None


class _Component(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One check. The draft allows keys of one's own (section 4.10): those after ``output`` are."""

    component_id: str | None = None
    component_type: str | None = None
    observed_value: float | None = None
    observed_unit: str | None = None
    status: Status
    time: datetime | None = None
    output: str | None = None
    kind: str | None = None
    target: str | None = None
    on_failure: str | None = None
    state: CheckState | None = None
    since: datetime | None = None
    failures: int | None = None
    successes: int | None = None
    evidence: str | None = None
    believe_until: datetime | None = None
    phases: dict[str, float] | None = None
    """Milliseconds of each timed part."""
    notes: dict[str, str | int | float] | None = None


class _Health(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    status: Status
    deployment_status: DeploymentStatus
    version: str | None = None
    release_id: str | None = None
    service_id: str | None = None
    description: str | None = None
    output: str | None = None
    notes: list[str] | None = None
    checks: dict[str, list[_Component]]
    time: datetime | None = None
    believe_until: datetime | None = None
    gateway: GatewayView | None = None
    drain: DrainView | None = None
    maintenance: MaintenanceView | None = None
    release: ReleaseView | None = None
    hold: HoldView | None = None
    sinks: dict[str, SinkView] | None = None
    explain: Forecast | None = None


def render(
    route: Route,
    snapshot: Snapshot,
    health: Health,
    about: About,
    *,
    details: bool,
    explained: Forecast | None = None,
    sinks: Sequence[SinkState] = (),
) -> Page:
    """Render the answer to one of the health routes; ``health`` is what may be said of the snapshot now.

    ``explained`` is added to the details; it tells ages, so that such a page is right for one moment only. ``sinks`` is
    how it goes with those who are told.
    """
    yes = {Route.LIVE: health.live, Route.READY: health.ready, Route.STARTUP: health.started}[route]
    fine = Status.PASS if health.status is DeploymentStatus.READY else Status.WARN
    status = fine if yes else Status.FAIL
    if details:
        shown = _detailed(status, snapshot, health, about, explained=explained, sinks=sinks)
    else:
        shown = _public(status, snapshot, health)
    return Page(200 if yes else 503, CONTENT_TYPE, _encode(shown))


def render_bare_refusal(status: DeploymentStatus) -> Page:
    """Render a 503 that looks at nothing but the status."""
    return Page(503, CONTENT_TYPE, _encode(_Health(status=Status.FAIL, deployment_status=status, checks={})))


def check_status(view: CheckView, at: float) -> Status:
    """Word a check in the draft's three words.

    ``pass`` is a check that passes and whose latest verdict passed; ``fail`` one that fails, or gates readiness and has
    not been known for too long; everything between, such as one that is pending or cannot tell, is ``warn``.
    """
    check = view.check
    if check.state is CheckState.FAILING or (view.plan.on_failure in GATING and at > stale_at(check, view.plan)):
        return Status.FAIL
    passes = check.state is CheckState.PASSING and check.outcome is Outcome.PASS
    return Status.PASS if passes else Status.WARN


def _public(status: Status, snapshot: Snapshot, health: Health) -> _Health:
    checks = {_key(view): [_Component(status=check_status(view, snapshot.at))] for view in snapshot.checks}
    return _Health(status=status, deployment_status=health.status, checks=checks)


def _detailed(
    status: Status,
    snapshot: Snapshot,
    health: Health,
    about: About,
    *,
    explained: Forecast | None,
    sinks: Sequence[SinkState],
) -> _Health:
    plan = snapshot.state.plan
    return _Health(
        status=status,
        deployment_status=health.status,
        version=about.version,
        release_id=snapshot.state.running,
        service_id=about.service_id,
        description="health of an MCP gateway and its upstreams, seen by the sidecar beside it",
        output="; ".join(health.reasons) or None,
        notes=[f"configuration: {plan.source}", *plan.remarks],
        checks={_key(view): [_component(view, snapshot)] for view in snapshot.checks},
        time=moment(snapshot.wall),
        believe_until=when(health.believe_until, snapshot),
        gateway=view_gateway(snapshot),
        drain=view_drain(snapshot),
        maintenance=view_maintenance(snapshot),
        release=view_release(snapshot),
        hold=view_hold(snapshot),
        sinks=view_sinks(sinks) or None,
        explain=explained,
    )


def _component(view: CheckView, snapshot: Snapshot) -> _Component:
    plan, check, verdict = view.plan, view.check, view.check.verdict
    status = check_status(view, snapshot.at)
    seen = verdict.observation if verdict else None
    return _Component(
        component_id=plan.name,
        component_type=_COMPONENT_TYPES.get(plan.kind, "component"),
        observed_value=_milliseconds(seen.elapsed) if seen else None,
        observed_unit="ms" if seen else None,
        status=status,
        time=moment(seen.wall) if seen else None,
        output=None if status is Status.PASS else _output(check),
        kind=plan.kind,
        target=plan.target,
        on_failure=plan.on_failure,
        state=check.state,
        since=when(check.since, snapshot),
        failures=check.failures,
        successes=check.successes,
        evidence=verdict.evidence if verdict else None,
        believe_until=when(stale_at(check, plan), snapshot),
        phases=_phases(seen) if seen else None,
        notes=dict(seen.notes) if seen and seen.notes else None,
    )


def _output(check: Check) -> str:
    if check.verdict is None:
        return "no verdict yet"
    unknown = "cannot tell: " if check.outcome is Outcome.UNKNOWN else ""
    return unknown + check.verdict.reason


def _phases(seen: Observation) -> dict[str, float] | None:
    return {phase.name: _milliseconds(phase.seconds) for phase in seen.phases} or None


def _key(view: CheckView) -> str:
    return f"{view.plan.name}:responseTime"


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _encode(shown: Any) -> bytes:
    try:
        return msgspec.json.encode(shown)
    except UnicodeEncodeError:
        # Bytes of the environment that are no UTF-8 reach Python as lone surrogates (PEP 383); no text breaks the page.
        import json  # noqa: PLC0415 - needed almost never

        return json.dumps(msgspec.to_builtins(shown), ensure_ascii=False).encode("utf-8", "replace")
