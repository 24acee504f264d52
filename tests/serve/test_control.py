"""The control socket, through real connections."""

import asyncio
import json
import os
import socket
from contextlib import asynccontextmanager, suppress

import anyio
import pytest

from sidecar.serve import control
from sidecar.serve.control import AT_ONCE, control_socket, take_orders
from sidecar.serve.orders import ORDER_AT_MOST, Answer, Drain, Maintenance, Reload, Status, read_order, write_line

pytestmark = pytest.mark.anyio

PATH = "control.sock"
HANGS = 60.0


@pytest.fixture(autouse=True)
def _short_paths(tmp_path, monkeypatch):
    """A relative path is short however deep the directory lies."""
    monkeypatch.chdir(tmp_path)


async def told(order, by):
    """Say what was ordered."""
    return Answer(done=True, message=f"{type(order).__name__} by {by}")


@asynccontextmanager
async def serving(carry_out=told):
    """Take orders."""
    async with asyncio.timeout(HANGS), control_socket(PATH) as listener, take_orders(listener, carry_out):
        yield


@asynccontextmanager
async def connected():
    """Open one connection."""
    reader, writer = await asyncio.open_unix_connection(PATH)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def say(data, *, end=False):
    """Say this on a new connection, and read the whole answer."""
    async with connected() as (reader, writer):
        writer.write(data)
        if end:
            writer.write_eof()
        return json.loads(await reader.read())


async def test_an_order_is_answered_on_one_line():
    """By the user whom the kernel names; the connection is closed afterwards."""
    who = "root" if os.geteuid() == 0 else f"user {os.geteuid()}"
    async with serving():
        assert await say(write_line(Status())) == {"done": True, "message": f"Status by {who}"}
        assert await say(write_line(Drain("x"))[:-1], end=True) == {"done": True, "message": f"Drain by {who}"}
    assert not await anyio.Path(PATH).exists()


async def test_an_order_may_come_in_pieces():
    """Byte by byte as well."""
    async with serving(), connected() as (reader, writer):
        for byte in write_line(Reload()):
            writer.write(bytes([byte]))
            await writer.drain()
        assert json.loads(await reader.read())["done"] is True


@pytest.mark.parametrize(
    "line",
    [
        b"\n", b"{}\n", b"null\n", b'{"order": "shutdown"}\n', b'{"order": "drain"}\n',
        b'{"order": "status", "x": 1}\n',
        b'{"order": "drain", "reason": ""}\n', b'{"order": "drain", "reason": "a\\u001bb"}\n', b"\xff\xfe\n",
        b'{"order": "drain", "reason": "' + b"x" * 201 + b'"}\n', b"GET / HTTP/1.1\r\n",
        b'{"order": "maintenance", "reason": "x", "seconds": 0}\n',
        b'{"order": "maintenance", "reason": "x", "seconds": -5}\n',
        b'{"order": "maintenance", "reason": "x", "seconds": 1e9}\n',
        b"[" * 10_000 + b"\n", b"x" * ORDER_AT_MOST + b"\n",
    ],
)  # fmt: skip
async def test_what_is_no_order_is_told_and_harms_nobody(line):
    """The answer says what is wrong, nothing is carried out, and the next order is served."""

    async def never(*_):
        raise AssertionError

    async with serving(never):
        answer = await say(line)
        assert answer["done"] is False
        assert answer["message"].startswith("this is no order: ")


async def test_an_order_without_an_end_is_not_waited_for_for_ever(monkeypatch):
    """Nor is a client that does not take its answer."""
    monkeypatch.setattr(control, "WITHIN", 0.05)
    async with serving():
        assert await say(b'{"order"') == {"done": False, "message": "no order came within 0.05 s"}


async def test_an_accident_in_one_order_does_not_end_the_sidecar():
    """Its client is told, and others are served."""

    async def stumble(order, by):
        if order == Status():
            return await told(order, by)
        raise LookupError("it is not there")

    async with serving(stumble):
        answer = await say(write_line(Reload()))
        assert answer == {"done": False, "message": "cannot carry the order out: LookupError: it is not there"}
        assert (await say(write_line(Status())))["done"] is True


async def test_so_many_are_served_at_once_and_no_more():
    """Further ones wait in the kernel, until one of those that are served has ended."""
    free, full, under_way = anyio.Event(), anyio.Event(), []

    async def linger(order, _):
        under_way.append(order)
        if len(under_way) == AT_ONCE:
            full.set()
        await free.wait()
        return Answer(done=True)

    async with serving(linger), anyio.create_task_group() as clients:
        for _ in range(AT_ONCE):
            clients.start_soon(say, write_line(Status()))
        await full.wait()
        for _ in range(4):
            clients.start_soon(say, write_line(Status()))
        await anyio.wait_all_tasks_blocked()
        assert len(under_way) == AT_ONCE
        free.set()
    assert len(under_way) == AT_ONCE + 4


async def test_a_client_that_leaves_harms_nobody():
    """Before its order, in its middle, or before its answer."""
    async with serving():
        for data in (b"", b'{"or', write_line(Status())):
            async with connected() as (_, writer):
                writer.write(data)
                await writer.drain()
        assert (await say(write_line(Status())))["done"] is True


async def test_another_user_is_refused(monkeypatch):
    """The mode of the file keeps him out; should that fail, the kernel still says who he is."""
    monkeypatch.setattr(control, "_CREDENTIALS", StrangersCredentials())
    async with serving():
        answer = await say(write_line(Status()))
    assert answer["done"] is False
    assert answer["message"] == "user 4242 may not give orders here: only root and the sidecar's own user may"


class StrangersCredentials:
    """What the kernel says of another user, whom an ordinary user's test cannot be."""

    size = 12

    def unpack(self, _):
        """Pid, uid, gid."""
        return 1, 4242, 4242


async def test_open_connections_do_not_outlive_the_socket():
    """At the end nobody is waited for."""
    async with serving():
        client = socket.socket(socket.AF_UNIX)
        client.connect(PATH)
    with client:
        client.settimeout(HANGS)
        with suppress(ConnectionResetError):  # where it was not taken yet
            assert await anyio.to_thread.run_sync(client.recv, 1) == b""


@pytest.mark.parametrize("order", [Status(), Drain("it leaks"), Maintenance("an upgrade", 600.0), Reload()])
async def test_an_order_is_read_as_it_was_written(order):
    """Both sides mean the same."""
    assert read_order(write_line(order)) == order
