"""The paid modes of ``brightdata`` against an API and a proxy that answer and fail as documented."""

import ssl

import pytest
from servers.brightdata import TOKEN, FakeBrightData, FakeSuperproxy, fetched
from servers.http import CHUNKED, answer, whole
from servers.looking import look

from probes.brightdata import KIND, Spec
from sidecar.contract import Evidence, GatewayPlan, Memo, Outcome, PassingMemo, Setting
from sidecar.core.verdict import Verdict

pytestmark = pytest.mark.anyio

LOGIN = {"customer": FakeSuperproxy.customer, "zone": FakeSuperproxy.zone, "password": FakeSuperproxy.password}


def make(memo: Memo | None = None, **keys):
    """Make a probe."""
    setting = Setting(
        name="brightdata",
        timeout=10.0,
        gateway=GatewayPlan(),
        gateway_process=lambda: None,
        user_agent="test",
        memo=memo or PassingMemo(),
    )
    return KIND.probe(Spec(**keys), setting)


def requesting(server, memo: Memo | None = None, **keys):
    """Make a probe that has the fake API fetch a page."""
    return make(memo, **{"mode": "request", "url": server.url(""), "token": TOKEN, "zone": "unlocker1"} | keys)


@pytest.fixture
def page_certificate(certificates) -> ssl.SSLContext:
    """The certificate that the proxy shows in the page's place."""
    return certificates.of("geo.brdtest.com")


@pytest.fixture
def proxied(certificates):
    """Make a probe that goes through the fake proxy."""

    def make_one(server, memo: Memo | None = None, **keys):
        place = {"proxy_host": "127.0.0.1", "proxy_port": server.port, "tls_ca_file": str(certificates.ca_file)}
        return make(memo, **{"mode": "proxy"} | LOGIN | place | keys)

    return make_one


def phases(verdict: Verdict) -> list[str]:
    """The timed parts, in order."""
    return [phase.name for phase in verdict.observation.phases]


def told(verdict: Verdict) -> tuple[Outcome, Evidence | None, str]:
    """Give what matters of a verdict; whatever it is, no secret stands in it."""
    for secret in (TOKEN, FakeSuperproxy.password):
        assert secret not in repr(verdict)
    return verdict.outcome, verdict.evidence, verdict.reason


# request


async def test_page_that_the_api_fetches_passes(serve):
    """One request, for BrightData's own test page, in the zone."""
    fake = FakeBrightData()
    verdict = await look(requesting(await serve(fake)))
    assert told(verdict) == (Outcome.PASS, None, "x-brd-status-code is 200-299: found 200")
    assert fake.bodies == [
        {
            "zone": "unlocker1",
            "url": "https://geo.brdtest.com/welcome.txt?product=unlocker&method=api",
            "format": "raw",
        }
    ]
    assert verdict.observation.notes["budget_left"] == 49
    assert verdict.observation.notes["budget"] == "forgotten at a restart: set [state] dir"


async def test_page_of_ones_own(serve):
    """Any page will do."""
    fake = FakeBrightData()
    await look(requesting(await serve(fake), test_url="http://shop.test/?q=1"))
    assert fake.bodies[0]["url"] == "http://shop.test/?q=1"


