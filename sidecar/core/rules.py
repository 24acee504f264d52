"""The rules by which releases are judged and undone, and people told: the tables of the plan that are about them."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct, field

from sidecar.core.quantities import Duration, Secret, Share


class ReleaseMode(StrEnum):
    """What the sidecar does about releases."""

    AUTO = "auto"
    """Judge them, and roll a bad one back where that is admissible."""
    SHADOW = "shadow"
    """Judge, decide and report everything, and act on nothing."""
    OFF = "off"
    """Judge nothing."""


class ReleasePlan(Struct, frozen=True, kw_only=True):
    """What is deployed, and when it counts as good or bad."""

    id: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """What is deployed, by name. When not given: the Git commit with the configuration's fingerprint, where the commit
    is known. Without either nothing is judged."""
    mode: ReleaseMode = ReleaseMode.AUTO
    """What is done about releases."""
    start_within: Annotated[Duration, Meta(ge=1, le=86400)] = 300.0
    """A release that has not started by then, for a reason of its own, is bad."""
    start_samples: Annotated[int, Meta(ge=0, le=1000)] = 3
    """So many looks in a row at each probe of the gateway must keep within the baseline before traffic is taken."""
    bake: Annotated[Duration, Meta(le=604800)] = 600.0
    """How long a release is watched under traffic before it can count as good."""
    bake_limit: Annotated[Duration, Meta(le=604800)] = 3600.0
    """Without enough samples for a judgement the bake goes on, but no longer than this: then the release is good."""
    min_samples: Annotated[int, Meta(ge=1, le=1_000_000)] = 60
    """Fewer samples than this prove nothing."""
    tolerance: Annotated[float, Meta(ge=1, le=100)] = 1.3
    """By what factor a latency may be above the baseline's before it counts as slower."""
    slack: Annotated[Duration, Meta(le=3600)] = 0.01
    """And by how much at least: what is slower by less is no loss to anybody."""
    error_slack: Share = 0.01
    """By how much the share of errors may be above the baseline's."""
    significance: Annotated[float, Meta(gt=0, le=0.5)] = 0.01
    """How often, at most, a release that is as good as the one before may be found worse by chance."""
    unhealthy_budget: Annotated[Duration, Meta(le=86400)] = 30.0
    """How long, in sum, a baking release may be unhealthy by its own fault."""
    restart_budget: Annotated[int, Meta(ge=0, le=1000)] = 2
    """How often the gateway of a new release may end unasked."""
    baseline_max_age: Annotated[Duration, Meta(ge=60, le=31536000)] = 1_209_600.0
    """An older baseline is not compared with."""
    schema: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    """The version of the database's schema that this release has migrated to. A release with another one is no target
    of a rollback."""
    metrics: Annotated[str, Meta(min_length=1)] | None = None
    """The gateway's own metrics in Prometheus format: a URL, or a path on the gateway's port. They join the probes as
    samples of real traffic."""
    metrics_latency: Annotated[str, Meta(min_length=1)] = "http_request_duration_seconds"
    """The name of the histogram of latencies in seconds."""
    metrics_requests: Annotated[str, Meta(min_length=1)] = "http_requests_total"
    """The name of the counter of requests."""
    metrics_errors: Mapping[str, str] = field(default_factory=lambda: {"status": "5.."})
    """Labels of that counter and the regular expressions that an error's values match in full."""


class PreflightPlan(Struct, frozen=True, kw_only=True):
    """What ``sidecar preflight`` looks at beside what the other tables name."""

    migrations: tuple[str, ...] = ()
    """A program and its arguments, started without a shell, that ends with status 0 when the database's migrations are
    at the version that this release expects, and changes nothing."""
    expect: Annotated[str, Meta(min_length=1)] | None = None
    """A regular expression that its output must match somewhere."""
    timeout: Annotated[Duration, Meta(ge=0.1, le=3600)] = 60.0
    """The deadline of that program."""


class PlatformKind(StrEnum):
    """Who can put an earlier release in the place of a bad one."""

    RAILWAY = "railway"
    """Railway, by its GraphQL API."""
    COMMAND = "command"
    """A program of your own."""
    PARENT = "parent"
    """The sidecar itself, in parent mode: it starts the command of the earlier release."""


class RailwayPlan(Struct, frozen=True, kw_only=True):
    """Railway's API, for ``rollback.platform = "railway"``. The default of each key is a variable of Railway's."""

    api_url: Annotated[str, Meta(min_length=8)] = "https://backboard.railway.com/graphql/v2"
    """``RAILWAY_API_URL``."""
    api_token: Annotated[Secret, Meta(min_length=8)] | None = None
    """``RAILWAY_API_TOKEN``: a token of an account or workspace."""
    project_token: Annotated[Secret, Meta(min_length=8)] | None = None
    """``RAILWAY_TOKEN``: a token of one project and environment; used where ``api_token`` is not given."""
    project: str | None = None
    """``RAILWAY_PROJECT_ID``."""
    environment: str | None = None
    """``RAILWAY_ENVIRONMENT_ID``."""
    service: str | None = None
    """``RAILWAY_SERVICE_ID``."""
    deployment: str | None = None
    """``RAILWAY_DEPLOYMENT_ID``: the deployment that this sidecar is part of."""


class RollbackPlan(Struct, frozen=True, kw_only=True):
    """Who rolls back, and when that is admissible."""

    platform: PlatformKind | None = None
    """Who puts the earlier release in place. When not given, a bad release is held for a person to decide."""
    argv: tuple[str, ...] = ()
    """``platform = "command"``: the program and its arguments, started without a shell. It finds the release to restore
    in ``SIDECAR_TARGET_RELEASE``, its deployments, newest first and separated by spaces, in
    ``SIDECAR_TARGET_DEPLOYMENTS``, and the one to replace in ``SIDECAR_BAD_RELEASE``. What it leaves running must not
    write to its output."""
    timeout: Annotated[Duration, Meta(ge=1, le=3600)] = 60.0
    """The deadline of that program, and of one call of a platform's API."""
    cool_down: Annotated[Duration, Meta(le=604800)] = 1800.0
    """After a rollback no other begins for so long."""
    max_per_day: Annotated[int, Meta(ge=0, le=100)] = 3
    """So many rollbacks begin within any 24 hours, and no more."""
    verify_within: Annotated[Duration, Meta(ge=1, le=86400)] = 600.0
    """The earlier release must be healthy again by then; else people are told."""
