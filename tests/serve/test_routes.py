"""Which requests have an answer."""

import pytest
from serve.client import request

from sidecar.serve.routes import METHODS, PATHS, Ask, Refusal, Route, decide

TOKEN = "correct-horse"


@pytest.mark.parametrize(
    ("path", "route"),
    [
        ("/health", Route.LIVE), ("/health/live", Route.LIVE), ("/livez", Route.LIVE),
        ("/health/ready", Route.READY), ("/readyz", Route.READY),
        ("/health/startup", Route.STARTUP), ("/startupz", Route.STARTUP),
        ("/metrics", Route.METRICS),
        ("/readyz?verbose", Route.READY), ("/readyz?", Route.READY), ("/health?a=/b?c", Route.LIVE),
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_every_path_has_its_route(method, path, route):
    """GET and HEAD of the known paths are answered; what stands behind ``?`` makes no difference."""
    decision = decide(request(path, method=method), None)
    assert isinstance(decision, Ask)
    assert decision.route is route
    assert decision.head_only is (method == "HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/", "*", "/healthz", "/health/", "//health", "/health//ready", "/./health", "/health/../health", "/%68ealth",
        "/HEALTH", "/health;a", "http://localhost/health", "/metrics/", "/health%2fready",
    ],
)  # fmt: skip
def test_every_other_path_is_404(path):
    """Paths are compared as they are sent: none is decoded, tidied or guessed."""
    decision = decide(request(path, method="OPTIONS" if path == "*" else "GET"), None)
    assert isinstance(decision, Refusal)
    assert (decision.status, decision.keep_alive) == (404, True)


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"])
@pytest.mark.parametrize("path", [path.decode() for path in PATHS])
def test_every_other_method_is_405(method, path):
    """Nothing but GET and HEAD is answered."""
    decision = decide(request(path, method=method), None)
    assert isinstance(decision, Refusal)
    assert decision.status == 405
    assert method.encode() not in METHODS


def test_connect_opens_no_tunnel():
    """CONNECT is refused, and the connection ends with it."""
    decision = decide(b"CONNECT /health HTTP/1.1\r\nHost: localhost\r\n\r\n", None)
    assert isinstance(decision, Refusal)
    assert not decision.keep_alive


@pytest.mark.parametrize(
    ("fields", "name", "token", "local"),
    [
        ([], "localhost", False, True),
        ([], "example.com", False, False),
        (["X-Forwarded-For: 127.0.0.1"], "localhost", False, False),
        ([f"Authorization: Bearer {TOKEN}"], "example.com", True, False),
        ([f"Authorization: Bearer {TOKEN}", "Via: 1.1 p"], "example.com", True, False),
        (["Authorization: Bearer wrong"], "example.com", False, False),
        (["Authorization: Bearer wrong"], "localhost", False, True),
    ],
)
def test_what_gives_leave_to_see_details(fields, name, token, local):
    """The right token does; so does a loopback Host that no proxy passed on, when the peer is loopback as well."""
    decision = decide(request("/health", *fields, name=name), TOKEN)
    assert isinstance(decision, Ask)
    assert (decision.token, decision.local) == (token, local)


def test_what_is_malformed_ends_the_connection():
    """After a request that cannot be read nobody knows where the next begins."""
    assert decide(b"GET /health HTTP/1.1\r\n\r\n", None)[0] == 400
    assert not decide(b"GET /health HTTP/1.1\r\n\r\n", None).keep_alive


@pytest.mark.parametrize(
    ("path", "explain"),
    [
        ("/health/ready?explain", True), ("/health?a=b&explain", True), ("/readyz?explain&a", True),
        ("/health/ready", False), ("/health/ready?explained", False), ("/metrics?explain", False),
    ],
)  # fmt: skip
def test_an_explanation_is_asked_for_by_name(path, explain):
    """By a parameter without a value; of the metrics there is none."""
    assert decide(request(path), None).explain is explain