@pytest.mark.parametrize(
    ("reply", "outcome", "evidence", "words"),
    [
        (fetched(404), Outcome.FAIL, Evidence.WRONG, "x-brd-status-code is 200-299: found 404"),
        (whole(200, b"Welcome"), Outcome.FAIL, Evidence.WRONG, "x-brd-status-code is 200-299: found none"),
        (
            fetched(502, b"", b"x-brd-error: Failed after 3 attempts " + TOKEN.encode()),
            Outcome.FAIL,
            Evidence.WRONG,
            "BrightData fetches the page: found 502, Failed after 3 attempts ***",
        ),
        (
            fetched(200, b"", b"x-brd-error: Strange"),
            Outcome.FAIL,
            Evidence.WRONG,
            "BrightData fetches the page: found 200, Strange",
        ),
        (
            fetched(502, b"", b"x-brd-err-code: client_10100"),
            Outcome.FAIL,
            Evidence.MISCONFIGURED,
            "BrightData fetches the page: found 502 client_10100, the zone has reached its usage limit",
        ),
        (
            fetched(429, b"", b"x-brd-error: too many (sr_rate_limit)"),
            Outcome.WARN,
            None,
            "BrightData fetches the page: found 429 sr_rate_limit, requests are throttled",
        ),
        (
            whole(401, b"Invalid credentials"),
            Outcome.FAIL,
            Evidence.MISCONFIGURED,
            "the key is accepted: found 401, the key is refused",
        ),
        (whole(400, b"zone not found"), Outcome.FAIL, Evidence.WRONG, "the key is accepted: found 400, zone not found"),
    ],
)
async def test_page_that_the_api_does_not_fetch(serve, reply, outcome, evidence, words):
    """The reply's own status is 200 even then: the headers decide."""
    verdict = await look(requesting(await serve(FakeBrightData({"/request": reply}))))
    assert told(verdict)[:2] == (outcome, evidence)
    assert verdict.reason.startswith(words)


async def test_page_without_end(serve):
    """No more is read than is needed."""
    endless = CHUNKED.replace(b"OK\r\n", b"OK\r\nx-brd-status-code: 200\r\n") + b"10000\r\n" + b"x" * 65536 + b"\r\n"
    server = await serve(answer(endless, *[b"10000\r\n" + b"x" * 65536 + b"\r\n"] * 4))
    assert (await look(requesting(server))).outcome is Outcome.PASS


async def test_budget_of_paid_looks(serve, memo_of, tmp_path):
    """When it is spent nothing is sent any more, not even by the next process, and nothing is said about BrightData."""
    fake = FakeBrightData()
    server = await serve(fake)
    first = requesting(server, memo_of("brightdata", tmp_path), budget=2)
    assert [(await look(first)).outcome for _ in range(3)] == [Outcome.PASS, Outcome.PASS, Outcome.UNKNOWN]
    verdict = await look(requesting(server, memo_of("brightdata", tmp_path), budget=2))
    assert told(verdict)[:2] == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert verdict.reason.startswith("the look is within the day's budget: found all 2 spent")
    assert len(fake.targets) == 2


async def test_look_that_fails_is_paid_all_the_same(serve, memo_of, tmp_path):
    """Whoever hangs up may have done the work: a look is counted before it is made."""
    server = await serve(answer(b""))
    probe = requesting(server, memo_of("brightdata", tmp_path), budget=1)
    assert (await look(probe)).outcome is Outcome.FAIL
    assert (await look(probe)).outcome is Outcome.UNKNOWN


async def test_free_looks_are_not_counted(serve, memo_of, tmp_path):
    """The account endpoints cost nothing."""
    probe = make(memo_of("brightdata", tmp_path), url=(await serve(FakeBrightData())).url(""), token=TOKEN, budget=1)
    assert [(await look(probe)).outcome for _ in range(3)] == [Outcome.PASS] * 3
    assert not list(tmp_path.iterdir())


# proxy


async def test_page_that_arrives_through_the_proxy_passes(serve, page_certificate, proxied):
    """The proxy gets the credentials, and whoever has the page does not."""
    server = await serve(FakeSuperproxy(page_certificate))
    verdict = await look(proxied(server))
    assert told(verdict) == (Outcome.PASS, None, "the page's status is 200-299: found 200")
    assert phases(verdict) == ["setup", "connect", "tunnel", "tls", "first_byte", "body"]
    to_proxy, to_page = server.requests
    assert to_proxy.startswith(b"CONNECT geo.brdtest.com:443 HTTP/1.1\r\n")
    assert b"\r\nHost: geo.brdtest.com:443\r\n" in to_proxy
    assert to_page.startswith(b"GET /mygeo.json HTTP/1.1\r\n")
    assert b"authorization" not in to_page.lower()
    assert verdict.observation.notes["budget_left"] == 49


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 200 Connection established\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nProxy-Status: brd; received-status=200\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
    ],
)
async def test_tunnel_whatever_its_reply_says_of_a_body(serve, page_certificate, proxied, reply):
    """There is none (RFC 9110, 9.3.6)."""
    server = await serve(FakeSuperproxy(page_certificate, connect=reply))
    assert (await look(proxied(server))).outcome is Outcome.PASS


