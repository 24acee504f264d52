"""Kinds of probes as a third party would write them, and short ways to load a text with them."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import pytest
from msgspec import Meta, Struct, field

from sidecar.config import ConfigError, load
from sidecar.contract import Duration, GatewayPlan, Kind, OnFailure, Secret, Size, Target
from sidecar.core.plan import Plan

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]


class Call(Struct, frozen=True, kw_only=True):
    """A table within a table."""

    tool: str
    arguments: dict[str, Any] = {}


class WebSpec(Struct, frozen=True, kw_only=True):
    """Keys of every type."""

    url: str = "/"
    status: str = "200"
    method: Literal["GET", "HEAD"] = "GET"
    headers: dict[str, Secret] = field(default_factory=dict)
    expect: dict[str, str | int | float | bool] = field(default_factory=dict)
    follow: bool = False
    share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    redirects: Annotated[int, Meta(ge=0, le=10)] = 0
    limit: Size = 1024
    pause: Duration | None = None
    tools: tuple[str, ...] = ()
    names: Annotated[list[Annotated[str, Meta(pattern="^[a-z]+$")]], Meta(max_length=3)] = []
    pair: tuple[str, int] = ("", 0)
    codes: int | tuple[int, ...] = 200
    body: str | dict[str, int] | None = None
    call: Call | None = None
    calls: list[Call] = []

    def __post_init__(self) -> None:
        if "bad" in self.url:
            raise ValueError(f"url {self.url} is bad")


class ProcessSpec(Struct, frozen=True, kw_only=True):
    """Keys that all may be left out."""

    memory: Size | None = None


class UrlSpec(Struct, frozen=True, kw_only=True):
    """A key that is needed, and is secret."""

    url: Secret

    def __post_init__(self) -> None:
        if "://" not in self.url:
            raise ValueError(f"url is {self.url}: expected a scheme and ://")


class TokenSpec(Struct, frozen=True, kw_only=True):
    """A credential and a plain key."""

    token: Secret
    zone: str | None = None


def _by_url(spec: WebSpec, _: GatewayPlan) -> Target:
    return Target.GATEWAY if spec.url.startswith("/") else Target.UPSTREAM


def _no_probe(*_: Any) -> Any:
    raise AssertionError("a plan builds no probe")


KINDS: dict[str, Kind[Any]] = {
    "http": Kind("http", WebSpec, _no_probe, target=_by_url),
    "mcp": Kind("mcp", WebSpec, _no_probe, target=_by_url),
    "process": Kind("process", ProcessSpec, _no_probe, target=lambda *_: Target.GATEWAY),
    "redis": Kind("redis", UrlSpec, _no_probe),
    "postgres": Kind("postgres", UrlSpec, _no_probe, OnFailure.UNREADY),
    "brightdata": Kind("brightdata", TokenSpec, _no_probe),
}


@pytest.fixture
def plan_of() -> Load:
    """Load a text that is expected to be valid."""

    def load_text(text: str, environ: Mapping[str, str] | None = None) -> Plan:
        return load(text, environ or {}, load_kind=KINDS.get, known_kinds=lambda: sorted(KINDS), source="x.toml")

    return load_text


@pytest.fixture
def problems_of(plan_of: Load) -> Problems:
    """Load a text that is expected to be invalid; returns the lines of the error."""

    def load_text(text: str, environ: Mapping[str, str] | None = None) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            plan_of(text, environ)
        lines = str(caught.value).splitlines()
        assert lines == [str(problem) for problem in caught.value.problems]
        return lines

    return load_text
