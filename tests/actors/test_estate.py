"""What a replica leaves untold when it is gone: real receivers, and a real store that replicas share."""

from contextlib import aclosing, asynccontextmanager

import anyio
import msgspec
import pytest
from builders import notice, plan
from core.telling import event, status
from msgspec.structs import replace
from servers.http import whole
from servers.receiver import receiving
from servers.stores import MemoryStore

from sidecar.actors import estate, notify, outbox
from sidecar.actors.notify import Notifier
from sidecar.core.events import EventKind
from sidecar.core.notices.plan import NotifyPlan, SinkKind, SinkPlan
from sidecar.core.plan import StatePlan, StoreKind
from sidecar.ledger.records import Ledger, Present
from sidecar.store.contract import StoreError
from sidecar.store.redis import RedisStore

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Looks and pauses are short."""
    monkeypatch.setattr(estate, "LOOK_EVERY", 0.02)
    monkeypatch.setattr(notify, "AGAIN_AFTER", 0.02)
    monkeypatch.setattr(outbox, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(outbox, "LONGEST_PAUSE", 0.05)


@pytest.fixture
async def store(start_redis):
    """The store that all of them share."""
    async with aclosing(RedisStore(start_redis().url, "test")) as store:
        yield store


def planned(name, receiver):
    """A replica's plan with one sink."""
    sinks = {"ops": SinkPlan(kind=SinkKind.WEBHOOK, url=receiver.url(), timeout=0.2)}
    return replace(plan(), state=StatePlan(store=StoreKind.REDIS, replica=name), notify=NotifyPlan(sinks=sinks))


@asynccontextmanager
async def at_work(name, store, receiver, release="2"):
    """Run one replica's notifier for as long as the block lasts, and then cut it off."""
    notifier = Notifier(
        planned(name, receiver), store, running=lambda: release, publish=lambda _: None, log=lambda _: None
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(notifier.run)
        yield notifier
        tasks.cancel_scope.cancel()


async def until(holds):
    """Wait until something is so that nobody tells of; gives it."""
    with anyio.fail_after(20):
        while not (found := await holds()):  # noqa: ASYNC110 - the store tells nobody
            await anyio.sleep(0.01)
    return found


async def until_alone(name, store):
    """Wait until nothing is left of any other replica."""

    async def is_alone():
        return set(await Ledger(store, "nobody").present()) == {name}

    await until(is_alone)


async def test_what_a_replaced_replica_could_not_deliver_is_delivered_by_another(store):
    """With the same idempotency key. What it had told of is told to be over, and then nothing is left of it."""
    async with receiving(*[whole(503)] * 1000) as broken, at_work("web-1", store, broken) as old:
        old.tell(status("unhealthy"))
        first = await broken.next()
        await until(lambda: store.read("outbox/web-1/ops", 10))
        await until(lambda: store.get("replica/web-1/notices"))
    async with receiving() as receiver, at_work("web-2", store, receiver, release="1"):
        begin, end = await receiver.next(), await receiver.next()
        assert begin.headers["idempotency-key"] == first.headers["idempotency-key"]
        told = begin.event["data"], end.event["data"]
        assert [(each["event"], each["replica"], each["release"]) for each in told] == [
            ("unhealthy", "web-1", "2"),
            ("over", "web-1", "2"),
        ]
        assert told[1]["what"] == "over, as nothing is heard any more of replica web-1"
        await until_alone("web-2", store)
        assert await store.read("outbox/web-1/ops", 10) == []
        assert await store.get("replica/web-1/notices") is None
        assert receiver.deliveries.empty()


async def test_of_replicas_that_are_there_nobody_settles_anything(store):
    """However long that lasts. A hold that one of them has told of is everybody's, and lasts when it is gone."""
    async with receiving() as receiver, at_work("web-2", store, receiver):
        async with at_work("web-1", store, receiver) as other:
            other.tell(status("unhealthy"))
            other.tell(event(EventKind.HOLD_BEGUN))
            assert await receiver.next_events(2) == ["unhealthy", "hold_begun"]
            looks = set()

            async def have_looked_often():
                looks.update((await Ledger(store, "nobody").present()).items())
                return all(
                    sum(seen == name for seen, _ in looks) > 3 * estate.SILENT_LOOKS for name in ("web-1", "web-2")
                )

            await until(have_looked_often)
            assert receiver.deliveries.empty()
        assert await receiver.next_events(1) == ["over"]
        await until_alone("web-2", store)
        assert receiver.deliveries.empty()


class ForgetfulStore(MemoryStore):
    """Each fourth time it does not tell who is there."""

    def __init__(self):
        super().__init__()
        self.looks = 0

    async def _before(self, call):
        if call == "documents":
            self.looks += 1
            if self.looks % 4 == 0:
                raise StoreError("it is down")


async def test_nobody_is_gone_who_could_not_write_either():
    """An outage of the store makes every replica silent: only looks at a store that works are counted."""
    store = ForgetfulStore()
    await Ledger(store, "web-1").be_present(Present(1.0))

    async def has_looked_often():
        return store.looks > 5 * estate.SILENT_LOOKS

    async with receiving() as receiver, at_work("web-2", store, receiver):
        await until(has_looked_often)
    assert {name for name in store.kept if name.startswith("present/")} == {"present/web-1", "present/web-2"}


async def test_one_of_those_that_are_left_settles(store):
    """However long its sink fails: each would send everything else."""
    async with receiving(*[whole(503)] * 1000) as broken, at_work("web-1", store, broken) as old:
        old.tell(status("unhealthy"))
        await until(lambda: store.read("outbox/web-1/ops", 10))
        await until(lambda: store.get("replica/web-1/notices"))
    failures = [whole(503)] * 40
    async with (
        receiving(*failures) as receiver,
        at_work("web-2", store, receiver),
        at_work("web-3", store, receiver),
    ):

        async def is_settled():
            return set(await Ledger(store, "nobody").present()) == {"web-2", "web-3"} and not receiver.answers

        await until(is_settled)
        assert receiver.deliveries.qsize() == len(failures) + 2


async def test_what_cannot_be_read_holds_up_no_message(store):
    """Another version has written what was told, and that somebody is there: nothing is known of either."""
    waiting = notice("a message")
    await store.append("outbox/web-1/ops", [msgspec.json.encode(waiting)], 10)
    await store.put("replica/web-1/notices", b"{")
    await store.put("present/web-9", b"{")
    await Ledger(store, "web-1").be_present(Present(1.0))
    async with receiving() as receiver, at_work("web-2", store, receiver):
        assert (await receiver.next()).headers["idempotency-key"] == waiting.id
        await until_alone("web-2", store)


async def test_a_reload_reaches_what_others_have_left(store):
    """The operator has corrected the address: it goes there, and no longer where it was refused."""
    await store.append("outbox/web-1/ops", [msgspec.json.encode(notice("a message"))], 10)
    await Ledger(store, "web-1").be_present(Present(1.0))
    async with (
        receiving(*[whole(503)] * 1000) as broken,
        receiving() as receiver,
        at_work("web-2", store, broken) as notifier,
    ):
        await broken.next()
        notifier.replan(planned("web-2", receiver))
        await receiver.next()
        await until_alone("web-2", store)
