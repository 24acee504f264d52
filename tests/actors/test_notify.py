"""From an event to whoever is told: real receivers on loopback, and a store that can break."""

import asyncio
from contextlib import asynccontextmanager

import anyio
import msgspec
import pytest
from builders import notice, plan
from core.telling import event, status
from msgspec.structs import replace
from servers.http import whole
from servers.receiver import receiving
from servers.stores import FailingStore

from sidecar.actors import notify, outbox
from sidecar.actors.notify import Notifier
from sidecar.core.events import EventKind
from sidecar.core.notices.plan import NotifyPlan, SinkKind, SinkPlan
from sidecar.core.notices.sink import SinkState
from sidecar.core.plan import StatePlan
from sidecar.core.severity import Severity
from sidecar.store.contract import StoreError

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Pauses are short; that they grow is a table of its own."""
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(outbox, "LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(outbox, "AGAIN_AFTER", 0.02)
    monkeypatch.setattr(notify, "RECALL_WITHIN", 0.1)


def sink(receiver, **more):
    """A webhook to this receiver."""
    return SinkPlan(kind=SinkKind.WEBHOOK, url=receiver.url("/hook?token=hunter2"), **more)


def planned(rules=None, **sinks):
    """A plan with these sinks."""
    state = StatePlan(replica="web-1")
    return replace(plan(), state=state, notify=NotifyPlan(sinks=sinks, **(rules or {})))


class Desk:
    """A notifier at work, what it published, and what it logged."""

    def __init__(self, plan_, store):
        self.moved = asyncio.Event()
        self.sinks = {}
        self.log = []
        store.moved = self.moved.set
        self.running = plan_.release.id
        self.notifier = Notifier(plan_, store, running=lambda: self.running, publish=self._publish, log=self._log)

    def _publish(self, sinks):
        self.sinks = {each.name: each for each in sinks}
        self.moved.set()

    def _log(self, event_):
        self.log.append(event_)
        self.moved.set()

    async def until(self, holds):
        """Wait until something holds."""
        async with asyncio.timeout(20):
            while not holds():
                self.moved.clear()
                await self.moved.wait()

    def tell(self, *events):
        """Let things happen."""
        for each in events:
            self.notifier.tell(each)


@asynccontextmanager
async def at_work(plan_, store=None):
    """Run a notifier for as long as the block lasts, and then cut it off."""
    desk = Desk(plan_, store or FailingStore(shared=False))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(desk.notifier.run)
        yield desk
        tasks.cancel_scope.cancel()


async def test_what_happens_is_told():
    """An event goes in, a message comes out, and the endpoints see that it was delivered."""
    async with receiving() as receiver, at_work(planned(ops=sink(receiver))) as desk:
        desk.tell(status("unhealthy"))
        delivery = await receiver.next()
        assert (delivery.event["data"]["event"], delivery.event["data"]["replica"]) == ("unhealthy", "web-1")
        await desk.until(lambda: desk.sinks["ops"].delivered == 1)
    state = desk.sinks["ops"]
    assert state.last_success is not None
    assert replace(state, last_success=None) == SinkState(name="ops", kind=SinkKind.WEBHOOK, delivered=1)
    assert desk.log == []


async def test_messages_name_the_release_that_runs():
    """In parent mode an earlier one may run than the one of the configuration."""
    async with receiving() as receiver, at_work(planned(ops=sink(receiver))) as desk:
        for running in ("2", "1"):
            desk.running = running
            desk.tell(status("unhealthy" if running == "2" else "ready"))
            assert (await receiver.next()).event["data"]["release"] == running


async def cut(peer):
    """Cut the connection instead of an answer."""
    peer.reset()


async def hang(peer):
    """Keep silent until the client leaves."""
    await peer.until_hung_up()


@pytest.mark.parametrize(
    "failure",
    [whole(500), whole(429, b"", b"Retry-After: 0"), whole(408), whole(302, b"", b"Location: /"), cut, hang],
    ids=["500", "429", "408", "redirect", "cut", "hang"],
)
async def test_an_attempt_that_fails_is_made_again(failure):
    """With the same id, until it is delivered; that the sink fails, and that it does not any more, is logged once."""
    async with receiving(failure, failure) as receiver, at_work(planned(ops=sink(receiver, timeout=0.2))) as desk:
        desk.tell(status("unhealthy"))
        deliveries = [await receiver.next() for _ in range(3)]
        await desk.until(lambda: desk.sinks["ops"].delivered == 1)
    assert len({delivery.headers["idempotency-key"] for delivery in deliveries}) == 1
    state = desk.sinks["ops"]
    assert (state.failures, state.lost, state.pending, state.failing_since) == (2, 0, 0, None)
    assert [each.kind for each in desk.log] == [EventKind.SINK_FAILING, EventKind.SINK_RECOVERED]
    assert "hunter2" not in f"{desk.log}{desk.sinks}"


async def test_what_is_refused_for_good_is_lost_and_said():
    """The next message is tried all the same."""
    async with receiving(whole(404)) as receiver, at_work(planned(ops=sink(receiver))) as desk:
        desk.tell(status("unhealthy"), event(EventKind.DRAIN_BEGUN))
        assert await receiver.next_events(2) == ["unhealthy", "drain_begun"]
        await desk.until(lambda: desk.sinks["ops"].delivered == 1)
    assert (desk.sinks["ops"].lost, desk.sinks["ops"].pending) == (1, 0)
    [lost] = [each for each in desk.log if each.kind is EventKind.NOTICE_LOST]
    assert lost.message == "sink ops was not told, because it is refused for good: HTTP status 404: ? -> unhealthy"


async def test_a_sink_that_hangs_holds_up_no_other():
    """Each has its own queue and its own task."""
    async with receiving(*[hang] * 100) as stuck, receiving() as well:
        both = planned(stuck=sink(stuck, timeout=60.0), well=sink(well))
        async with at_work(both) as desk:
            for kind in (EventKind.DRAIN_BEGUN, EventKind.DRAIN_FINISHED):
                desk.tell(event(kind))
            await stuck.next()
            assert await well.next_events(2) == ["drain_begun", "drain_finished"]
            assert desk.sinks["stuck"].pending == 2


async def test_a_message_that_is_never_taken_does_not_hold_up_the_rest():
    """After a failure it is another one's turn."""
    answers = [whole(500), whole(204), *[whole(500)] * 1000]
    async with receiving(*answers) as receiver, at_work(planned(ops=sink(receiver))) as desk:
        desk.tell(event(EventKind.DRAIN_BEGUN), event(EventKind.DRAIN_FINISHED))
        assert await receiver.next_events(4) == ["drain_begun", "drain_finished", "drain_begun", "drain_begun"]


