"""Apprise itself, against a real HTTP receiver: its generic JSON service."""

import anyio
import pytest
from anyio import to_thread
from builders import notice
from servers.http import whole
from servers.receiver import receiving

from sidecar.core.notices.plan import SinkKind, SinkPlan
from sidecar.core.severity import Severity
from sidecar.sinks.contract import SinkError, deliver
from sidecar.sinks.opening import open_sink

pytestmark = pytest.mark.anyio


async def opened(url):
    """Open a sink of Apprise."""
    return await to_thread.run_sync(open_sink, SinkPlan(kind=SinkKind.APPRISE, url=url))


def service(receiver):
    """Name the receiver as Apprise does."""
    return f"json://127.0.0.1:{receiver.server.port}/hunter2"


@pytest.mark.parametrize(
    ("severity", "kind"), [(Severity.INFO, "info"), (Severity.WARNING, "warning"), (Severity.ERROR, "failure")]
)
async def test_title_and_text_arrive(severity, kind):
    """The title says what happened and where, the text everything else; the severity becomes Apprise's type."""
    async with receiving() as receiver:
        await deliver(await opened(service(receiver)), notice(severity=severity), 10.0)
        message = (await receiver.next()).event
    assert message["title"] == f"[{severity}] web-1: ready -> unhealthy (1)"
    assert "Why: gateway: status is 100-499: found 503\n" in message["message"]
    assert "Where: replica web-1, release 2.7.1, cause local\n" in message["message"]
    assert message["message"].endswith("You: `sidecar status` shows what holds it")
    assert message["type"] == kind


async def test_a_failure_is_told_although_apprise_keeps_silent(capfd):
    """It returns a truth value, and its own words about it, which hold the address, come nowhere."""
    async with receiving(whole(500)) as receiver:
        sink = await opened(service(receiver))
        with pytest.raises(SinkError) as caught:
            await deliver(sink, notice(), 10.0)
    assert caught.value.temporary
    assert str(caught.value) == "the service has not taken it, and Apprise does not tell why"
    assert capfd.readouterr() == ("", "")


async def test_a_service_that_hangs_is_left_and_joined_by_no_second_thread():
    """While a thread of the attempt before hangs, the next fails at once; when it is over, all is well again."""
    let_go = anyio.Event()

    async def hang(peer):
        await let_go.wait()
        await peer.say(whole(200))

    async with receiving(hang) as receiver:
        sink = await opened(service(receiver) + "?rto=30")
        for expected in ("no answer within 0.3 s", "the attempt before still hangs"):
            with pytest.raises(SinkError) as caught:
                await deliver(sink, notice(), 0.3)
            assert (str(caught.value), caught.value.temporary) == (expected, True)
        let_go.set()
        await to_thread.run_sync(sink._busy.acquire)
        sink._busy.release()
        await deliver(sink, notice(), 10.0)


async def test_a_service_that_apprise_does_not_know_is_told(capfd):
    """When it is opened; the configuration alone cannot tell. Another version of Apprise may know it."""
    with pytest.raises(SinkError) as caught:
        await opened("hunter2://127.0.0.1/hunter2")
    assert str(caught.value) == "Apprise knows no such service, or a part of its URL is missing"
    assert caught.value.temporary
    assert capfd.readouterr() == ("", "")