async def test_wrong_password_is_told_and_not_tried_again(serve, page_certificate, proxied):
    """After a 407 nothing is sent until the longest pause is over: the same is said meanwhile."""
    server = await serve(FakeSuperproxy(page_certificate))
    probe = proxied(server, password="wr0ng")
    verdict = await look(probe)
    assert told(verdict) == (
        Outcome.FAIL,
        Evidence.MISCONFIGURED,
        "the proxy opens a tunnel: found 407 client_10000, account, zone or password is wrong: compare them with "
        "https://brightdata.com/cp/zones (it says: Invalid credentials)",
    )
    again = await look(probe)
    assert told(again) == (verdict.outcome, verdict.evidence, f"{verdict.reason}; asking again in 300 s")
    assert "wr0ng" not in repr((verdict, again))
    assert len(server.requests) == 1
    probe._pause_until = 0.0
    assert (await look(probe)).reason == verdict.reason
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("reply", "outcome", "evidence", "words"),
    [
        (
            whole(407),
            Outcome.FAIL,
            Evidence.MISCONFIGURED,
            "407, the credentials are refused: copy them anew into 'cus",
        ),
        (
            whole(401),
            Outcome.FAIL,
            Evidence.MISCONFIGURED,
            "401, the credentials are refused: copy them anew into 'cus",
        ),
        (
            whole(407, b"", b'Proxy-Status: brd; received-status=407; details="client-10020: suspended"'),
            Outcome.FAIL,
            Evidence.MISCONFIGURED,
            "407 client_10020, the account is suspended",
        ),
        (
            whole(502, b"", b"x-brd-err-code: client_10100", b"x-brd-err-msg: limit"),
            Outcome.FAIL,
            Evidence.MISCONFIGURED,
            "502 client_10100, the zone has reached its usage limit",
        ),
        (
            whole(429, b"", b"x-brd-err-code: client_10110"),
            Outcome.WARN,
            None,
            "429 client_10110, the account's rate is too high",
        ),
        (
            whole(502, b"", b"x-brd-err-code: peer_40002", b"x-brd-err-msg: no peer"),
            Outcome.FAIL,
            Evidence.WRONG,
            "502 peer_40002, no peer: see https://docs.brightdata.com/proxy-networks/errorCatalog#peer-40002",
        ),
        (whole(503), Outcome.FAIL, Evidence.WRONG, "503, BrightData itself fails"),
        # The head says enough: a body that never comes is not waited for.
        (b"HTTP/1.1 403 No\r\nContent-Length: 9\r\n\r\n", Outcome.FAIL, Evidence.WRONG, "403, with an empty body"),
    ],
)
async def test_tunnel_that_is_refused(serve, page_certificate, proxied, *, reply, outcome, evidence, words):
    """The documented codes have words of their own, wherever they stand."""
    verdict = await look(proxied(await serve(FakeSuperproxy(page_certificate, connect=reply))))
    assert told(verdict)[:2] == (outcome, evidence)
    assert verdict.reason.startswith(f"the proxy opens a tunnel: found {words}")


@pytest.mark.parametrize(
    ("page", "reason"),
    [
        (whole(404, b"gone"), "the page's status is 200-299: found 404"),
        (
            whole(502, b"", b"x-brd-error: Peer connection failed " + LOGIN["password"].encode()),
            "BrightData fetches the page: found 502, BrightData itself fails: see https://brightdata.com/network-status",
        ),
        (
            whole(403, b"", b"x-brd-err-code: policy_20130", b"x-brd-err-msg: Forbidden site"),
            "BrightData fetches the page: found 403 policy_20130, Forbidden site: see "
            "https://docs.brightdata.com/proxy-networks/errorCatalog#policy-20130",
        ),
    ],
)
async def test_page_that_does_not_arrive(serve, page_certificate, proxied, page, reason):
    """The page's own status and BrightData's errors are told apart."""
    verdict = await look(proxied(await serve(FakeSuperproxy(page_certificate, page=page))))
    assert told(verdict) == (Outcome.FAIL, Evidence.WRONG, reason)


