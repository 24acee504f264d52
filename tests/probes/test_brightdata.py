"""The ``brightdata`` probe against account endpoints that answer and fail as documented."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.brightdata import TOKEN, FakeBrightData, zones
from servers.http import whole

from probes.brightdata import KIND, Spec
from probes.brightdata.refusal import _BY_CODE, pause
from sidecar.contract import GatewayPlan, OnFailure, ProbeFailure, Run, Setting, Target
from sidecar.core.judge import judge
from sidecar.core.verdict import Evidence, Outcome
from sidecar.exchange import Reply

pytestmark = pytest.mark.anyio

ACTIVE = "/zone/get_active_zones"


def make(server, **keys):
    """Make a probe of a fake BrightData."""
    setting = Setting(
        name="brightdata",
        timeout=2.0,
        gateway=GatewayPlan(),
        gateway_process=lambda: None,
        user_agent="mcp-gateway-sidecar/0.0",
    )
    return KIND.probe(Spec(url=server.url(""), **{"token": TOKEN} | keys), setting)


async def look(probe):
    """One execution, and the verdict on it; whatever it is, the key does not stand in it."""
    run, raised = Run(), ""
    try:
        await probe.observe(run)
    except ProbeFailure as failure:
        run.record(failure)
        raised = str(failure)
    verdict = judge(run.observation(started=0.0, wall=0.0, elapsed=0.0))
    assert TOKEN not in raised + repr(verdict)
    return verdict


async def refused(serve, reply, **keys):
    """Give the verdict on a reply to the first request."""
    return await look(make(await serve(FakeBrightData({ACTIVE: reply})), **keys))


async def test_key_that_is_accepted_passes(serve):
    """One free request proves the key."""
    fake = FakeBrightData()
    verdict = await look(make(await serve(fake)))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "the key is accepted: found 2 active zones")
    assert fake.targets == [ACTIVE]


async def test_zone_that_is_active_passes(serve):
    """The same request proves the zone."""
    fake = FakeBrightData()
    verdict = await look(make(await serve(fake), zone="serp1"))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "zone 'serp1' is active: found serp")
    assert fake.targets == [ACTIVE]


@pytest.mark.parametrize(
    ("zone", "fate"),
    [("old", "is deleted"), ("resting", "is disabled"), ("serp", "is unknown to this account")],
)
async def test_zone_that_is_not_active_fails_with_what_became_of_it(serve, zone, fate):
    """Deleted, disabled and misspelt are told apart, and no endpoint that answers with passwords is asked."""
    fake = FakeBrightData()
    verdict = await look(make(await serve(fake), zone=zone))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason == f"zone '{zone}' is active: found unlocker1, serp1 ('{zone}' {fate})"
    assert fake.targets == [ACTIVE, "/zone/get_all_zones"]


async def test_zone_that_is_not_active_fails_even_if_nobody_says_why(serve):
    """A key without the right to list all zones still tells that this one is not active."""
    fake = FakeBrightData({"/zone/get_all_zones": whole(403), ACTIVE: zones([])})
    verdict = await look(make(await serve(fake), zone="serp1"))
    assert verdict.reason == "zone 'serp1' is active: found none"


async def test_many_zones_are_cut_short(serve):
    """An account with hundreds of zones does not flood the reason."""
    fake = FakeBrightData({ACTIVE: zones([{"name": f"z{number}"} for number in range(12)])})
    verdict = await look(make(await serve(fake), zone="serp1"))
    assert " z8, z9 and 2 more (" in verdict.reason


@pytest.mark.parametrize(
    "wording",
    [
        b"Invalid credentials",
        b"Customer not found",
        b"Auth method is not supported",
        b"",
        b"no such key: " + TOKEN.encode(),
    ],
)
async def test_key_that_is_refused_fails_whatever_the_wording(serve, wording):
    """401 comes as plain text of varying wording: the status decides, and the words are handed on without the key."""
    verdict = await refused(serve, whole(401, wording, b"Content-Type: text/plain"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason.startswith("the key is accepted: found 401, the key is refused: make a new one at https://")
    assert wording.replace(TOKEN.encode(), b"***").decode() in verdict.reason


async def test_wrong_key_fails(serve):
    """A key that is not the account's is refused."""
    verdict = await look(make(await serve(FakeBrightData()), token="wrong"))
    assert verdict.reason.endswith("(it says: Invalid credentials)")


CODES = {
    "client_10000": (407, Outcome.FAIL, "account, zone or password is wrong"),
    "client_10001": (407, Outcome.FAIL, "the credentials are malformed"),
    "client_10002": (407, Outcome.FAIL, "the zone is misspelt, disabled or deleted"),
    "client_10010": (407, Outcome.FAIL, "no credentials arrived"),
    "client_10020": (407, Outcome.FAIL, "the account is suspended"),
    "client_10030": (407, Outcome.FAIL, "this machine's IP address is not allowed"),
    "client_10040": (407, Outcome.FAIL, "the account is not verified"),
    "client_10050": (401, Outcome.FAIL, "this machine's IP address is on the denylist"),
    "client_10100": (502, Outcome.FAIL, "the zone has reached its usage limit"),
    "client_10110": (429, Outcome.WARN, "the account's rate is too high"),
    "sr_rate_limit": (429, Outcome.WARN, "requests are throttled because too few succeed"),
    "bucket_rate_limit": (429, Outcome.WARN, "the zone's or account's configured rate is reached"),
}


