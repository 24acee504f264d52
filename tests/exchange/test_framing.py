"""Every legal way to frame a reply is understood; what is cut or no HTTP/1 at all is told apart."""

import gzip
import zlib

import pytest
from servers.http import CHUNKED, Peer, answer, ask, ask_in_vain, whole

from sidecar.contract import Evidence, Outcome

pytestmark = pytest.mark.anyio


async def reset_at_once(peer: Peer) -> None:
    """Read the request and cut the connection."""
    await peer.request()
    peer.reset()


@pytest.mark.parametrize(
    ("script", "observed"),
    [
        (answer(), "closed without a reply"),
        (reset_at_once, ""),
        (answer(b"HTTP/1.1 200 OK\r\nA: b\r\n"), "closed within the head, after 'HTTP/1.1 200 OK"),
        (answer(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"), "closed after 4 bytes of the body"),
        (answer(CHUNKED + b"4\r\nhalf\r\n"), "closed after 4 bytes of the body"),
    ],
)
async def test_a_cut_reply_is_silence(serve, script, observed):
    """A connection that ends before the reply does is evidence of silence, and the reason says how far it came."""
    failure = await ask_in_vain((await serve(script)).url())
    assert (failure.otherwise, failure.evidence) == (Outcome.FAIL, Evidence.SILENT)
    assert observed in str(failure)


@pytest.mark.parametrize(
    ("sent", "found"),
    [
        (b"SSH-2.0-OpenSSH_9.6\r\n", "'SSH-2.0-OpenSSH_9.6"),
        (b"\x15\x03\x01\x00\x02\x02\x50", "which is TLS: write https://"),
        (b"\x00\x00\x00\x04\x00\x00\x00\x00\x00", "which is HTTP/2"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "another protocol or version"),
        (b"RTSP/1.0 200 OK\r\n\r\n", "another protocol or version"),
        (b"HTTP/1.1 200 OK\r\nbroken header\r\n\r\n", "'HTTP/1.1 200 OK"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "can't be present"),
        (CHUNKED + b"zz\r\n", "'HTTP/1.1 200 OK"),
        (b"\xff\x00\x80garbage" * 100, "'\\xff\\x00\\x80garbage"),
    ],
)
async def test_what_is_no_http_1_is_wrong_and_shown(serve, sent, found):
    """Another protocol, or broken HTTP, is a wrong reply whose beginning the reason shows."""
    failure = await ask_in_vain((await serve(answer(sent))).url())
    assert (failure.otherwise, failure.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "speaks HTTP/1.1: found" in str(failure)
    assert found in str(failure)
    assert "\xff" not in str(failure)


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.0 200 OK\r\n\r\nbo", b"dy"],
        [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nbody"],
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nbody"],
        [CHUNKED + b"1;ext=" + b"x" * 1000 + b"\r\nb\r\n3\r\nody\r\n0\r\nTrailer: 1\r\n\r\n"],
        [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + whole(200, b"body")],
        [whole(200, b"body") + b"trailing garbage"],
        [whole(200, b"body", b"Connection: close") + b"trailing garbage"],
        [bytes([byte]) for byte in whole(200, b"body")],
        [whole(200, zlib.compress(b"body"), b"Content-Encoding: deflate")],
        [whole(200, zlib.compress(b"body")[2:-4], b"Content-Encoding: deflate")],
        [whole(200, gzip.compress(b"body"), b"Content-Encoding: gzip")],
    ],
)
async def test_every_legal_framing_gives_the_body(serve, pieces):
    """HTTP/1.0, no length, chunks, interim replies, byte by byte, compressed, something behind it: all are read."""
    reply = await ask((await serve(answer(*pieces))).url())
    assert (reply.status, reply.body) == (200, b"body")
    assert "link" not in reply.headers


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_a_reply_without_a_body_is_not_waited_for(serve, method, status):
    """HEAD, 204 and 304 end with the head, even if a length is given and the connection stays open."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.say(b"HTTP/1.1 %d X\r\nContent-Length: 10\r\n\r\n" % status)
        await peer.until_hung_up()

    reply = await ask((await serve(script)).url(), method)
    assert (reply.status, reply.body) == (status, b"")


async def test_a_reply_that_comes_before_the_request_counts(serve):
    """Who answers at once and closes, reading nothing, has answered."""

    async def script(peer: Peer) -> None:
        await peer.say(whole(503, b"full", b"Connection: close"))

    reply = await ask((await serve(script)).url(), "POST", body=b"x" * 1000)
    assert (reply.status, reply.body) == (503, b"full")