async def test_only_who_wants_to_be_told_is():
    """By severity; the end goes to whoever was told the begin."""
    async with receiving() as all_of_it, receiving() as grave:
        sinks = {"all": sink(all_of_it, severity=Severity.INFO), "grave": sink(grave, severity=Severity.ERROR)}
        async with at_work(planned(**sinks)) as desk:
            desk.tell(event(EventKind.MAINTENANCE_BEGUN), event(EventKind.MAINTENANCE_ENDED, Severity.INFO))
            desk.tell(status("unhealthy"), status("ready"))
            assert await grave.next_events(2) == ["unhealthy", "ready"]
            told = await all_of_it.next_events(4)
            assert told == ["maintenance_begun", "maintenance_ended", "unhealthy", "ready"]


async def test_what_was_not_delivered_is_sent_after_a_restart():
    """From the store, with the id that it had; then the store holds nothing any more."""
    store = FailingStore(shared=False)
    async with receiving(*[whole(503)] * 1000) as receiver, at_work(planned(ops=sink(receiver)), store) as desk:
        desk.tell(event(EventKind.DRAIN_BEGUN))
        first = await receiver.next()
        await desk.until(lambda: store.entries("outbox/self/ops"))
    async with receiving() as receiver, at_work(planned(ops=sink(receiver)), store) as desk:
        again = await receiver.next()
        await desk.until(lambda: store.entries("outbox/self/ops") == [])
        assert desk.sinks["ops"].delivered == 1
    assert again.event == first.event


async def test_what_people_know_is_remembered_over_a_restart():
    """Who was told of a problem before is told of its end after."""
    store = FailingStore(shared=False)
    async with receiving() as receiver:
        async with at_work(planned(ops=sink(receiver)), store) as desk:
            desk.tell(status("unhealthy"))
            await receiver.next()
            await desk.until(lambda: store.kept and store.entries("outbox/self/ops") == [])
        async with at_work(planned(ops=sink(receiver)), store) as desk:
            desk.tell(event(EventKind.STARTED, Severity.INFO), status("ready"))
            assert await receiver.next_events(1) == ["ready"]


@pytest.mark.parametrize("cease", [FailingStore.fail, FailingStore.hang])
async def test_without_a_store_that_works_messages_go_on_from_memory(cease):
    """A store that fails or hangs delays no message, later ones neither."""
    store = FailingStore(shared=False)
    cease(store)
    async with receiving() as receiver, at_work(planned(ops=sink(receiver)), store) as desk:
        for kind in (EventKind.DRAIN_BEGUN, EventKind.DRAIN_FINISHED):
            desk.tell(event(kind))
            assert await receiver.next_events(1) == [kind]


async def test_a_store_that_is_down_at_the_start_is_asked_again():
    """What could not be kept is kept as soon as the store works; what lies there is sent then."""
    store = FailingStore(shared=False)
    await store.append("outbox/self/ops", [msgspec.json.encode(notice(1)), b"of another version"], 10)
    store.fail()
    async with receiving(*[whole(503)] * 3) as receiver, at_work(planned(ops=sink(receiver)), store) as desk:
        desk.tell(event(EventKind.DRAIN_BEGUN))
        await receiver.next()
        store.recover()
        await desk.until(lambda: desk.sinks["ops"].delivered == 2)
        await desk.until(lambda: store.entries("outbox/self/ops") == [])


