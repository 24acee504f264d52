"""What the tables about releases say together."""

import pytest

from sidecar.config import ConfigError, load
from sidecar.core.plan import Plan, StoreKind
from sidecar.core.rules import PlatformKind
from sidecar.registry import known_kinds, load_kind

ON_RAILWAY = {
    "RAILWAY_PROJECT_ID": "p",
    "RAILWAY_ENVIRONMENT_ID": "e",
    "RAILWAY_SERVICE_ID": "s",
    "RAILWAY_DEPLOYMENT_ID": "d",
    "RAILWAY_REPLICA_ID": "r",
}


def read(text: str, environ: dict[str, str] | None = None) -> Plan:
    """Read a plan with the built-in kinds."""
    return load(text, environ or {}, load_kind=load_kind, known_kinds=known_kinds)


def test_railway_is_known_from_its_variables() -> None:
    """A token is all that has to be added on Railway."""
    plan = read('[rollback]\nplatform = "railway"', {**ON_RAILWAY, "RAILWAY_TOKEN": "secret token"})
    assert plan.rollback.platform is PlatformKind.RAILWAY
    assert (plan.railway.project, plan.railway.environment, plan.railway.service) == ("p", "e", "s")
    assert plan.railway.deployment == "d"
    assert plan.state.replica == "r"
    assert "secret token" in plan.secrets


def test_a_token_of_railway_is_not_read_where_nobody_asks_for_it() -> None:
    """Without platform = "railway" its variables mean nothing."""
    assert read("", {**ON_RAILWAY, "RAILWAY_TOKEN": "secret token"}).railway.project_token is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[rollback]\nplatform = "railway"', "railway.project: missing: set it, or RAILWAY_PROJECT_ID"),
        ('[rollback]\nplatform = "railway"', "railway.api_token: missing"),
        ('[rollback]\nplatform = "command"', "rollback.argv: missing"),
        ('[state]\nstore = "redis"', 'state.url: missing: store = "redis" needs a URL'),
        ('[release]\nbake = "2h"', 'release.bake: found "2h", expected at most bake_limit, 1h'),
        ('[release]\nmetrics = "metrics"', "release.metrics: the URL begins with neither http:// nor https://"),
        ('[release]\nmetrics_errors = {code = "5("}', "release.metrics_errors.code: no regular expression: missing )"),
    ],
)
def test_what_does_not_fit_together_is_a_problem(text: str, problem: str) -> None:
    """It is told with its key, what is missing, and what to do."""
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert problem in str(caught.value)


def test_the_store_in_redis_takes_the_url_of_the_environment() -> None:
    """REDIS_URL serves the cache's probe and the store."""
    plan = read('[state]\nstore = "redis"', {"REDIS_URL": "redis://app:hunter2@cache:6379/0"})
    assert plan.state.store is StoreKind.REDIS
    assert plan.state.url == "redis://app:hunter2@cache:6379/0"
