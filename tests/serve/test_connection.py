"""A connection to the health port, as the protocol has it."""

import asyncio
import socket
from contextlib import contextmanager, suppress

import pytest
from serve.client import HANGS, ask, connected, exchange, read_reply, request, serving
from serve.situations import ready, unhealthy

from sidecar.serve.connection import Connection
from sidecar.serve.pool import Pool
from sidecar.serve.routes import PATHS, decide

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("path", [path.decode() for path in PATHS])
async def test_every_path_answers(path):
    """Each path of the table answers over a real socket."""
    async with serving() as port:
        assert (await ask(port, path)).status == 200


async def test_unready_is_503():
    """The code on the wire is the board's."""
    async with serving(unhealthy()) as port:
        assert (await ask(port, "/health/ready")).status == 503
        assert (await ask(port, "/health")).status == 200


async def test_a_connection_is_used_again():
    """One connection serves any number of requests, and sees each change at once."""
    scene = ready()
    async with serving(scene) as port, connected(port) as (reader, writer):
        for _ in range(3):
            writer.write(request())
            assert (await read_reply(reader)).status == 200
        scene.now += 3600
        writer.write(request())
        assert (await read_reply(reader)).status == 503


@pytest.mark.parametrize(
    "said",
    [
        request("/livez", "Connection: close"),
        request("/livez", version="1.0"),
        b"GET /livez HTTP/1.0\r\n\r\n",
        request("/livez", "Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"),
        request("/livez", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"),
        request("/livez", "Content-Length: 5") + b"hello",
        request("/livez", "Content-Length: 70") + request("/metrics"),
        request("/livez", "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        request("/livez", "Content-Length: 1000000", "Expect: 100-continue"),
        request("/livez", "Connection: close") + request("/metrics"),
    ],
)
async def test_an_answer_that_says_close_is_the_last(said):
    """One answer, in plain HTTP/1.1, and then the end: what follows is not taken for a request."""
    async with serving() as port:
        received = await exchange(port, said)
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert received.count(b"HTTP/1.1") == 1
    assert b"\r\nConnection: close\r\n" in received


async def test_http_1_0_is_kept_open_when_it_asks():
    """An HTTP/1.0 client that says keep-alive is told that it has its way."""
    async with serving() as port, connected(port) as (reader, writer):
        for _ in range(2):
            writer.write(request("/livez", "Connection: keep-alive", version="1.0"))
            assert (await read_reply(reader)).fields["Connection"] == "keep-alive"


async def test_head_brings_no_body():
    """After HEAD the next answer follows at once."""
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(request(method="HEAD") + request())
        told = await read_reply(reader, head_only=True)
        assert told.status == 200
        assert (await read_reply(reader)).fields == told.fields


@pytest.mark.parametrize(
    ("said", "status"), [(request("/nothing"), 404), (request(method="POST"), 405), (request(method="DELETE"), 405)]
)
async def test_a_refusal_keeps_the_connection(said, status):
    """What is not answered is refused in words, and the connection goes on."""
    async with serving() as port, connected(port) as (reader, writer):
        writer.write(said)
        refused = await read_reply(reader)
        assert refused.status == status
        assert refused.body.startswith(str(status).encode())
        assert (refused.fields.get("Allow") == "GET, HEAD") is (status == 405)
        writer.write(request())
        assert (await read_reply(reader)).status == 200


async def test_requests_sent_together_are_answered_in_order():
    """A thousand requests in one go have a thousand answers, in their order, before the client's end is obeyed."""
    paths = ["/livez", "/readyz", "/nothing"]
    async with serving(unhealthy()) as port, connected(port) as (reader, writer):
        writer.write(b"".join(request(paths[number % 3]) for number in range(1000)))
        writer.write_eof()
        codes = [(await read_reply(reader)).status for _ in range(1000)]
        assert await reader.read() == b""
    assert codes == [(200, 503, 404)[number % 3] for number in range(1000)]


async def test_a_request_may_come_in_any_pieces():
    """A request that comes byte by byte is the same request; empty lines before it are skipped."""
    async with serving() as port, connected(port) as (reader, writer):
        for byte in b"\r\n\r\n" + request() + b"\r\n" + request():
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        assert (await read_reply(reader)).status == 200
        assert (await read_reply(reader)).status == 200


@pytest.mark.parametrize(
    ("fields", "name", "details"),
    [
        ([], "localhost", True),
        ([], "127.0.0.1:9000", True),
        ([], "health.example.com", False),
        (["X-Forwarded-For: 127.0.0.1"], "localhost", False),
        (["Authorization: Bearer correct-horse"], "health.example.com", True),
        (["Authorization: Bearer correct-horse", "Via: 1.1 p"], "health.example.com", True),
        (["Authorization: Bearer wrong-horse"], "health.example.com", False),
    ],
)
async def test_details_are_for_the_token_and_for_loopback(fields, name, details):
    """Whoever shows the token, or sits here and came by no proxy, sees details; a wrong token changes nothing."""
    async with serving(token="correct-horse") as port:
        for path in ("/health", "/health/ready", "/health/startup"):
            reply = await ask(port, path, *fields, name=name)
            assert ("version" in reply.json) is details
        metrics = await ask(port, "/metrics", *fields, name=name)
        assert (b"sidecar_build_info" in metrics.body) is details


async def test_an_explanation_is_for_those_who_may_see_details():
    """Others get the answer that they get anyway."""
    async with serving(token="correct-horse") as port:
        for fields, name, explained in (([], "localhost", True), ([], "health.example.com", False)):
            reply = await ask(port, "/health/ready?explain", *fields, name=name)
            assert reply.status == 200
            assert ("explain" in reply.json) is explained


@pytest.mark.parametrize(
    ("peer", "details"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("100.64.0.2", False),
        ("::ffff:100.64.0.2", False),
    ],
)
async def test_a_peer_elsewhere_sees_no_details(peer, details):
    """Whoever only calls the machine localhost, but comes from elsewhere, sees the public page."""
    with _from(peer) as (client, _):
        client.send(request())
        assert (b'"version"' in await _said_to(client)) is details


async def test_nothing_is_read_or_answered_while_answers_wait():
    """A client that does not take its answers is not asked for more; when it takes them, all come in order."""
    with _from("127.0.0.1") as (client, connection):
        asked = 0
        while not connection.is_blocked:
            asked += client.send(request() * 8) // len(request())
            await asyncio.sleep(0)
        connection.end()
        answers = b""
        while part := await _said_to(client):
            answers += part
    assert 0 < answers.count(b"HTTP/1.1 200 OK\r\n") <= asked
    assert answers.endswith(b"}")


async def test_whoever_cannot_be_answered_does_not_wait():
    """An accident while an answer is made closes the connection, and is told to the event loop."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["exception"]))
    with _from("127.0.0.1", decide=lambda _: 1 / 0) as (client, connection):
        client.send(request())
        with suppress(ConnectionResetError):
            assert await _said_to(client) == b""
        assert not connection.is_open
    assert [type(complaint) for complaint in complaints] == [ZeroDivisionError]


@contextmanager
def _from(peer, decide=lambda head: decide(head, None)):
    """Connect a client that seems to come from this address, which a test cannot count on having."""
    pool = Pool(16, 30.0)
    client, sock = socket.socketpair()
    client.setblocking(False)
    sock.setblocking(False)
    connection = Connection(ready().board, decide, lambda *_: False, pool, sock=sock, peer=peer)
    connection.open()
    with client:
        yield client, connection
        pool.close()


async def _said_to(client):
    async with asyncio.timeout(HANGS):
        return await asyncio.get_running_loop().sock_recv(client, 65536)
