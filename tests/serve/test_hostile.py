"""Whoever means harm, or is merely broken, keeps nobody from an answer."""

import asyncio
import resource
import socket
import ssl
import struct
from contextlib import ExitStack, contextmanager, suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from serve.client import ask, connected, exchange, read_reply, request, serving

from sidecar.serve.request import HEAD_AT_MOST

pytestmark = pytest.mark.anyio

THOUSANDS = 3000


def _client_hello():
    """Write what a TLS client says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


GARBAGE = {
    "TLS": _client_hello(),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "HTTP/0.9": b"GET /health\r\n",
    "SSH": b"SSH-2.0-OpenSSH_9.6\r\n",
    "SMTP": b"EHLO example.com\r\n",
    "Redis": b"*1\r\n$4\r\nPING\r\n",
    "PostgreSQL": struct.pack("!ii", 8, 80877103),
    "zeros": bytes(50_000),
    "bare line feeds": b"GET /health HTTP/1.0\n\n",
    "no Host": b"GET /health HTTP/1.1\r\n\r\n",
    "two lengths": request("/", "Content-Length: 1", "Content-Length: 2"),
    "length and chunks": request("/", "Content-Length: 1", "Transfer-Encoding: chunked"),
    "folded": b"GET / HTTP/1.1\r\nHost: a\r\n b\r\n\r\n",
}


@pytest.mark.parametrize("said", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_is_no_request_is_told_so_at_once(said):
    """Garbage has 400 and the end, without waiting for more; the next request has its answer."""
    async with serving(idle_timeout=3600.0) as port:
        received = await exchange(port, said)
        assert received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert (await ask(port)).status == 200


async def test_what_was_asked_before_the_garbage_is_answered():
    """Good requests in front of a bad one have their answers first."""
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(request() * 3 + b"\x00\x01" + request())
        assert [(await read_reply(reader)).status for _ in range(4)] == [200, 200, 200, 400]
        assert await reader.read() == b""


@pytest.mark.parametrize(
    "said",
    [
        request("/", "X: " + "x" * HEAD_AT_MOST),
        request("/" + "x" * 60_000),
        b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5_000,
        b"GET /" + b"x" * 60_000,
    ],
)
async def test_a_head_that_is_too_long_is_431(said):
    """An oversized head is refused, with or without an end, and the refusal arrives although input was left unread."""
    async with serving() as port:
        assert (await exchange(port, said)).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
        assert (await ask(port)).status == 200


async def test_a_head_of_the_limit_is_answered():
    """The longest head that is allowed has its answer."""
    head = request("/health", "X: ")
    head = head[:-4] + b"x" * (HEAD_AT_MOST - len(head)) + b"\r\n\r\n"
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(head)
        assert (await read_reply(reader)).status == 200


async def test_an_endless_body_is_cut_off():
    """A client that goes on sending after its answer is cut off, not read for ever."""
    async with serving(idle_timeout=3600.0) as port, connected(port) as (_, writer):
        writer.write(request("/health", "Transfer-Encoding: chunked", method="POST"))
        with pytest.raises(ConnectionError):
            await _send_for_ever(writer, b"1000\r\n" + b"x" * 4096 + b"\r\n")


async def _send_for_ever(writer, said):
    while True:
        writer.write(said)
        await writer.drain()


class Clock:
    """The loop's time, which passes only when a test says so."""

    now = 0.0


@pytest.fixture
async def clock(monkeypatch):
    """Stop the loop's clock, so that nobody is idle because the machine is busy."""
    stopped = Clock()
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: stopped.now)
    return stopped


@pytest.mark.parametrize("said", [b"", b"GET /heal", b"GET /health HTTP/1.1\r\nHost: a\r\n", request(), request() * 3])
async def test_a_silent_connection_is_closed(said, clock):
    """Whoever completes no request for the idle time-out is closed, whatever was said before."""
    async with serving(idle_timeout=0.05) as port, connected(port) as (reader, writer):
        writer.write(said)
        for _ in range(said.count(b"\r\n\r\n")):
            assert (await read_reply(reader)).status == 200
        end = asyncio.ensure_future(reader.read())
        while not end.done():
            clock.now += 0.05
            await asyncio.sleep(0)
        with suppress(ConnectionResetError):
            assert end.result() == b""


async def test_a_client_that_dribbles_is_closed():
    """Bytes that never make a request do not count as activity."""
    async with serving(idle_timeout=0.1) as port, connected(port) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nX: ")
        end = asyncio.ensure_future(reader.read())
        while not end.done():
            writer.write(b"x")
            await asyncio.wait([end], timeout=0.01)
        with suppress(ConnectionResetError):
            assert end.result() == b""


async def test_a_client_that_asks_stays(clock):
    """Requests keep a connection open, however often the idle time-out passes meanwhile."""
    async with serving(idle_timeout=0.1) as port, connected(port) as (reader, writer):
        for _ in range(10):
            writer.write(request())
            assert (await read_reply(reader)).status == 200
            clock.now += 0.09


