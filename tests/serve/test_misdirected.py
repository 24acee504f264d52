"""A platform that is set up wrongly is told so, once."""

import pytest
from serve.client import request

from sidecar.serve.misdirected import Misdirected
from sidecar.serve.routes import decide


def warned(*requests: tuple[str, str], public_domain: str | None = "app.up.railway.app") -> list[str]:
    """What is said about requests, each a path and a host."""
    told: list[str] = []
    misdirected = Misdirected(public_domain, 8000, told.append)
    for path, host in requests:
        misdirected.look(decide(request(path, name=host), None))
    return told


@pytest.mark.parametrize("path", ["/mcp", "/health"])
@pytest.mark.parametrize("host", ["app.up.railway.app", "APP.up.railway.app:443"])
def test_traffic_of_the_public_domain_belongs_to_the_gateway(path: str, host: str) -> None:
    """Whatever it asks for; it is said once, with the port to set."""
    told = warned((path, host), (path, host), ("/other", host))
    assert len(told) == 1
    assert "set the target port of this domain to the gateway's, 8000" in told[0]


def test_a_health_check_that_asks_for_the_liveness_is_told_the_path() -> None:
    """Railway would switch traffic before the gateway is up."""
    host = "healthcheck.railway.app"
    told = warned(("/health", host), ("/livez", host))
    assert len(told) == 1
    assert "set the health-check path to /health/ready" in told[0]


@pytest.mark.parametrize(
    ("path", "host"),
    [("/health/ready", "healthcheck.railway.app"), ("/health", "localhost"), ("/mcp", "other.example"), ("/mcp", "")],
)
def test_everything_else_is_passed_in_silence(path: str, host: str) -> None:
    """Scanners ask for anything."""
    assert warned((path, host)) == []


def test_without_a_public_domain_none_is_missed() -> None:
    """Elsewhere than on Railway."""
    assert warned(("/mcp", "app.up.railway.app"), public_domain=None) == []
