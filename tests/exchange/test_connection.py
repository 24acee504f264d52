"""Connecting, asking, keeping and leaving, against real servers."""

import resource
import socket

import anyio
import pytest
from servers.http import CHUNKED, OK, HttpServer, Peer, answer, ask, ask_in_vain, wait_for_hang_up, whole

from sidecar.contract import Evidence, Outcome, ProbeFailure, Run
from sidecar.exchange import Tls, connect, exchange, parse_url

pytestmark = pytest.mark.anyio


def phases(run: Run) -> list[str]:
    """Name the timed parts."""
    return [phase.name for phase in run.observation(started=0, wall=0, elapsed=0).phases]


async def test_a_reply_arrives_with_status_headers_and_body(serve):
    """Status, reason, headers (repeated ones joined) and body are handed over."""
    server = await serve(answer(whole(203, b"body", b"X-A: 1", b"x-a: 2", b"X-Empty:")))
    reply = await ask(server.url("/path?query"))
    assert (reply.status, reply.reason, reply.body, reply.truncated) == (203, "Reason", b"body", False)
    assert reply.headers == {"x-a": "1, 2", "x-empty": "", "content-length": "4"}


async def test_the_request_is_complete_and_asks_to_close(serve):
    """The request names host and target, declines compression, asks to close, and carries the caller's headers once."""
    server = await serve(answer(OK))
    await ask(server.url("/p?q=1"), "POST", headers={"accept": "text/plain", "X-Key": "v"}, body=b"data")
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    assert first == "POST /p?q=1 HTTP/1.1"
    assert sorted(fields) == sorted([
        f"Host: 127.0.0.1:{server.port}", "accept: text/plain", "Accept-Encoding: identity",
        "X-Key: v", "Connection: close", "Content-Length: 4",
    ])  # fmt: skip
    assert body == b"data"


async def test_phases_are_timed_in_order(serve):
    """Connect, first byte and body are timed, and together take no longer than the whole."""
    server = await serve(answer(OK))
    run = Run()
    started = anyio.current_time()
    await ask(server.url(), run=run)
    elapsed = anyio.current_time() - started
    assert phases(run) == ["connect", "first_byte", "body"]
    parts = [phase.seconds for phase in run.observation(started=0, wall=0, elapsed=0).phases]
    assert all(part > 0 for part in parts)
    assert sum(parts) <= elapsed


async def test_a_name_is_resolved_in_a_phase_of_its_own(serve):
    """What is neither a literal address nor localhost goes to the resolver, and that is timed."""
    server = await serve(answer(OK))
    run = Run()
    assert (await ask(server.url(host="127.1"), run=run)).status == 200
    assert phases(run) == ["dns", "connect", "first_byte", "body"]


async def test_localhost_finds_a_server_on_ipv6_alone(serve):
    """Localhost is tried on IPv4, then on IPv6, without the resolver."""
    server = await serve(answer(OK), host="::1")
    run = Run()
    assert (await ask(server.url(host="localhost"), run=run)).status == 200
    assert phases(run)[0] == "connect"


async def test_an_address_that_does_not_answer_gives_way_to_the_next(serve):
    """A family whose packets are lost (here a full backlog) costs half a second, not the deadline."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        with socket.socket() as first, socket.socket() as second:
            for filling in (first, second):
                filling.setblocking(False)
                filling.connect_ex(("127.0.0.1", port))
            server = await serve(answer(OK), host="::1", port=port)
            assert (await ask(server.url(host="localhost"))).status == 200


async def test_an_ipv6_literal_is_connected_to(serve):
    """An IPv6 address in brackets works, and stands so in Host."""
    server = await serve(answer(OK), host="::1")
    assert (await ask(server.url(host="[::1]"))).status == 200
    assert f"Host: [::1]:{server.port}".encode() in server.requests[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
async def test_a_refused_connection_is_refused(free_port, host):
    """Nobody listens: the evidence is a refusal, and the reason names host and port."""
    failure = await ask_in_vain(f"http://{host}:{free_port}/")
    assert failure.evidence is Evidence.REFUSED
    assert str(failure) == f"a connection to {host}:{free_port} is accepted: found connection refused"


async def test_an_unknown_name_is_a_misconfigured_probe():
    """A name without an address fails, but accuses the configuration."""
    failure = await ask_in_vain("http://a..b/")
    assert (failure.otherwise, failure.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert "the name a..b has an address" in str(failure)


async def test_no_route_is_the_observers_failure():
    """An unreachable network proves nothing about the target: unknown."""
    failure = await ask_in_vain("http://255.255.255.255/")
    assert (failure.otherwise, failure.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)


async def test_no_free_descriptor_is_the_observers_failure(serve):
    """Out of file descriptors, the verdict is unknown rather than a failure of the target."""
    server = await serve(answer(OK))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        failure = await ask_in_vain(server.url())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert (failure.otherwise, failure.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert "too many open files" in str(failure)


async def drip(peer: Peer) -> None:
    """Say the first line and keep the rest for ever."""
    await peer.request()
    await peer.say(b"HTTP/1.1 200 OK\r\n")
    await peer.until_hung_up()


@pytest.mark.parametrize("script", [wait_for_hang_up, drip])
@pytest.mark.parametrize("is_secure", [False, True])
async def test_cancelling_closes_the_connection(serve, certificates, script, is_secure):
    """The caller's deadline ends an exchange wherever it stands, and the server sees the connection close."""
    reached = anyio.Event()

    async def telling(peer: Peer) -> None:
        reached.set()
        await script(peer)

    server: HttpServer = await serve(telling, context=certificates.good() if is_secure else None)
    tls = Tls(ca_file=str(certificates.ca_file))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(lambda: exchange("GET", parse_url(server.url()), Run(), tls=tls))
            await reached.wait()
            group.cancel_scope.cancel()
        await server.peers[0].hung_up.wait()


