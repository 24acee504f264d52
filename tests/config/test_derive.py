"""Zero configuration: the environment alone says what is probed."""

from collections.abc import Callable
from typing import Any

import pytest

from sidecar.core.plan import OnFailure, Plan, ProbePlan, Target

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]

FULL = {
    "REDIS_URL": "redis://:hunter2@cache:6379/0",
    "DATABASE_URL": "postgresql://app:hunter3@db/app",
    "BRIGHTDATA_API_TOKEN": "hunter4",
}


def _probes(plan: Plan) -> dict[str, ProbePlan]:
    return {probe.name: probe for probe in plan.probes}


def _spec(plan: Plan, name: str) -> Any:
    return _probes(plan)[name].spec


def test_empty_environment_probes_the_gateway_alone(plan_of: Load) -> None:
    """By HTTP (that it answers at all), by MCP, and as a process; each of them drains. The others are accounted for."""
    plan = plan_of("")
    assert [(probe.name, probe.kind) for probe in plan.probes] == [
        ("gateway", "http"), ("mcp", "mcp"), ("process", "process"),
    ]  # fmt: skip
    assert {(probe.target, probe.on_failure) for probe in plan.probes} == {(Target.GATEWAY, OnFailure.DRAIN)}
    assert (_spec(plan, "gateway").url, _spec(plan, "gateway").status) == ("/", "100-499")
    assert _spec(plan, "mcp").url == "/mcp"
    assert plan.remarks == (
        "database: not probed, DATABASE_URL is not set",
        "cache: not probed, REDIS_URL is not set",
        "brightdata: not probed, BRIGHTDATA_API_TOKEN is not set",
    )


def test_full_environment_probes_everything(plan_of: Load) -> None:
    """Database, cache and BrightData are probed as soon as the environment names them, with what it says."""
    plan = plan_of("", FULL)
    assert list(_probes(plan)) == ["gateway", "mcp", "process", "database", "cache", "brightdata"]
    assert _probes(plan)["database"].on_failure is OnFailure.UNREADY
    assert _spec(plan, "database").url == FULL["DATABASE_URL"]
    assert _spec(plan, "cache").url == FULL["REDIS_URL"]
    assert _spec(plan, "brightdata").token == "hunter4"
    assert plan.remarks == ()
    assert {"hunter2", "hunter3", "hunter4", *FULL.values()} == plan.secrets


def test_empty_variable_is_as_good_as_none(plan_of: Load) -> None:
    """Platforms define variables without a value."""
    assert plan_of("", dict.fromkeys(FULL, "")) == plan_of("")


@pytest.mark.parametrize(
    ("url", "used"),
    [
        ("postgres://db/app", "postgres://db/app"),
        ("postgresql://db/app", "postgresql://db/app"),
        ("postgresql+psycopg://u:p@db/a+b://", "postgresql://u:p@db/a+b://"),
        ("postgres+asyncpg2://db", "postgres://db"),
    ],
)
def test_database_url_may_name_a_driver(plan_of: Load, url: str, used: str) -> None:
    """SQLAlchemy's form of the URL is common in gateways; its driver means nothing to others."""
    assert _spec(plan_of("", {"DATABASE_URL": url}), "database").url == used


@pytest.mark.parametrize(
    ("environ", "remark"),
    [
        (
            {"DATABASE_URL": "mysql://db"},
            "database: not probed, DATABASE_URL does not begin with postgresql:// or postgres://",
        ),
        (
            {"REDIS_URL": "cache:6379"},
            "cache: not probed, REDIS_URL does not begin with redis://, rediss:// or unix://",
        ),
        (
            {"API_TOKEN": "abcdef"},
            "brightdata: not probed, BRIGHTDATA_API_TOKEN is not set (API_TOKEN counts only beside WEB_UNLOCKER_ZONE)",
        ),
    ],
)
def test_what_is_not_ours_is_not_probed(plan_of: Load, environ: dict[str, str], remark: str) -> None:
    """Another database, or a token that may be anybody's, is left alone, and the operator is told."""
    plan = plan_of("", environ)
    assert list(_probes(plan)) == ["gateway", "mcp", "process"]
    assert remark in plan.remarks


