"""Railway's API over real HTTP: what is chosen, what is asked, what is found again, and what is never repeated."""

import anyio
import pytest
from servers.ports import take_port
from servers.railway import (
    API_TOKEN,
    PROJECT_TOKEN,
    bad_gateway_when_done,
    cut,
    cut_when_done,
    errors,
    half_an_answer,
    hang,
    hang_when_done,
    rate_limited,
    status,
)
from servers.railway import (
    Railway as Server,
)

from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import Restorable
from sidecar.platforms import graphql
from sidecar.platforms.contract import PlatformError, Restoration, UnavailableError, UncertainError
from sidecar.platforms.railway import Railway

pytestmark = pytest.mark.anyio

WITHIN = 20.0
"""Seconds for a call that nothing holds up."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(graphql, "FIRST_PAUSE", 0.01)


@pytest.fixture
async def connect(railway):
    """Make platforms for the server."""
    made = []

    def connect(*, timeout=WITHIN, **changes):
        made.append(Railway(railway.plan(**changes), timeout=timeout, user_agent="sidecar-under-test/1"))
        return made[-1]

    yield connect
    for platform in made:
        await platform.aclose()


def deployed(railway: Server):
    """The good release 1 was replaced by the bad release 2; give the target, and the bad one's deployment."""
    good, bad = railway.deploy("1"), railway.deploy("2")
    return KnownGood(release="1", at=0.0, deployments=(good.id,)), bad


async def test_the_target_is_what_can_be_restored_though_it_was_removed(railway, connect):
    """A replaced deployment is REMOVED, and that does not matter."""
    target, bad = deployed(railway)
    found = await connect(deployment=bad.id).find(target)
    assert railway.deployments[0].status == "REMOVED"
    assert found == Restorable("d-1", ("d-2", "d-1"))


async def test_of_several_deployments_the_newest_that_can_be_restored_is_chosen(railway, connect):
    """One without its image is passed over, whatever the order in which they are known."""
    first, second, third = (railway.deploy("1") for _ in range(3))
    bad = railway.deploy("2")
    third.image_kept = False
    target = KnownGood(release="1", at=0.0, deployments=(first.id, third.id, second.id))
    assert (await connect(deployment=bad.id).find(target)).deployment == second.id


async def test_what_runs_now_is_never_the_target(railway, connect):
    """Although it could be restored."""
    running = railway.deploy("1")
    with pytest.raises(PlatformError, match=r"it is what runs now \(d-1\)"):
        await connect(deployment=running.id).find(KnownGood(release="1", at=0.0, deployments=(running.id,)))


@pytest.mark.parametrize(
    ("deployments", "why"),
    [((), "no deployment of it is known"), (("d-77",), "none of its deployments is among the newest 100")],
)
async def test_a_target_that_is_not_there_is_told(railway, connect, deployments, why):
    """With the reason; asking again would not help."""
    railway.deploy("2")
    with pytest.raises(PlatformError, match=f"cannot restore 1: {why}") as raised:
        await connect().find(KnownGood(release="1", at=0.0, deployments=deployments))
    assert not isinstance(raised.value, UnavailableError)


async def test_an_image_that_is_no_longer_kept_is_told(railway, connect):
    """Railway drops images after its retention time; canRollback tells."""
    target, bad = deployed(railway)
    railway.deployments[0].image_kept = False
    with pytest.raises(PlatformError, match=r"no image of it any more \(canRollback is false for d-1\)"):
        await connect(deployment=bad.id).find(target)


async def test_a_rollback_is_asked_for_and_found_by_listing_again(railway, connect):
    """The answer is a bare true; the deployment that is new is on its way, and then up."""
    target, bad = deployed(railway)
    platform = connect(deployment=bad.id)
    found = await platform.find(target)
    assert (await platform.progress(target, found)).restoration is Restoration.UNHEARD
    await platform.roll_back(target, found, "2")
    told = [await platform.progress(target, found) for _ in range(2)]
    assert [one.restoration for one in told] == [Restoration.PENDING, Restoration.HEALTHY]
    assert told[1].words == "Railway's new deployment d-3 is SUCCESS"
    assert [request.variables for request in railway.rollbacks] == [{"id": "d-1"}]
    assert (railway.deployments[-1].release, bad.status) == ("1", "REMOVED")


