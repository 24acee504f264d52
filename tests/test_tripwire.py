"""The tripwire, on real sockets."""

import asyncio
import os
import socket

import anyio
import pytest

from sidecar.tripwire import Tripwire

pytestmark = pytest.mark.anyio


@pytest.fixture
def pair():
    """Two ends of a connection."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        yield ours, theirs


async def tripped(event):
    """Wait until it has tripped."""
    with anyio.fail_after(20):
        await event.wait()


async def test_the_end_of_a_connection_trips(pair):
    """The other side closes: that is noticed at once."""
    ours, theirs = pair
    event = anyio.Event()
    Tripwire(event.set).arm(ours.fileno())
    theirs.close()
    await tripped(event)


async def test_it_trips_once(pair):
    """What has tripped watches no more, until it is armed again."""
    ours, theirs = pair
    trips = []
    event = anyio.Event()
    wire = Tripwire(lambda: (trips.append(1), event.set()))
    wire.arm(ours.fileno())
    theirs.send(b"unasked")
    await tripped(event)
    theirs.send(b"more")
    await anyio.wait_all_tasks_blocked()
    assert trips == [1]


async def test_a_disarmed_wire_is_silent_and_holds_no_descriptor(pair):
    """Nothing is told, and nothing leaks."""
    ours, theirs = pair
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    wire = Tripwire(lambda: pytest.fail("it was disarmed"))
    for _ in range(10):
        wire.arm(ours.fileno())
        wire.arm(ours.fileno())
        wire.disarm()
        wire.disarm()
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    theirs.close()
    await anyio.wait_all_tasks_blocked()


async def test_a_connection_of_a_transport_can_be_watched():
    """The loop reads the very same socket through its transport."""
    async with await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        event = anyio.Event()
        wire = Tripwire(event.set)
        wire.arm(writer.get_extra_info("socket").fileno())
        await tripped(event)
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
