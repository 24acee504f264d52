"""What holds of every store."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest
from msgspec.json import encode

from sidecar.core.plan import StatePlan
from sidecar.store.contract import Store

pytestmark = pytest.mark.anyio

CLAIMANT = Path(__file__).with_name("claimant.py")


async def test_a_document_is_put_replaced_and_removed(store: Store) -> None:
    """What is not there is None, and may be removed all the same."""
    assert await store.get("hold") is None
    await store.remove("hold")
    await store.put("hold", b"one")
    await store.put("hold", b"two")
    assert await store.get("hold") == b"two"
    await store.remove("hold")
    assert await store.get("hold") is None


async def test_many_documents_are_removed_in_one_go(store: Store) -> None:
    """So that nobody who is killed meanwhile leaves half of what belongs together; nothing else is touched."""
    for name in ("turn/1", "turn/2", "hold"):
        await store.put(name, b"one")
    await store.remove("turn/1", "turn/2", "turn/3")
    assert list(await store.documents("")) == ["hold"]
    await store.remove()
    assert list(await store.documents("")) == ["hold"]


@pytest.mark.parametrize("value", [b"", b"\0\xff\r\n", b"x" * 1_000_000], ids=["empty", "any bytes", "large"])
async def test_a_value_is_any_bytes(store: Store, value: bytes) -> None:
    """They come back as they were put, claimed or appended."""
    await store.put("document", value)
    await store.append("stream", [value], 10)
    assert await store.get("document") == value
    assert await store.claim("claim", value) == value
    assert [entry for _, entry in await store.read("stream", 10)] == [value]


async def test_documents_are_given_by_the_beginning_of_their_names(store: Store) -> None:
    """In order, each with what it holds; and nothing in a name is a pattern."""
    names = ("release/b", "release/a", "release*", "releases", "release/ü", "hold", "Release/x")
    for name in names:
        await store.put(name, name.upper().encode())
    found = await store.documents("release/")
    assert list(found.items()) == [
        ("release/a", b"RELEASE/A"),
        ("release/b", b"RELEASE/B"),
        ("release/ü", "RELEASE/Ü".encode()),
    ]
    assert list(await store.documents("release*")) == ["release*"]
    assert await store.documents("nothing") == {}
    assert set(await store.documents("")) == set(names)


async def test_a_claim_is_won_once(store: Store) -> None:
    """The others are told who has won; after it is removed, it can be won again."""
    assert await store.claim("rollback/1", b"first") == b"first"
    assert await store.claim("rollback/1", b"second") == b"first"
    assert await store.get("rollback/1") == b"first"
    assert await store.claim("rollback/2", b"second") == b"second"
    await store.put("rollback/1", b"verified")
    assert await store.claim("rollback/1", b"third") == b"verified"
    await store.remove("rollback/1")
    assert await store.claim("rollback/1", b"fourth") == b"fourth"


async def test_a_stream_keeps_its_youngest_entries(store: Store) -> None:
    """Oldest first; each stream for itself."""
    await store.append("events", [b"1", b"2", b"3"], 10)
    await store.append("events", [b"4"], 3)
    await store.append("outbox", [b"other"], 1)
    assert [entry for _, entry in await store.read("events", 10)] == [b"2", b"3", b"4"]
    assert [entry for _, entry in await store.read("events", 2)] == [b"2", b"3"]
    assert [entry for _, entry in await store.read("outbox", 10)] == [b"other"]
    await store.append("events", [], 1)
    assert [entry for _, entry in await store.read("events", 10)] == [b"4"]
    for stream in ("events", "nothing"):
        await store.append(stream, [], 0)
        assert await store.read(stream, 10) == []


async def test_numbers_of_entries_are_never_used_again(store: Store) -> None:
    """Not even when the stream has become empty, by being drained or by keeping nothing."""
    await store.append("outbox", [b"1", b"2"], 10)
    numbers = [number for number, _ in await store.read("outbox", 10)]
    await store.drop("outbox", numbers[-1:])
    await store.drop("outbox", [*numbers, 12345])
    assert await store.read("outbox", 10) == []
    await store.append("outbox", [b"gone"], 0)
    assert await store.read("outbox", 10) == []
    await store.append("outbox", [b"3"], 10)
    [(number, value)] = await store.read("outbox", 10)
    assert value == b"3"
    assert numbers == sorted(set(numbers))
    assert number > numbers[-1] + 1
    await store.drop("nothing", [1])
    await store.drop("outbox", [])
    assert [value for _, value in await store.read("outbox", 10)] == [b"3"]


async def test_another_sees_the_same(open_one) -> None:
    """At once, and after the first is closed."""
    one, other = open_one(), open_one()
    await one.put("document", b"value")
    assert await other.get("document") == b"value"
    await other.append("stream", [b"entry"], 10)
    [(first, _)] = await one.read("stream", 10)
    await one.aclose()
    later = open_one()
    assert (await later.get("document"), await later.claim("document", b"late")) == (b"value", b"value")
    await later.append("stream", [b"entry"], 10)
    [_, (second, _)] = await later.read("stream", 10)
    assert second > first


async def test_one_of_many_tasks_wins(open_one) -> None:
    """And all of them hear of the same one."""
    stores = [open_one() for _ in range(4)]
    for round_ in range(10):
        claims = (
            store.claim(f"claim/{round_}", f"{n}-{m}".encode()) for m, store in enumerate(stores) for n in range(5)
        )
        assert len(set(await asyncio.gather(*claims))) == 1


def test_one_of_many_processes_wins(plan: StatePlan) -> None:
    """And all of them hear of the same one."""
    described = encode(plan)
    processes = [
        subprocess.Popen([sys.executable, CLAIMANT, described, str(n)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        for n in range(4)
    ]
    try:
        assert [process.stdout.readline() for process in processes] == [b"ready\n"] * 4
        for process in processes:
            process.stdin.write(b"go\n")
            process.stdin.flush()
        heard = [json.loads(process.communicate(timeout=60)[0]) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert [winners for winners in heard if winners != heard[0]] == []
    assert len(heard[0]) == 25


async def test_entries_of_many_are_all_kept(open_one) -> None:
    """Each once, in an order that all see."""
    stores = [open_one() for _ in range(4)]
    await asyncio.gather(*(store.append("stream", [f"{n}".encode()], 1000) for n in range(10) for store in stores))
    entries = await stores[0].read("stream", 1000)
    assert entries == await stores[1].read("stream", 1000)
    assert sorted(value for _, value in entries) == sorted(f"{n}".encode() for n in range(10) for _ in stores)