async def test_certificate_that_is_not_trusted(serve, page_certificate, proxied):
    """The proxy reads the traffic with a certificate of its own: the reason tells where to name its root."""
    server = await serve(FakeSuperproxy(page_certificate))
    verdict = await look(proxied(server, tls_ca_file=None))
    assert told(verdict)[:2] == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason.startswith("the certificate of geo.brdtest.com:443 is valid: found its ")
    assert verdict.reason.endswith("port 44445 has a root certificate of its own, which 'tls_ca_file' must name")


async def test_proxy_that_is_down(page_certificate, proxied, serve):
    """The failure is that of the proxy, not of the page."""
    server = await serve(FakeSuperproxy(page_certificate))
    probe = proxied(server, proxy_port=1)
    verdict = await look(probe)
    assert told(verdict) == (
        Outcome.FAIL,
        Evidence.REFUSED,
        "a connection to 127.0.0.1:1 is accepted: found connection refused",
    )


@pytest.mark.parametrize(
    "reply", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1 200 OK\r\n", b"\x15\x03\x01\x00\x02\x02\x28"]
)
async def test_proxy_that_is_none(serve, proxied, reply):
    """Whoever answers otherwise, or hangs up within the answer, fails."""
    verdict = await look(proxied(await serve(answer(reply))))
    assert verdict.outcome is Outcome.FAIL


async def test_tunnel_that_leads_nowhere(serve, proxied):
    """A proxy that opens a tunnel and speaks no TLS in it, or hangs up, fails."""
    for beyond in (b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"):
        server = await serve(answer(b"HTTP/1.1 200 OK\r\n\r\n", beyond))
        verdict = await look(proxied(server))
        assert verdict.outcome is Outcome.FAIL
        assert "geo.brdtest.com:443" in verdict.reason


async def test_proxy_that_accepts_and_hangs(silent_port, proxied, serve, page_certificate):
    """The deadline ends the look."""
    probe = proxied(await serve(FakeSuperproxy(page_certificate)), proxy_port=silent_port)
    verdict = await look(probe, within=0.2)
    assert told(verdict)[:2] == (Outcome.FAIL, Evidence.SILENT)


# settings


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({}, 'token is missing: mode = "free" needs token'),
        ({"mode": "request", "token": "hidden"}, 'zone is missing: mode = "request" needs token and zone'),
        ({"mode": "proxy", "zone": "z", "password": "hidden"}, "customer is missing"),
        (
            {"mode": "proxy", "zone": "z", "customer": "c"},
            'password is missing: mode = "proxy" needs customer, zone and',
        ),
        (
            {"mode": "proxy", "zone": "z", "customer": "brd-customer-c", "password": "hidden"},
            "customer is not the bare id",
        ),
        ({"mode": "proxy", "zone": "z\n", "customer": "c", "password": "hidden"}, "zone is empty, or has a space"),
        ({"mode": "proxy", "zone": "z", "customer": "c", "password": "hid den"}, "password is empty, or has a space"),
        (
            {"mode": "proxy", "zone": "z", "customer": "c", "password": "p", "test_url": "http://x"},
            "test_url begins with",
        ),
        ({"mode": "proxy", "zone": "z", "customer": "c", "password": "p", "proxy_host": "a b"}, "a space"),
        ({"mode": "request", "token": "t", "zone": "z", "test_url": "ftp://x"}, "neither http"),
    ],
)
def test_impossible_settings_are_refused(keys, words):
    """Each mode says what it needs, and no secret is shown."""
    with pytest.raises(ValueError, match=words) as caught:
        Spec(**keys)
    assert "hid" not in str(caught.value)
