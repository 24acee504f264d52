"""The sidecar is killed (SIGKILL) with messages under way: none is lost, and one that is sent again has the same id."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest
from servers.http import whole
from servers.receiver import receiving

from sidecar.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

TESTS = Path(__file__).parents[1]


@contextmanager
def telling(path, url, *kinds):
    """Run the process that tells; it is killed at the end of the block."""
    command = [sys.executable, "-P", "-m", "servers.telling", path, url, *kinds]
    process = subprocess.Popen(command, env={"PYTHONPATH": str(TESTS)})
    try:
        yield
    finally:
        process.kill()
        process.wait()


async def until_kept(path, count):
    """Wait until so many messages lie in the store."""
    store = SqliteStore(str(path), None)
    with anyio.fail_after(30):
        while len(await store.read("outbox/self/ops", 10)) != count:  # noqa: ASYNC110 - another process writes it
            await anyio.sleep(0.01)
    await store.aclose()


async def hang(peer):
    """Keep silent until the client leaves."""
    await peer.until_hung_up()


@pytest.mark.parametrize("answer", [whole(503), hang], ids=["refused", "under way"])
async def test_undelivered_messages_are_sent_at_the_next_start(tmp_path, answer):
    """In the order in which they came, each with the id that it had; then nothing is left."""
    path, kinds = tmp_path / "store.sqlite3", ["drain_begun", "maintenance_begun"]
    async with receiving(*[answer] * 1000) as receiver:
        with telling(path, receiver.url(), *kinds):
            first = await receiver.next()
            await until_kept(path, 2)
    async with receiving() as receiver:
        with telling(path, receiver.url()):
            deliveries = [await receiver.next(), await receiver.next()]
            await until_kept(path, 0)
        assert receiver.deliveries.empty()
    assert [delivery.event["data"]["event"] for delivery in deliveries] == kinds
    assert deliveries[0].event == first.event


async def test_a_message_whose_delivery_nobody_has_noted_is_sent_again_as_the_same(tmp_path):
    """The receiver took it and the sidecar died before it knew: by its id it is known again."""
    path = tmp_path / "store.sqlite3"

    async def take_and_keep_silent(peer):
        await until_kept(path, 1)
        await peer.until_hung_up()

    async with receiving(take_and_keep_silent) as receiver:
        with telling(path, receiver.url(), "drain_begun"):
            first = await receiver.next()
            await until_kept(path, 1)
        with telling(path, receiver.url()):
            again = await receiver.next()
    assert again.headers["idempotency-key"] == first.headers["idempotency-key"]
    assert again.body == first.body