def carriers(code, status):
    """List the ways in which a code may arrive."""
    name = code.encode()
    body = {"status_code": status, "error_code": code, "error": "Refused", "error_message": f"Refused {TOKEN}"}
    return {
        "header": whole(status, b"", b"x-brd-err-code: " + name, b"x-brd-err-msg: Refused " + TOKEN.encode()),
        "product header": whole(status, b"", b"x-brd-error-code: " + name),
        "RFC 9209": whole(
            status, b"", b'Proxy-Status: brd; details="%s: refused"' % name.replace(b"client_", b"client-")
        ),
        "JSON": whole(status, json.dumps(body).encode(), b"Content-Type: application/json"),
        "text": whole(status, b"Refused (" + name + b")"),
        "header of a success": whole(200, b"[]", b"x-brd-err-code: " + name),
    }


@pytest.mark.parametrize("carrier", carriers("", 0))
@pytest.mark.parametrize("code", CODES)
async def test_documented_code_tells_what_to_do(serve, code, carrier):
    """Each code has words of its own, wherever it stands."""
    status, outcome, words = CODES[code]
    verdict = await refused(serve, carriers(code, status)[carrier])
    assert verdict.outcome is outcome
    assert f" {code}, {words}" in verdict.reason


def test_every_mapped_code_is_tested():
    """The table of this test and that of the probe name the same codes."""
    assert CODES.keys() == _BY_CODE.keys()


@pytest.mark.parametrize(
    ("reply", "outcome", "evidence", "words"),
    [
        (whole(402), Outcome.FAIL, Evidence.MISCONFIGURED, "402, payment is due: see https://"),
        (whole(403, b"no"), Outcome.FAIL, Evidence.MISCONFIGURED, "403, the key may not ask this"),
        (whole(404), Outcome.FAIL, Evidence.MISCONFIGURED, "404, no such endpoint: correct 'url'"),
        (whole(407), Outcome.FAIL, Evidence.MISCONFIGURED, "407, the credentials are refused"),
        (whole(429), Outcome.WARN, None, "429, too many requests: set a longer 'interval'"),
        (whole(500), Outcome.FAIL, Evidence.WRONG, "500, BrightData itself fails: see https://"),
        (whole(503, b"<html>"), Outcome.FAIL, Evidence.WRONG, "503, BrightData itself fails"),
        (whole(302, b"", b"Location: /x"), Outcome.FAIL, Evidence.WRONG, "302, with an empty body"),
        (
            whole(400, b"", b"x-brd-err-code: client_10061", b"x-brd-error: Peer not found"),
            Outcome.FAIL,
            Evidence.WRONG,
            "400 client_10061, Peer not found: see https://docs.brightdata.com/proxy-networks/errorCatalog#client-10061",
        ),
    ],
)
async def test_refusal_without_a_known_code_is_told_by_its_status(serve, reply, outcome, evidence, words):
    """Statuses have words too; a code that is not in the table leads to the catalog."""
    verdict = await refused(serve, reply)
    assert (verdict.outcome, verdict.evidence) == (outcome, evidence)
    assert verdict.reason.startswith(f"the key is accepted: found {words}")


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"zones":[]}', b'[{"type":"dc"}]', b"[" * 100_000, TOKEN.encode()])
async def test_list_that_is_none_fails(serve, body):
    """200 alone proves nothing."""
    verdict = await refused(serve, whole(200, body))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason.startswith("the reply is a list of zones: found ")


async def test_after_a_rate_limit_nothing_is_sent_until_the_pause_is_over(serve):
    """A probe must not be what gets the address blocked; when the pause is over it asks again."""
    fake = FakeBrightData({ACTIVE: whole(429, b"", b"Retry-After: 60")})
    probe = make(await serve(fake))
    assert (await look(probe)).outcome is Outcome.WARN
    verdict = await look(probe)
    assert (verdict.outcome, verdict.reason) == (
        Outcome.WARN,
        "the key is accepted: found 429, too many requests: set a longer 'interval'; asking again in 60 s",
    )
    assert len(fake.targets) == 1
    fake.replies.clear()
    probe._pause_until = 0.0
    assert (await look(probe)).outcome is Outcome.PASS


@given(st.one_of(st.text(), st.integers().map(str)))
def test_pause_is_bounded_whatever_is_asked(asked):
    """Neither no pause nor one without end."""
    assert 15.0 <= pause(Reply(429, "", {"retry-after": asked})) <= 300.0


def test_kind_looks_at_an_upstream_and_degrades():
    """A BrightData outage leaves the gateway ready and undrained."""
    assert KIND.on_failure is OnFailure.DEGRADE
    assert KIND.target(Spec(token=TOKEN), GatewayPlan()) is Target.UPSTREAM


@pytest.mark.parametrize(
    "keys",
    [
        {"token": ""},
        {"token": TOKEN + "\n"},
        {"token": TOKEN + "é"},
        {"token": TOKEN, "url": "http://api.example.test"},
        {"token": TOKEN, "url": "api.brightdata.com"},
    ],
)
def test_impossible_settings_are_refused_without_showing_the_key(keys):
    """A key with a line break, or one that would travel in clear, is refused when the configuration is read."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is judged below
        Spec(**keys)
    assert TOKEN not in str(caught.value)