@pytest.mark.parametrize(
    ("environ", "token", "zone"),
    [
        ({"BRIGHTDATA_API_TOKEN": "aaaa", "BRIGHTDATA_API_KEY": "bbbb"}, "aaaa", None),
        ({"BRIGHTDATA_API_KEY": "bbbb", "BRIGHTDATA_ZONE": "z"}, "bbbb", "z"),
        ({"BRIGHT_DATA_API_TOKEN": "cccc", "BRIGHTDATA_UNLOCKER_ZONE": "z"}, "cccc", "z"),
        ({"BRIGHT_DATA_API_KEY": "dddd", "BRIGHTDATA_ZONE": "y", "WEB_UNLOCKER_ZONE": "z"}, "dddd", "y"),
        ({"API_TOKEN": "eeee", "WEB_UNLOCKER_ZONE": "z"}, "eeee", "z"),
    ],
)
def test_brightdata_goes_by_several_names(plan_of: Load, environ: dict[str, str], token: str, zone: str | None) -> None:
    """The names that BrightData's own programs and the common libraries use; the first in the documented order wins."""
    spec = _spec(plan_of("", environ), "brightdata")
    assert (spec.token, spec.zone) == (token, zone)


def test_value_from_the_environment_is_taken_as_it_is(plan_of: Load) -> None:
    """A password with ``${`` in it is a password."""
    url = "redis://:${HOME}$${x@cache"
    assert _spec(plan_of("", {"REDIS_URL": url, "HOME": "/root"}), "cache").url == url


@pytest.mark.parametrize("url", ["redis+sentinel://s1,s2/mymaster", "rediss+cluster://n1,n2", "unix:///run/redis.sock"])
def test_cache_in_any_form_is_derived(plan_of: Load, url: str) -> None:
    """One server, the master that Sentinel names, and a cluster."""
    assert _spec(plan_of("", {"REDIS_URL": url}), "cache").url == url


def test_table_without_kind_adjusts_the_derived_probe(plan_of: Load) -> None:
    """Common keys and the kind's own keys are laid over what was derived; the rest stays."""
    text = '[probes.gateway]\nurl = "/healthz"\ninterval = "2s"\n[probes.cache]\non_failure = "unready"'
    plan = plan_of(text, FULL)
    assert (_spec(plan, "gateway").url, _spec(plan, "gateway").status) == ("/healthz", "100-499")
    assert _probes(plan)["gateway"].interval == 2
    assert _spec(plan, "cache").url == FULL["REDIS_URL"]
    assert _probes(plan)["cache"].on_failure is OnFailure.UNREADY


def test_table_with_kind_replaces_the_derived_probe(plan_of: Load) -> None:
    """Who names a kind says everything; nothing derived is left in it."""
    plan = plan_of('[probes.gateway]\nkind = "http"\nurl = "/x"', FULL)
    assert (_spec(plan, "gateway").url, _spec(plan, "gateway").status) == ("/x", "200")


def test_table_may_give_what_the_variable_would(plan_of: Load) -> None:
    """A derivable name with its own URL needs neither kind nor variable."""
    plan = plan_of('[probes.cache]\nurl = "redis://elsewhere"')
    assert (_probes(plan)["cache"].kind, _spec(plan, "cache").url) == ("redis", "redis://elsewhere")
    assert not any(remark.startswith("cache") for remark in plan.remarks)


def test_table_that_waits_for_its_variable_is_still_checked(plan_of: Load, problems_of: Problems) -> None:
    """The same file serves with and without a cache; a mistake in it is told in both cases."""
    text = '[probes.cache]\ninterval = "9s"'
    assert "cache" not in _probes(plan_of(text))
    assert _probes(plan_of(text, FULL))["cache"].interval == 9
    assert problems_of('[probes.cache]\nintervall = "9s"\ntimeout = "9s"') == [
        'x.toml:2: probes.cache.intervall: unknown key; did you mean "interval"?',
        'x.toml:3: probes.cache.timeout: found "9s", expected at most the interval, 5s',
    ]


def test_derived_probe_can_be_switched_off(plan_of: Load) -> None:
    """enabled = false leaves one out, derive = false leaves all out; a file's own probes stay."""
    plan = plan_of("[probes.mcp]\nenabled = false")
    assert list(_probes(plan)) == ["gateway", "process"]
    assert "mcp: not probed, enabled is false" in plan.remarks
    plan = plan_of('derive = false\n[probes.own]\nkind = "process"', FULL)
    assert list(_probes(plan)) == ["own"]
    assert plan.remarks == ()


def test_bad_variable_is_blamed_by_its_name(problems_of: Problems) -> None:
    """Nobody should search the file for what stands in the environment."""
    assert problems_of("", {"GATEWAY_PORT": "0", "BRIGHTDATA_ZONE": "z", "SIDECAR_TOKEN": "short"}) == [
        "environment: GATEWAY_PORT: found a string of 1 character from ${GATEWAY_PORT}, "
        "expected a whole number from 1 to 65535",
        "environment: SIDECAR_TOKEN: found a string of 5 characters from ${SIDECAR_TOKEN}, "
        "expected a string (at least 8 long)",
    ]
