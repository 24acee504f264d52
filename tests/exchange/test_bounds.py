"""Whatever a server sends, and for how long, the exchange stays within bounds."""

import gc
import resource
import zlib
from contextlib import suppress

import anyio
import pytest
from servers.http import CHUNKED, HttpServer, answer, ask, ask_in_vain, endless, whole

from sidecar.contract import Evidence, ProbeFailure
from sidecar.exchange.reply import ReplyReader

pytestmark = pytest.mark.anyio

OK_HEAD = b"HTTP/1.1 200 OK\r\n"
DEFLATED = OK_HEAD + b"Content-Encoding: deflate\r\n\r\n\x78\x9c"
DEFLATED_NOTHING = b"\x00\x00\x00\xff\xff"


@pytest.mark.parametrize(
    ("script", "body"),
    [
        (endless(OK_HEAD + b"\r\n", b"x" * 65536), b"x" * 1000),
        (endless(CHUNKED + b"5\r\nfirst\r\n4;", b"x" * 65536), b"first"),
        (endless(DEFLATED, DEFLATED_NOTHING * 10000), b""),
    ],
    ids=["body", "chunk extension", "empty compression"],
)
async def test_an_endless_body_is_cut_at_the_limit(serve, script, body):
    """Reading stops at the limit, of the body or of what comes instead of one, and the connection is closed."""
    server: HttpServer = await serve(script)
    reply = await ask(server.url(), body_limit=1000)
    assert (reply.body, reply.truncated) == (body, True)
    with anyio.fail_after(10):
        await server.peers[0].hung_up.wait()


async def test_a_body_of_just_the_limit_is_whole(serve):
    """The limit itself is allowed."""
    reply = await ask((await serve(answer(whole(200, b"x" * 1000)))).url(), body_limit=1000)
    assert (len(reply.body), reply.truncated) == (1000, False)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
async def test_a_compression_bomb_stays_bounded(serve, encoding):
    """A hundred megabytes packed into a hundred kilobytes come to no more than the limit."""
    packer = zlib.compressobj(9, wbits=31 if encoding == b"gzip" else 15)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(100)) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    reply = await ask((await serve(answer(whole(200, bomb, b"Content-Encoding: " + encoding)))).url())
    assert (reply.body, reply.truncated) == (bytes(64 * 1024), True)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 16 * 1024


async def test_broken_compression_is_wrong(serve):
    """What claims to be gzip and is not is a wrong reply."""
    failure = await ask_in_vain((await serve(answer(whole(200, b"plain", b"Content-Encoding: gzip")))).url())
    assert failure.evidence is Evidence.WRONG
    assert "is valid gzip: found 'plain'" in str(failure)


@pytest.mark.parametrize(
    ("script", "rule"),
    [
        (endless(OK_HEAD + b"X: ", b"x" * 5000), "is at most 64 KiB"),
        (endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 100), "is at most 64 KiB"),
        (answer(OK_HEAD + b"A: b\r\n" * 101 + b"\r\n"), "at most 100 header fields"),
        (answer(CHUNKED + b"0\r\n" + b"A: b\r\n" * 101 + b"\r\n"), "at most 100 header fields"),
    ],
    ids=["one header", "interim replies", "many headers", "many trailers"],
)
async def test_a_head_is_bounded(serve, script, rule):
    """A head too long, with too many fields or too many interim replies before it, is a wrong reply."""
    failure = await ask_in_vain((await serve(script)).url())
    assert failure.evidence is Evidence.WRONG
    assert rule in str(failure)


@pytest.mark.parametrize(
    "sent",
    [whole(200, b"fine"), b"\x00garbage", whole(200, b"", *[b"X-Further: more"] * 200), b"HTTP/1.1 200 OK\r\nX-Cut: "],
    ids=["whole", "garbage", "too-many-fields", "cut-short"],
)
async def test_nothing_of_an_exchange_waits_for_the_cycle_collector(serve, sent):
    """What was read is let go at once, be it a reply or a failure: else many failures together take megabytes."""
    server = await serve(answer(sent))
    gc.collect()
    gc.disable()
    try:
        with suppress(ProbeFailure):
            await ask(server.url())
        left = [each for each in gc.get_objects() if isinstance(each, ReplyReader)]
    finally:
        gc.enable()
    assert left == []