@pytest.mark.parametrize(
    ("status_", "restoration"),
    [
        ("QUEUED", Restoration.PENDING),
        ("WAITING", Restoration.PENDING),
        ("NEEDS_APPROVAL", Restoration.PENDING),
        ("MIGRATING_TO_ANOTHER_PLANET", Restoration.PENDING),
        ("SUCCESS", Restoration.HEALTHY),
        ("SLEEPING", Restoration.HEALTHY),
        ("CRASHED", Restoration.FAILED),
        ("FAILED", Restoration.FAILED),
        ("SKIPPED", Restoration.FAILED),
        ("REMOVED", Restoration.FAILED),
    ],
)
async def test_what_a_status_means(railway, connect, status_, restoration):
    """A status that nobody knows proves nothing."""
    target, bad = deployed(railway)
    railway.rollback_becomes = (status_,)
    platform = connect(deployment=bad.id)
    found = await platform.find(target)
    await platform.roll_back(target, found, "2")
    assert (await platform.progress(target, found)).restoration is restoration


async def test_a_deployment_that_was_pushed_after_the_rollback_is_not_taken_for_it(railway, connect):
    """The first one that is new is the rollback's."""
    target, bad = deployed(railway)
    railway.rollback_becomes = ("BUILDING",)
    platform = connect(deployment=bad.id)
    found = await platform.find(target)
    await platform.roll_back(target, found, "2")
    railway.deploy("3")
    assert "d-3 is BUILDING" in (await platform.progress(target, found)).words


async def test_a_deployment_older_than_those_known_is_not_new(railway, connect):
    """One that the first listing was too short to show, or had missed."""
    target, bad = deployed(railway)
    platform = connect(deployment=bad.id)
    seen = await platform.progress(target, Restorable("d-1", ("d-2",)))
    assert seen.restoration is Restoration.UNHEARD


@pytest.mark.parametrize(
    ("changes", "header"),
    [
        ({}, ("authorization", f"Bearer {API_TOKEN}")),
        ({"api_token": None, "project_token": PROJECT_TOKEN}, ("project-access-token", PROJECT_TOKEN)),
        ({"project_token": PROJECT_TOKEN}, ("authorization", f"Bearer {API_TOKEN}")),
    ],
)
async def test_both_kinds_of_token_are_sent_as_railway_wants_them(railway, connect, changes, header):
    """Only ever one of them, and with a User-Agent."""
    railway.deploy("1")
    assert "1 deployments, 1 of which it can restore" in await connect(**changes).accepted()
    headers = railway.received[0].headers
    assert headers[header[0]] == header[1]
    assert len({"authorization", "project-access-token"} & set(headers)) == 1
    assert headers["user-agent"] == "sidecar-under-test/1"


async def test_a_token_that_is_refused_is_told_at_once(railway, connect):
    """Inside HTTP 200, and nothing is tried again."""
    with pytest.raises(PlatformError, match=r"Railway's API at 127\.0\.0\.1: it says: Not Authorized") as raised:
        await connect(api_token="wrong-token").accepted()
    assert not isinstance(raised.value, UnavailableError)
    assert len(railway.received) == 1


async def test_without_a_user_agent_the_edge_refuses(railway):
    """So one is always sent."""
    platform = Railway(railway.plan(), timeout=WITHIN, user_agent="")
    with pytest.raises(PlatformError, match="HTTP 403, error code: 1010"):
        await platform.accepted()
    await platform.aclose()


async def test_the_queries_are_what_railway_publishes(railway, connect):
    """The server checks them; fields of a Boolean, or another type of variable, would be refused."""
    received = Server().answer
    target, bad = deployed(railway)
    platform = connect(deployment=bad.id)
    await platform.roll_back(target, await platform.find(target), "2")
    request = railway.rollbacks[0]
    assert "errors" not in railway.answer(request)[1]
    for wrong in (
        request.query.replace("(id: $id)", "(id: $id) { id status }"),
        request.query.replace("String!", "ID!"),
    ):
        code, answer = received(type(request)(request.headers, wrong, request.variables))
        assert (code, list(answer)) == (400, ["errors"])


