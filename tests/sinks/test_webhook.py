"""A webhook against real HTTP receivers: what arrives, what counts as delivered, and what is never told."""

import hmac
import json
import subprocess
import sys
from base64 import b64encode
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from time import time

import pytest
from anyio import to_thread
from builders import notice
from servers.http import whole
from servers.receiver import receiving

from sidecar.core.notices.plan import SinkKind, SinkPlan
from sidecar.sinks.contract import SinkError, deliver
from sidecar.sinks.opening import open_sink

pytestmark = pytest.mark.anyio

SECRET = "a key of some length"


@asynccontextmanager
async def webhook(url, secret=SECRET):
    """Open a webhook, and close it."""
    plan = SinkPlan(kind=SinkKind.WEBHOOK, url=url, secret=secret)
    sink = await to_thread.run_sync(open_sink, plan)
    try:
        yield sink
    finally:
        await sink.aclose()


async def refusal(receiver, within=10.0):
    """Send a notice that is not taken; returns why."""
    async with webhook(receiver.url("/hook?token=hunter2")) as sink:
        with pytest.raises(SinkError) as caught:
            await deliver(sink, notice(), within)
    assert "hunter2" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return caught.value


async def test_a_notice_arrives_as_a_cloud_event():
    """All of CloudEvents' attributes are there, and in its data everything that the notice says."""
    told = notice()
    async with receiving() as receiver, webhook(receiver.url()) as sink:
        await deliver(sink, told, 10.0)
        delivery = await receiver.next()
    assert (delivery.method, delivery.target) == ("POST", "/hook")
    assert delivery.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert delivery.headers["idempotency-key"] == delivery.headers["webhook-id"] == told.id
    event = delivery.event
    assert {name: event[name] for name in ("specversion", "id", "source", "type", "subject", "datacontenttype")} == {
        "specversion": "1.0",
        "id": told.id,
        "source": "/mcp-gateway-sidecar/web-1",
        "type": "mcp-gateway-sidecar.status.unhealthy",
        "subject": "status",
        "datacontenttype": "application/json",
    }
    assert datetime.fromisoformat(event["time"]).timestamp() == pytest.approx(told.at, abs=0.001)
    data = event["data"]
    assert data["title"] == "[error] web-1: ready -> unhealthy (1)"
    assert data["reasons"] == list(told.reasons)
    assert (data["severity"], data["open"], data["cause"]) == ("error", True, "local")
    assert (data["replica"], data["release"], data["does"]) == ("web-1", "2.7.1", told.does)


async def test_the_signature_is_over_what_arrives():
    """Computed from the headers and the very bytes of the body, with the shared key."""
    async with receiving() as receiver, webhook(receiver.url()) as sink:
        await deliver(sink, notice(), 10.0)
        delivery = await receiver.next()
    assert abs(int(delivery.headers["webhook-timestamp"]) - time()) < 60
    signed = f"{delivery.headers['webhook-id']}.{delivery.headers['webhook-timestamp']}.".encode() + delivery.body
    expected = b64encode(hmac.digest(SECRET.encode(), signed, "sha256")).decode()
    assert delivery.headers["webhook-signature"] == f"v1,{expected}"


async def test_without_a_key_nothing_is_signed():
    """But the id is there, so that a repetition is known again."""
    async with receiving() as receiver, webhook(receiver.url(), None) as sink:
        await deliver(sink, notice(), 10.0)
        headers = (await receiver.next()).headers
    assert "webhook-signature" not in headers
    assert headers["webhook-id"] == notice().id


@pytest.mark.parametrize("status", [200, 201, 202, 204])
async def test_every_2xx_is_a_delivery(status):
    """Whatever the receiver likes to say."""
    async with receiving(whole(status)) as receiver, webhook(receiver.url()) as sink:
        await deliver(sink, notice(), 10.0)