@contextmanager
def _idle_clients(number):
    """Make client sockets, as many as asked for or as the machine allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = 2 * number + 512
    if hard != resource.RLIM_INFINITY:
        files = min(files, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    try:
        with ExitStack() as stack:
            clients = []
            for _ in range((files - 512) // 2):
                client = stack.enter_context(socket.socket())
                client.setblocking(False)
                clients.append(client)
            yield clients
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_thousands_of_idle_connections_are_kept():
    """With thousands of idle connections open, a health check is answered, and so is the first and the last of them."""
    loop = asyncio.get_running_loop()
    with _idle_clients(THOUSANDS) as clients:
        async with serving() as port:
            for client in clients:
                await loop.sock_connect(client, ("127.0.0.1", port))
            assert (await ask(port)).status == 200
            for client in (clients[0], clients[-1]):
                await loop.sock_sendall(client, request())
                assert (await loop.sock_recv(client, 100)).startswith(b"HTTP/1.1 200")


async def test_a_flood_of_idle_connections_shuts_nobody_out():
    """Above the limit, whoever is longest idle makes room: the newest are served, and so is one that keeps asking."""
    loop = asyncio.get_running_loop()
    with _idle_clients(THOUSANDS) as clients:
        async with serving(max_connections=64, idle_timeout=3600.0) as port, connected(port) as (reader, writer):
            for number, client in enumerate(clients):
                await loop.sock_connect(client, ("127.0.0.1", port))
                if number % 16 == 0:
                    writer.write(request())
                    assert (await read_reply(reader)).status == 200
            assert (await ask(port)).status == 200
            await loop.sock_sendall(clients[-1], request())
            assert (await loop.sock_recv(clients[-1], 100)).startswith(b"HTTP/1.1 200")
            for client in clients[: len(clients) - 64]:
                assert await loop.sock_recv(client, 1) == b""


async def test_a_lack_of_descriptors_shuts_nobody_out():
    """When no descriptor is left, an idle connection makes room, and a health check is answered all the same."""
    loop = asyncio.get_running_loop()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with _idle_clients(50) as clients:
        async with serving() as port:
            narrow = max(client.fileno() for client in clients) + 5
            resource.setrlimit(resource.RLIMIT_NOFILE, (narrow, hard))
            try:
                for client in clients:
                    await loop.sock_connect(client, ("127.0.0.1", port))
                await loop.sock_sendall(clients[-1], request())
                assert (await loop.sock_recv(clients[-1], 100)).startswith(b"HTTP/1.1 200")
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_client_that_reads_nothing_is_not_served_without_end():
    """Answers that nobody reads stop the reading of requests, and in the end the connection is closed."""
    async with serving(idle_timeout=0.3) as port:
        with socket.socket() as client:
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(client, ("127.0.0.1", port))
            with pytest.raises(ConnectionError):
                await loop.sock_sendall(client, request() * 1_000_000)
        assert (await ask(port)).status == 200


async def test_a_client_that_reads_late_gets_everything():
    """Answers that had to wait for their reader all come, in order."""
    number = 30_000
    said = b"".join(request("/readyz" if each % 2 else "/nothing") for each in range(number))
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        async with serving() as port:
            await loop.sock_connect(client, ("127.0.0.1", port))
            sending = asyncio.ensure_future(loop.sock_sendall(client, said))
            await asyncio.wait([sending], timeout=0.3)  # until it is stuck, or everything is on its way
            reader, writer = await asyncio.open_connection(sock=client)
            for each in range(number):
                assert (await read_reply(reader)).status == (200 if each % 2 else 404)
            await sending
            writer.transport.abort()


async def test_clients_that_hang_up_leave_nothing_behind():
    """Connections that are reset at any point do no harm."""
    loop = asyncio.get_running_loop()
    async with serving(max_connections=16) as port:
        for said in (b"", b"GET", request(), request() * 1000, b"\x16\x03") * 20:
            with socket.socket() as client:
                client.setblocking(False)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                await loop.sock_connect(client, ("127.0.0.1", port))
                await loop.sock_sendall(client, said)
        assert (await ask(port)).status == 200


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=200),
        st.sampled_from(
            [b"\r\n", b"\r\n\r\n", b"GET ", b"HEAD ", b"/health", b"/metrics", b" HTTP/1.1\r\n", b"Host: a\r\n",
             b"Content-Length: 10\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n",
             b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"Authorization: Bearer ", request(),
             request("/metrics"), b"x" * 9000]
        ),
    ),
    max_size=12,
)  # fmt: skip


@settings(max_examples=150)
@given(PIECES)
def test_no_bytes_break_the_server(pieces):
    """Whatever is sent, in whatever pieces: the event loop has no complaint, and the next request has its answer."""

    async def main():
        complaints = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
        async with serving() as port:
            async with connected(port) as (reader, writer):
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0)
                if writer.can_write_eof():
                    with suppress(OSError):
                        writer.write_eof()
                with suppress(ConnectionError):
                    received = await reader.read()
                    assert received == b"" or received.startswith(b"HTTP/1.1 ")
            assert (await ask(port)).status == 200
        assert complaints == []

    asyncio.run(main())
