"""The ``http`` kind against real servers."""

import re

import anyio
import msgspec
import pytest
from servers.http import OK, HttpServer, Peer, answer, whole

from probes.http import KIND, HttpProbe, Spec
from sidecar.contract import Evidence, GatewayPlan, ProbeFailure, Run, Setting, Target
from sidecar.core.judge import judge
from sidecar.core.verdict import Outcome, Verdict

pytestmark = pytest.mark.anyio

JSON = whole(200, b'{"status": "healthy", "ready": true, "checks": [{"n": 1}]}', b"Content-Type: application/json")


def probe_of(spec: Spec, gateway_port: int = 1) -> HttpProbe:
    """Make a probe as the engine would."""
    gateway = GatewayPlan(port=gateway_port)
    return HttpProbe(
        spec,
        Setting(name="web", timeout=2, gateway=gateway, gateway_process=lambda: None, user_agent="test-agent/1"),
    )


async def observe(probe: HttpProbe) -> Verdict:
    """Run it once and judge what it saw."""
    run = Run()
    with anyio.fail_after(10):
        try:
            await probe.observe(run)
        except ProbeFailure as failure:
            run.record(failure)
        finally:
            await probe.aclose()
    return judge(run.observation(started=0, wall=0, elapsed=0))


async def look(url: str, **keys) -> Verdict:
    """Make a probe of these keys and run it once."""
    return await observe(probe_of(Spec(url=url, **keys)))


async def test_a_good_reply_passes(serve):
    """Status 200 passes by default, with phases and notes for the reader."""
    server = await serve(answer(whole(200, b"ok", b"Server: test")))
    verdict = await look(server.url())
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "status is 200-299: found 200")
    assert [phase.name for phase in verdict.observation.phases] == ["connect", "first_byte", "body"]
    assert verdict.observation.notes == {"status": 200, "server": "test"}


async def test_a_path_is_asked_of_the_gateway(serve):
    """A URL that is only a path means the gateway, wherever it listens."""
    server = await serve(answer(OK))
    assert (await observe(probe_of(Spec(url="/health?x=1"), server.port))).outcome is Outcome.PASS
    assert server.requests[0].startswith(b"GET /health?x=1 HTTP/1.1\r\n")


async def test_the_request_is_as_configured(serve):
    """Method, headers and body are sent; the user agent is the sidecar's unless configured."""
    server: HttpServer = await serve(answer(OK))
    await look(server.url(), method="POST", headers={"X-Key": "k"}, body="data")
    await look(server.url(), headers={"user-agent": "mine"})
    assert b"\r\nX-Key: k\r\n" in server.requests[0]
    assert b"\r\nUser-Agent: test-agent/1\r\n" in server.requests[0]
    assert server.requests[0].endswith(b"\r\n\r\ndata")
    assert b"\r\nuser-agent: mine\r\n" in server.requests[1]
    assert b"test-agent" not in server.requests[1]


@pytest.mark.parametrize(
    ("status", "expected", "holds"),
    [
        (200, "200", True),
        (299, "200-299", True),
        (300, "200-299", False),
        (404, "200, 404", True),
        (304, "200,300-399", True),
        (500, "200,300-399", False),
    ],
)
async def test_the_status_is_held_against_codes_and_ranges(serve, status, expected, holds):
    """Expected codes and ranges pass, everything else fails."""
    verdict = await look((await serve(answer(whole(status)))).url(), status=expected)
    assert verdict.outcome is (Outcome.PASS if holds else Outcome.FAIL)
    assert verdict.reason == f"status is {expected}: found {status}"


