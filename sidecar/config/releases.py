"""What the tables about releases say together: a platform needs its credentials, a store its place."""

import re

from sidecar.config.environment import RAILWAY_VARIABLES
from sidecar.config.report import Report
from sidecar.config.units import write_duration
from sidecar.config.words import quote
from sidecar.core.plan import GatewayPlan, StatePlan, StoreKind
from sidecar.core.rules import PlatformKind, RailwayPlan, ReleasePlan, RollbackPlan


def check_releases(
    release: ReleasePlan, rollback: RollbackPlan, railway: RailwayPlan, state: StatePlan, report: Report
) -> None:
    """Report what is missing or does not fit together."""
    if release.bake > release.bake_limit:
        report.add(
            ("release", "bake"),
            quote(write_duration(release.bake)),
            f"at most bake_limit, {write_duration(release.bake_limit)}",
        )
    _check_metrics(release, report)
    if rollback.platform is PlatformKind.COMMAND and not rollback.argv:
        report.add(("rollback", "argv"), 'missing: platform = "command" needs a program and its arguments')
    if rollback.platform is PlatformKind.RAILWAY:
        _check_railway(railway, report)
    if state.store is StoreKind.REDIS and state.url is None:
        report.add(("state", "url"), 'missing: store = "redis" needs a URL; set it, or REDIS_URL')


def _check_metrics(release: ReleasePlan, report: Report) -> None:
    for label, pattern in release.metrics_errors.items():
        try:
            re.compile(pattern)
        except re.error as error:
            report.add(("release", "metrics_errors", label), f"no regular expression: {error}")
    if release.metrics is None:
        return
    from sidecar.exchange import address_of  # noqa: PLC0415 - loaded by whoever has metrics, or a probe that needs it

    try:
        address_of(release.metrics, GatewayPlan())
    except ValueError as error:
        report.add(("release", "metrics"), str(error))


def _check_railway(railway: RailwayPlan, report: Report) -> None:
    for key in ("project", "environment", "service"):
        if getattr(railway, key) is None:
            report.add(("railway", key), f"missing: set it, or {RAILWAY_VARIABLES[key]}")
    if railway.api_token is None and railway.project_token is None:
        report.add(
            ("railway", "api_token"),
            "missing: set it, or RAILWAY_API_TOKEN; or project_token, or RAILWAY_TOKEN",
        )