async def test_a_write_of_unknown_outcome_is_not_repeated_for_ever():
    """After a failure the store is looked into first; no message stays in it, and none is lost."""
    store = FailingStore(shared=False)
    append = store.append

    async def unsure(stream, values, keep):
        await append(stream, values, keep)
        store.fail()
        raise StoreError("nobody knows whether it was written")

    store.append = unsure
    async with receiving(*[whole(503)] * 3) as receiver, at_work(planned(ops=sink(receiver)), store) as desk:
        desk.tell(event(EventKind.DRAIN_BEGUN))
        await receiver.next()
        await desk.until(lambda: store.failure is not None)
        store.append = append
        store.recover()
        await desk.until(lambda: desk.sinks["ops"].delivered == 1)
        await desk.until(lambda: store.entries("outbox/self/ops") == [])


async def test_what_is_too_old_is_given_up_and_said():
    """A page of last week helps nobody; it is not even tried."""
    store = FailingStore(shared=False)
    old = notice(1, at=notice().at - 3600)
    await store.append("outbox/self/ops", [msgspec.json.encode(old)], 10)
    rules = {"keep_trying": 600.0}
    async with receiving() as receiver, at_work(planned(rules, ops=sink(receiver)), store) as desk:
        await desk.until(lambda: desk.sinks["ops"].lost == 1)
        await desk.until(lambda: store.entries("outbox/self/ops") == [])
        assert receiver.deliveries.empty()
    [lost] = desk.log
    expected = "sink ops was not told, because it could not be delivered within 600 s: ready -> unhealthy (1)"
    assert (lost.kind, lost.severity, lost.message) == (EventKind.NOTICE_LOST, Severity.ERROR, expected)


async def test_what_fails_for_too_long_is_given_up():
    """The attempts end, and it is said."""
    rules = {"keep_trying": 1.0}
    async with receiving(*[whole(500)] * 1000) as receiver, at_work(planned(rules, ops=sink(receiver))) as desk:
        desk.tell(event(EventKind.DRAIN_BEGUN))
        await desk.until(lambda: desk.sinks["ops"].lost == 1)
        assert desk.sinks["ops"].failures > 1
        assert desk.sinks["ops"].failing_since is not None


async def test_the_queue_is_bounded(monkeypatch):
    """The oldest gives way, and that is said."""
    monkeypatch.setattr(outbox, "HELD_AT_MOST", 2)
    async with receiving(*[hang] * 10) as receiver, at_work(planned(ops=sink(receiver, timeout=60.0))) as desk:
        desk.tell(*map(event, (EventKind.DRAIN_BEGUN, EventKind.DRAIN_FINISHED, EventKind.MAINTENANCE_BEGUN)))
        await desk.until(lambda: desk.sinks["ops"].lost == 1)
        assert desk.sinks["ops"].pending == 2
    assert "because 2 others wait: drain_begun" in desk.log[-1].message


async def test_a_sink_whose_table_changes_is_opened_anew():
    """What waited for the old address goes to the new one; a sink that is gone gets nothing any more."""
    async with (
        receiving(*[whole(503)] * 1000) as old,
        receiving() as new,
        at_work(planned(ops=sink(old), other=sink(old))) as desk,
    ):
        desk.tell(event(EventKind.DRAIN_BEGUN))
        await old.next()
        desk.notifier.replan(planned(ops=sink(new)))
        assert await new.next_events(1) == ["drain_begun"]
        assert list(desk.sinks) == ["ops"]


async def test_a_sink_can_be_added_while_others_stay():
    """A reload that adds one does not disturb the rest."""
    async with receiving() as first, receiving() as second, at_work(planned(first=sink(first))) as desk:
        desk.tell(event(EventKind.DRAIN_BEGUN))
        await first.next()
        desk.notifier.replan(planned(first=sink(first), second=sink(second)))
        desk.tell(event(EventKind.DRAIN_FINISHED))
        assert await first.next_events(1) == await second.next_events(1) == ["drain_finished"]
        await desk.until(lambda: desk.sinks["first"].delivered == 2)


async def test_the_end_waits_for_what_can_be_delivered():
    """And not for a sink that fails."""
    async with (
        receiving() as well,
        receiving(*[whole(500)] * 1000) as ill,
        at_work(planned(well=sink(well), ill=sink(ill))) as desk,
    ):
        desk.tell(event(EventKind.DRAIN_BEGUN))
        await desk.notifier.finish(20.0)
        assert desk.sinks["well"].delivered == 1
        assert desk.sinks["ill"].failing_since is not None


@pytest.mark.parametrize(
    ("failures", "wish", "least", "most"),
    [
        (1, None, 0.01, 0.02),
        (2, None, 0.02, 0.04),
        (9, None, 0.025, 0.05),
        (1000, None, 0.025, 0.05),
        (1, 7.0, 7.0, 7.0),
        (1, 1e9, outbox.LONGEST_WISH, outbox.LONGEST_WISH),
    ],
)
def test_pauses_double_up_to_a_limit(failures, wish, least, most):
    """With up to a half left off by chance; what the other side wishes is granted, up to an hour."""
    assert least <= outbox._pause(failures, wish) <= most