@pytest.mark.parametrize(
    ("status", "outcome", "evidence", "word"),
    [
        (401, Outcome.FAIL, Evidence.MISCONFIGURED, "credentials"),
        (403, Outcome.FAIL, Evidence.MISCONFIGURED, "refuses access"),
        (404, Outcome.FAIL, Evidence.MISCONFIGURED, "set `url`"),
        (405, Outcome.FAIL, Evidence.MISCONFIGURED, "set `method`"),
        (406, Outcome.FAIL, Evidence.MISCONFIGURED, "`Accept`"),
        (429, Outcome.WARN, None, "longer `interval`"),
        (503, Outcome.FAIL, Evidence.WRONG, "found 503"),
    ],
)
async def test_an_unexpected_status_says_whose_fault_it_is(serve, status, outcome, evidence, word):
    """An answer that speaks of the question accuses the configuration; too many requests warn; 5xx is wrong.

    No condition on the body is added to it: the body belongs to another answer than the expected one.
    """
    verdict = await look((await serve(answer(whole(status, b"no")))).url(), expect_body="yes", expect_json={"a": 1})
    assert (verdict.outcome, verdict.evidence) == (outcome, evidence)
    assert word in verdict.reason
    assert len(verdict.observation.findings) == 1


@pytest.mark.parametrize(
    ("keys", "outcome", "reason"),
    [
        ({"expect_body": '"healthy"'}, Outcome.PASS, 'body matches ""healthy"": found "healthy"'),
        ({"expect_body": "sick"}, Outcome.FAIL, 'body matches "sick": found {"status": "healthy"'),
        ({"expect_json": {"status": "healthy"}}, Outcome.PASS, 'JSON "status" is "healthy": found "healthy"'),
        ({"expect_json": {"status": "sick"}}, Outcome.FAIL, 'JSON "status" is "sick": found "healthy"'),
        ({"expect_json": {"checks.0.n": 1}}, Outcome.PASS, 'JSON "checks.0.n" is 1: found 1'),
        ({"expect_json": {"checks.0.n": True}}, Outcome.FAIL, 'JSON "checks.0.n" is true: found 1'),
        ({"expect_json": {"ready": 1}}, Outcome.FAIL, 'JSON "ready" is 1: found true'),
        ({"expect_json": {"checks.1.n": 1}}, Outcome.FAIL, 'JSON "checks.1.n" is 1: found no such key'),
        ({"expect_json": {"status.x": 1}}, Outcome.FAIL, 'JSON "status.x" is 1: found no such key'),
        ({"expect_header": {"Content-Type": "json$"}}, Outcome.PASS,
         'header Content-Type matches "json$": found application/json'),
        ({"expect_header": {"content-type": "^text/"}}, Outcome.FAIL,
         'header content-type matches "^text/": found application/json'),
        ({"expect_header": {"X-None": ""}}, Outcome.FAIL, 'header X-None matches "": found no such header'),
    ],
)  # fmt: skip
async def test_conditions_show_rule_and_observed_value(serve, keys, outcome, reason):
    """Header, body and JSON are held against their conditions, and the reason shows both."""
    verdict = await look((await serve(answer(JSON))).url(), **keys)
    assert verdict.outcome is outcome
    assert verdict.reason.startswith(reason)


async def test_a_healthy_status_with_a_sick_body_fails(serve):
    """HTTP 200 that says "unhealthy" is believed by its body."""
    server = await serve(answer(whole(200, b'{"status":"unhealthy"}')))
    verdict = await look(server.url(), expect_json={"status": "healthy"})
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"status"', b"[" * 60000, b'{"status": "\xff"}', b"NaN"])
async def test_what_is_no_json_fails(serve, body):
    """A body that is not JSON, however broken, is a wrong reply."""
    verdict = await look((await serve(answer(whole(200, body)))).url(), expect_json={"status": "healthy"})
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason.startswith("body is JSON: found ")


async def test_json_beyond_the_limit_asks_for_a_larger_one(serve):
    """A JSON body that is cut off proves nothing about the target."""
    verdict = await look((await serve(answer(JSON))).url(), expect_json={"ready": True}, body_limit=10)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert "more than 10 bytes, set a larger `body_limit`" in verdict.reason