async def test_until_ends_the_reading_of_an_open_stream(serve):
    """A stream that stays open is left as soon as the caller has seen enough."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(CHUNKED + b"6\r\nfirst\n\r\n", b"7\r\nsecond\n\r\n")
        await peer.until_hung_up()

    server: HttpServer = await serve(script)
    reply = await ask(server.url(), until=lambda body: b"second" in body)
    assert reply.body == b"first\nsecond\n"
    with anyio.fail_after(10):
        await server.peers[0].hung_up.wait()


async def keep(peer: Peer) -> None:
    """Answer every request on the connection with its number."""
    while await peer.request():
        await peer.say(whole(200, b"%d.%d" % (peer.number, len(peer.requests))))


async def talk(server: HttpServer, times: int) -> list[bytes]:
    """Several exchanges on one ``Connection``."""
    with anyio.fail_after(10):
        async with connect(parse_url(server.url()), Run()) as connection:
            return [(await connection.send("POST", body=b"x")).body for _ in range(times)]


async def test_a_kept_connection_carries_several_exchanges(serve):
    """The server keeps the connection, so one is enough."""
    assert await talk(await serve(keep), 3) == [b"1.1", b"1.2", b"1.3"]


@pytest.mark.parametrize(
    "reply",
    [
        OK,
        b"HTTP/1.0 200 OK\r\n\r\nok",
        whole(200, b"ok"),  # and closes without saying so
        whole(200, b"ok") + whole(200, b"unasked"),
    ],
)
async def test_a_connection_that_was_not_kept_is_renewed(serve, reply):
    """Between exchanges the server may close, announced or not, or say what nobody asked: a fresh one is opened."""
    server: HttpServer = await serve(answer(reply))
    assert await talk(server, 3) == [b"ok"] * 3
    assert len(server.peers) == 3


async def test_a_request_lost_with_a_kept_connection_is_sent_once_more(serve):
    """A kept connection that is closed upon the next request is replaced once; a fresh one that does so has failed."""

    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number <= 2:
            await peer.say(whole(200, b"ok"))
            await peer.request()

    server: HttpServer = await serve(script)
    assert await talk(server, 2) == [b"ok", b"ok"]
    assert len(server.peers) == 2
    with pytest.raises(ProbeFailure, match="closed without a reply"):
        await talk(server, 1)
    assert len(server.peers) == 3


@pytest.mark.parametrize(
    ("headers", "word"),
    [
        ({"X-Key": "secret\r\nHost: evil"}, "value of header X-Key"),
        ({"X-Key": "secret\u20ac"}, "value of header X-Key"),
        ({"X Key": "secret"}, "'X Key'"),
    ],
)
async def test_a_header_that_cannot_be_sent_is_named_without_its_value(serve, headers, word):
    """Nothing can be smuggled into a request, and the error keeps the value to itself."""
    server: HttpServer = await serve(answer(OK))
    with pytest.raises(ValueError, match=word) as raised:
        await ask(server.url(), headers=headers)
    assert "secret" not in str(raised.value)
    assert not server.requests