# What fails -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [cut, half_an_answer, status(503), rate_limited("0"), status(200, b"<html>")])
async def test_a_question_is_asked_again_until_it_is_answered(railway, connect, fault):
    """Within the deadline: one failed read is no reason for anything."""
    railway.deploy("1")
    railway.faults += [fault, fault]
    assert "1 deployments" in await connect().accepted()
    assert len(railway.received) == 3


async def test_a_question_that_is_never_answered_has_a_deadline(railway, connect):
    """The error says what happened, and that later may be better."""
    railway.faults += [hang] * 10
    with pytest.raises(UnavailableError, match=r"no answer within 0\.2 s"):
        await connect(timeout=0.2).accepted()


async def test_a_retry_after_beyond_the_deadline_is_told_and_not_waited_for(railway, connect):
    """The caller learns for how long the platform wants to be left alone."""
    railway.faults.append(rate_limited("3600"))
    with pytest.raises(UnavailableError, match="HTTP 429, too many requests; the next is welcome in 3600 s") as raised:
        await connect().accepted()
    assert raised.value.retry_after == 3600.0
    assert len(railway.received) == 1


async def test_a_retry_after_within_the_deadline_is_kept(railway, connect, monkeypatch):
    """Not a moment less is waited."""
    waited = []

    async def sleep(seconds):
        waited.append(seconds)

    monkeypatch.setattr(graphql.anyio, "sleep", sleep)
    railway.faults += [rate_limited("7"), rate_limited("Wed, 25 Nov 2026 20:00:00 GMT")]
    await connect().accepted()
    assert waited == [7.0, 0.02]


async def test_an_error_inside_200_makes_no_answer(railway, connect):
    """Of a read: later it may be better."""
    railway.faults.append(errors("Problem processing request"))
    with pytest.raises(UnavailableError, match="it says: Problem processing request"):
        await connect().accepted()


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (errors("Not Authorized"), "it says: Not Authorized"),
        (status(400, b'{"errors": [{"message": "Cannot query field"}]}'), "HTTP 400, Cannot query field"),
        (status(401), "HTTP 401"),
        (status(301, Location="https://elsewhere.test/"), "HTTP 301"),
    ],
)
async def test_a_rollback_that_is_refused_has_changed_nothing(railway, connect, fault, why):
    """It is not asked for again."""
    target, bad = deployed(railway)
    platform = connect(deployment=bad.id)
    found = await platform.find(target)
    railway.faults.append(fault)
    with pytest.raises(PlatformError, match=why):
        await platform.roll_back(target, found, "2")
    assert (len(railway.rollbacks), len(railway.deployments)) == (1, 2)


async def test_a_rollback_that_is_answered_with_false_is_refused(railway, connect):
    """HTTP 200 and no errors, and yet nothing was done."""
    target, bad = deployed(railway)
    railway.refuses = True
    platform = connect(deployment=bad.id)
    with pytest.raises(PlatformError, match="has refused to restore the deployment d-1: it says false"):
        await platform.roll_back(target, await platform.find(target), "2")


@pytest.mark.parametrize("fault", [cut_when_done, half_an_answer, bad_gateway_when_done, hang_when_done])
async def test_a_rollback_that_may_have_been_heard_is_never_asked_for_again(railway, connect, fault):
    """It is uncertain, and a look shows what has come of it."""
    target, bad = deployed(railway)
    platform = connect(deployment=bad.id, timeout=2.0)
    found = await platform.find(target)
    railway.change_faults.append(fault)
    with pytest.raises(UncertainError, match="the request was sent"):
        await platform.roll_back(target, found, "2")
    assert len(railway.rollbacks) == 1
    assert (await connect(deployment=bad.id).progress(target, found)).restoration is Restoration.PENDING


async def test_a_rollback_that_was_not_heard_is_as_uncertain(railway, connect):
    """From here a connection that was cut before looks the same; only the next look tells."""
    target, bad = deployed(railway)
    platform = connect(deployment=bad.id)
    found = await platform.find(target)
    railway.change_faults.append(cut)
    with pytest.raises(UncertainError):
        await platform.roll_back(target, found, "2")
    assert (await platform.progress(target, found)).restoration is Restoration.UNHEARD