def redirecting(status: int, location: str) -> bytes:
    """Write a redirect."""
    return whole(status, b"", b"Location: " + location.encode(), b"Connection: close")


async def test_a_redirect_is_not_followed_unasked_and_named_without_secrets(serve):
    """An unexpected redirect is wrong, and shows where it leads without query or credentials."""
    server = await serve(answer(redirecting(302, "https://me:pw@login.test/in?token=t#f")))
    verdict = await look(server.url())
    assert verdict.reason == "status is 200-299: found 302, a redirect to https://login.test/in"
    assert verdict.evidence is Evidence.WRONG


async def test_an_expected_redirect_passes(serve):
    """A redirect may be what is expected."""
    server = await serve(answer(redirecting(301, "/x")))
    assert (await look(server.url(), status="301")).outcome is Outcome.PASS


@pytest.mark.parametrize("location", ["/b/end", "end", "//127.0.0.1:{port}/b/end", "http://127.0.0.1:{port}/b/end"])
async def test_redirects_are_followed_as_far_as_allowed(serve, location):
    """Relative and absolute locations are followed, with the configured headers as long as the origin is the same."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        is_end = request.startswith(b"GET /b/end ")
        await peer.say(OK if is_end else redirecting(307, location.format(port=server.port)))

    server: HttpServer = await serve(script)
    verdict = await look(server.url("/b/start"), follow_redirects=1, headers={"Authorization": "secret"})
    assert (verdict.outcome, verdict.observation.notes["redirects"]) == (Outcome.PASS, 1)
    assert [b"\r\nAuthorization: secret\r\n" in request for request in server.requests] == [True, True]


async def test_a_redirect_loop_ends(serve):
    """After as many redirects as allowed, the next is the answer."""
    server: HttpServer = await serve(answer(redirecting(302, "/round")))
    verdict = await look(server.url(), follow_redirects=3)
    assert verdict.reason == "status is 200-299: found 302, a redirect to /round"
    assert len(server.requests) == 4


async def test_another_origin_gets_no_configured_header(serve):
    """Whomever a redirect names learns nothing that was configured: any header may be a credential."""
    elsewhere: HttpServer = await serve(answer(OK))
    server: HttpServer = await serve(answer(redirecting(302, elsewhere.url("/x"))))
    keys = {"Authorization": "secret", "Cookie": "secret", "X-Api-Key": "secret", "User-Agent": "secret"}
    assert (await look(server.url(), follow_redirects=1, headers=keys)).outcome is Outcome.PASS
    assert b"secret" not in elsewhere.requests[0]
    assert b"\r\nUser-Agent: test-agent/1\r\n" in elsewhere.requests[0]


async def test_another_origin_gets_no_configured_body(serve):
    """A redirect that would carry the body to somebody else is not followed, but is the answer."""
    elsewhere: HttpServer = await serve(answer(OK))
    server: HttpServer = await serve(answer(redirecting(307, elsewhere.url("/x"))))
    verdict = await look(server.url(), follow_redirects=1, method="POST", body="secret")
    assert verdict.reason == f"status is 200-299: found 307, a redirect to {elsewhere.url('/x')}"
    assert not elsewhere.requests


@pytest.mark.parametrize(
    ("status", "method", "then"),
    [
        (303, "POST", b"GET"),
        (302, "POST", b"GET"),
        (301, "POST", b"GET"),
        (307, "POST", b"POST"),
        (303, "HEAD", b"HEAD"),
    ],
)
async def test_a_redirect_keeps_or_changes_the_method_as_the_rfc_says(serve, status, method, then):
    """After 303, and by custom after 301 and 302, POST becomes GET without a body; 307 keeps both."""

    async def script(peer: Peer) -> None:
        request = await peer.request()
        await peer.say(OK if b" /end " in request else redirecting(status, "/end"))

    server: HttpServer = await serve(script)
    assert (await look(server.url(), method=method, body="data", follow_redirects=1)).outcome is Outcome.PASS
    assert server.requests[1].startswith(then + b" /end ")
    assert server.requests[1].endswith(b"data") is (then == b"POST")


@pytest.mark.parametrize("location", ["ftp://x/", "http://a b/", "http://[/", "http://me:secret@x/", "\xff"])
async def test_a_redirect_to_nowhere_is_wrong(serve, location):
    """A location that is no usable URL is a wrong reply, not an error of ours."""
    verdict = await look((await serve(answer(redirecting(302, location)))).url(), follow_redirects=2)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason.startswith("the redirect can be followed: found ")
    assert "secret" not in verdict.reason


async def test_tls_is_verified_as_configured(serve, certificates):
    """Over TLS the configured authority decides, or none if verification is off."""
    server = await serve(answer(OK), context=certificates.good())
    assert (await look(server.url(), tls_ca_file=str(certificates.ca_file))).outcome is Outcome.PASS
    assert (await look(server.url(), tls_verify=False)).outcome is Outcome.PASS
    verdict = await look(server.url())
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "issuer is not trusted" in verdict.reason


async def test_a_redirect_from_plain_to_tls_is_followed(serve, certificates):
    """The usual redirect to https works."""
    secure = await serve(answer(OK), context=certificates.good())
    server = await serve(answer(redirecting(301, secure.url())))
    verdict = await look(server.url(), follow_redirects=1, tls_ca_file=str(certificates.ca_file))
    assert verdict.outcome is Outcome.PASS


async def test_nobody_listening_is_refused(free_port):
    """The gateway is gone: the evidence says so."""
    verdict = await observe(probe_of(Spec(), free_port))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)


@pytest.mark.parametrize(
    ("keys", "word"),
    [
        ({"url": "health"}, "neither http:// nor https://"),
        ({"url": "/a b"}, "space"),
        ({"url": "http://me:pw@host/"}, "credentials"),
        ({"status": "2xx"}, "status is '2xx': expected such as"),
        ({"status": "299-200"}, "expected such as"),
        ({"status": "200,"}, "expected such as"),
        ({"status": "700"}, "expected such as"),
        ({"expect_body": "("}, "expect_body is no regular expression: "),
        ({"expect_header": {"Server": "["}}, "expect_header.Server is no regular expression: "),
        ({"expect_header": {"no name": ""}}, "'no name'"),
        ({"headers": {"Authorization": "Bearer secret\n"}}, "Authorization has a line break"),
        ({"method": "HEAD", "expect_body": "x"}, "HEAD has no body"),
        ({"method": "HEAD", "expect_json": {"a": 1}}, "HEAD has no body"),
        ({"follow_redirects": -1}, "expected 0 to 10"),
        ({"follow_redirects": 11}, "expected 0 to 10"),
        ({"body_limit": 1 << 30}, "at most 1 MiB"),
    ],
)
async def test_an_impossible_spec_is_refused_when_it_is_made(keys, word):
    """What cannot work is told at configuration time, and never shows a secret."""
    with pytest.raises(ValueError, match=re.escape(word)) as raised:
        Spec(**keys)
    assert "secret" not in str(raised.value)
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(keys, Spec)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("/", Target.GATEWAY),
        ("http://127.0.0.1:8000/x", Target.GATEWAY),
        ("http://127.1.2.3:8000/", Target.GATEWAY),
        ("http://localhost:8000/", Target.GATEWAY),
        ("https://[::1]:8000/", Target.GATEWAY),
        ("http://gateway.internal:8000/", Target.GATEWAY),
        ("http://127.0.0.1:8001/", Target.UPSTREAM),
        ("http://127.0.0.1.evil.test:8000/", Target.UPSTREAM),
        ("https://api.test/", Target.UPSTREAM),
    ],
)
async def test_whoever_asks_the_gateways_port_here_looks_at_the_gateway(url, target):
    """The target follows from host and port, not from how the URL is written."""
    assert KIND.target(Spec(url=url), GatewayPlan(host="gateway.internal", port=8000)) is target