@pytest.mark.parametrize(
    ("status", "temporary"),
    [
        *((status, False) for status in (400, 401, 404, 410, 413)),
        *((status, True) for status in (304, 408, 425, 429, 500, 502, 503)),
    ],
)
async def test_what_is_worth_another_attempt_is_told_by_the_status(status, temporary):
    """4xx is refused for good, but for those that say "not now"."""
    async with receiving(whole(status)) as receiver:
        error = await refusal(receiver)
    assert str(error).startswith(f"HTTP status {status}")
    assert error.temporary is temporary


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(status):
    """The message would go where nobody has said that it should."""
    async with receiving() as elsewhere:
        async with receiving(whole(status, b"", f"Location: {elsewhere.url()}".encode())) as receiver:
            error = await refusal(receiver)
            assert str(error) == f"HTTP status {status}, a redirection, which is not followed"
        assert elsewhere.deliveries.empty()


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        ("in an hour", pytest.approx(3600, abs=300)),
        ("Wed, 25 Nov 2026 12:00:00 GMT", 0.0),
        ("9" * 400, 999999999.0),
        ("soon", None),
        ("-5", None),
    ],
)
async def test_retry_after_is_read(value, seconds):
    """Seconds or a date; what is neither is left alone."""
    if value == "in an hour":
        value = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    async with receiving(whole(429, b"", f"Retry-After: {value}".encode())) as receiver:
        assert (await refusal(receiver)).retry_after == seconds


async def test_a_receiver_that_hangs_is_left():
    """After the deadline, which is kept from outside."""
    async with receiving(lambda peer: peer.until_hung_up()) as receiver:
        error = await refusal(receiver, within=0.2)
        assert (str(error), error.temporary) == ("no answer within 0.2 s", True)
        await receiver.server.peers[0].hung_up.wait()


async def test_an_endless_answer_is_not_read():
    """The status decides; not a byte of the body is waited for."""

    async def endless(peer):
        await peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000000\r\n\r\n", b"x" * 65536)
        await peer.until_hung_up()

    async with receiving(endless) as receiver, webhook(receiver.url()) as sink:
        await deliver(sink, notice(), 10.0)
        await receiver.server.peers[0].hung_up.wait()


@pytest.mark.parametrize("answer", [b"SSH-2.0-OpenSSH_9.9\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 300_000, b""])
async def test_an_answer_that_is_none_is_a_failure(answer):
    """No HTTP, a head without end, or nothing at all."""

    async def script(peer):
        await peer.say(answer)

    async with receiving(script) as receiver:
        assert (await refusal(receiver)).temporary


async def test_nobody_listening_is_told_without_the_address(free_port):
    """Why, and not where."""
    async with webhook(f"http://127.0.0.1:{free_port}/hook/hunter2") as sink:
        with pytest.raises(SinkError) as caught:
            await deliver(sink, notice(), 10.0)
    assert str(caught.value) == "no connection: connection refused"


async def test_a_certificate_that_is_not_trusted_is_refused(certificates):
    """And the name in it is not told."""
    async with receiving(context=certificates.good()) as receiver:
        assert str(await refusal(receiver)) == "TLS: certificate verify failed"


async def test_an_address_that_is_none_is_told():
    """What the configuration lets pass, and no client can use."""
    async with webhook("http://hunter2.test:port/") as sink:
        with pytest.raises(SinkError) as caught:
            await deliver(sink, notice(), 10.0)
    assert str(caught.value) == "the address is none that can be posted to"


async def test_any_text_can_be_sent():
    """Names of replicas and releases are anybody's."""
    told = notice(replica="web 1/ä\n", what="first line\nsecond line", release="\u2028")
    async with receiving() as receiver, webhook(receiver.url()) as sink:
        await deliver(sink, told, 10.0)
        event = (await receiver.next()).event
    assert event["source"] == "/mcp-gateway-sidecar/web%201%2F%C3%A4%0A"
    assert json.dumps(event["data"]["text"]).startswith('"second line\\nSince: ')


def test_what_no_sink_needs_is_not_loaded():
    """Neither Apprise for a webhook, nor the client of webhooks before the first message: each costs much memory."""
    code = (
        "import sys, sidecar.service, sidecar.actors.outbox\n"
        "from sidecar.core.notices.plan import SinkKind, SinkPlan\n"
        "from sidecar.sinks.opening import open_sink\n"
        "print('httpx' in sys.modules)\n"
        "open_sink(SinkPlan(kind=SinkKind.WEBHOOK, url='http://127.0.0.1:9/'))\n"
        "print('apprise' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nFalse\n"