async def test_a_rollback_that_was_surely_refused_for_now_is_asked_for_again(railway, connect):
    """429 is such an answer."""
    target, bad = deployed(railway)
    platform = connect(deployment=bad.id)
    found = await platform.find(target)
    railway.change_faults.append(rate_limited("0"))
    await platform.roll_back(target, found, "2")
    assert (len(railway.rollbacks), len(railway.deployments)) == (2, 3)


async def test_where_nobody_listens_nothing_was_heard(connect):
    """A rollback included."""
    platform = connect(api_url=f"http://127.0.0.1:{take_port()}/", timeout=0.2)
    with pytest.raises(UnavailableError, match="All connection attempts failed"):
        await platform.roll_back(KnownGood(release="1", at=0.0), Restorable("d-1"), "2")


async def test_a_reply_without_end_is_cut_off(railway, connect):
    """At a mebibyte."""
    railway.faults += [status(200, b" " * (graphql.READ_AT_MOST + 1))] * 10
    with pytest.raises(UnavailableError, match="longer than 1048576 bytes"):
        await connect(timeout=0.3).accepted()


async def test_a_reply_of_another_shape_is_told(railway, connect):
    """With the place that does not fit."""
    railway.faults.append(status(200, b'{"data": {"deployments": null}}'))
    with pytest.raises(UnavailableError, match=r"not what was asked for: .*\$\.deployments"):
        await connect().accepted()


# What must not get out --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["http://backboard.railway.com/", "http://127.evil.test/", "http://10.0.0.1:8080/"])
async def test_no_token_is_sent_in_the_clear(railway, url):
    """Plain HTTP is for loopback."""
    with pytest.raises(PlatformError, match="the token would travel in the clear; use https"):
        Railway(railway.plan(api_url=url), timeout=WITHIN, user_agent="x")


@pytest.mark.parametrize(
    "url", ["http://[::1]:99/", "http://localhost:99/", "https://backboard.railway.com/graphql/v2"]
)
async def test_loopback_and_https_are_accepted(railway, url):
    """Nothing is asked when a platform is made."""
    await Railway(railway.plan(api_url=url), timeout=WITHIN, user_agent="x").aclose()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/", "https:///path", "https://me:secret@127.0.0.1/", "http://[::1/"])
async def test_an_address_that_is_none_is_told(railway, url):
    """Without repeating it, for it may hold a credential."""
    with pytest.raises(PlatformError, match="expected https://HOST/PATH") as raised:
        Railway(railway.plan(api_url=url), timeout=WITHIN, user_agent="x")
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("token", ["abc\ndefgh", "abc defgh", "abcdéfgh"])
async def test_a_token_that_no_header_can_carry_is_told(railway, token):
    """Without repeating it."""
    with pytest.raises(PlatformError, match="a character that no token has") as raised:
        Railway(railway.plan(api_token=token), timeout=WITHIN, user_agent="x")
    assert token not in str(raised.value)


async def test_without_a_token_there_is_no_platform(railway):
    """And the error names the variables."""
    with pytest.raises(PlatformError, match="set RAILWAY_API_TOKEN or RAILWAY_TOKEN"):
        Railway(railway.plan(api_token=None), timeout=WITHIN, user_agent="x")


async def test_a_token_that_the_server_repeats_stays_in(railway, connect):
    """Whatever an error says."""
    railway.faults.append(errors(f"invalid token {API_TOKEN}"))
    with pytest.raises(PlatformError, match=r"invalid token \[redacted\]"):
        await connect().accepted()


async def test_a_proxy_of_the_environment_does_not_get_the_token(connect, monkeypatch):
    """Not even where one is named for everything."""
    monkeypatch.setenv("ALL_PROXY", f"http://127.0.0.1:{take_port()}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{take_port()}")
    assert "Railway accepts the token" in await connect().accepted()


async def test_a_cancelled_call_leaves_no_connection(railway, connect):
    """The server sees it go."""
    railway.faults.append(hang)
    with anyio.move_on_after(0.1) as scope:
        await connect().accepted()
    assert scope.cancelled_caught
