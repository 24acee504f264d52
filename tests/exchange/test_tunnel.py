"""Exchanges through a proxy's tunnel."""

import anyio
import pytest
from servers.http import OK, HttpServer, Peer, answer, whole

from sidecar.contract import Run
from sidecar.exchange import Proxy, TunnelRefused, connect, parse_url

pytestmark = pytest.mark.anyio

OPEN = b"HTTP/1.1 200 OK\r\n\r\n"


def proxy_at(server) -> Proxy:
    """A proxy that wants a credential."""
    return Proxy(parse_url(server.url()), {"Proxy-Authorization": "Basic secret"})


async def tunnelling(peer: Peer) -> None:
    """Open one tunnel, and answer in it."""
    await peer.request()
    await peer.say(OPEN)
    while await peer.request():
        await peer.say(whole(200, b"page"))


async def test_what_is_within_is_not_for_the_proxy(serve):
    """The target is named once, in CONNECT; further exchanges use the same tunnel, and none shows the credential."""
    server = await serve(tunnelling)
    run = Run()
    async with connect(parse_url("http://page.test:8080/a"), run, via=proxy_at(server)) as connection:
        replies = [await connection.send("GET"), await connection.send("GET", "/b")]
    assert [reply.body for reply in replies] == [b"page", b"page"]
    assert [request.split(b"\r\n")[0] for request in server.requests] == [
        b"CONNECT page.test:8080 HTTP/1.1",
        b"GET /a HTTP/1.1",
        b"GET /b HTTP/1.1",
    ]
    assert [b"secret" in request for request in server.requests] == [True, False, False]
    assert len(server.peers) == 1


async def test_ipv6_is_named_in_brackets(serve):
    """The target of CONNECT is an authority (RFC 9112, 3.2.3)."""
    server = await serve(tunnelling)
    async with connect(parse_url("http://[2001:db8::1]:8080/"), Run(), via=proxy_at(server)) as connection:
        await connection.send("GET")
    assert server.requests[0].startswith(b"CONNECT [2001:db8::1]:8080 HTTP/1.1\r\n")


async def test_refusal_brings_the_proxys_reply(serve):
    """Its head tells why; the connection is closed."""
    server = await serve(answer(whole(407, b"never read", b"X-Why: because")))
    with pytest.raises(TunnelRefused) as caught:
        async with connect(parse_url("http://page.test/"), Run(), via=proxy_at(server)):
            pass
    assert (caught.value.reply.status, caught.value.reply.headers["x-why"]) == (407, "because")
    assert str(caught.value) == f"127.0.0.1:{server.port} opens a tunnel to page.test:80: found 407 Reason"


async def test_cancellation_closes_the_way_to_the_proxy(serve):
    """A proxy that never answers is left."""
    asked = anyio.Event()

    async def silent(peer: Peer) -> None:
        await peer.request()
        asked.set()
        await peer.until_hung_up()

    async def open_tunnel(way: HttpServer) -> None:
        async with connect(parse_url("http://page.test/"), Run(), via=proxy_at(way)):
            pass

    server = await serve(silent)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as group:
            group.start_soon(open_tunnel, server)
            await asked.wait()
            group.cancel_scope.cancel()
        await server.peers[0].hung_up.wait()


async def test_exchange_without_a_proxy_goes_straight(serve):
    """Nothing of the kind is sent."""
    server = await serve(answer(OK))
    async with connect(parse_url(server.url("/a")), Run()) as connection:
        assert (await connection.send("GET")).status == 200
    assert server.requests[0].startswith(b"GET /a HTTP/1.1\r\n")
