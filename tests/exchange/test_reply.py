"""The reader of replies, attacked: no bytes break it, and it does not matter how they are cut."""

import gzip
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from sidecar.contract import ProbeFailure
from sidecar.exchange.reply import ReplyReader

LIMIT = 50

PART = st.one_of(
    st.binary(max_size=40),
    st.sampled_from([
        b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 204 \r\n", b"HTTP/1.0 503 X\r\n",
        b"HTTP/1.1 101 Y\r\nConnection: upgrade\r\nUpgrade: x\r\n", b"SSH-2.0-x\r\n", b"HTTP/2.0 200 OK\r\n",
        b"Content-Length: 5\r\n", b"Content-Length: 60\r\n", b"Content-Length: -1\r\n", b"Connection: close\r\n",
        b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding: gzip\r\n",
        b"Content-Encoding: gzip\r\n", b"Content-Encoding: deflate\r\n", b"A:\r\n", b"A: \xff\r\n" * 60, b": x\r\n",
        b"\r\n", b"5\r\nhello\r\n", b"5;ext=1\r\nhello\r\n", b"40\r\n" + b"x" * 64 + b"\r\n",
        b"0\r\n\r\n", b"0\r\nA: b\r\n\r\n",
        b"hello", b"x" * 60, gzip.compress(b"hello", mtime=0), gzip.compress(b"x" * 60, mtime=0), b"x" * 700,
    ]),
)  # fmt: skip
REPLY = st.lists(PART, max_size=12).map(b"".join)
LIKELY = st.tuples(
    st.sampled_from([b"", b"HTTP/1.1 100 Continue\r\n\r\n"]),
    st.sampled_from([b"HTTP/1.1 200 OK\r\n", b"HTTP/1.0 200 OK\r\n"]),
    st.sampled_from([b"", b"Content-Encoding: gzip\r\n", b"Connection: close\r\n"]),
    st.sampled_from([b"", b"Content-Length: 5\r\n", b"Content-Length: 60\r\n", b"Transfer-Encoding: chunked\r\n"]),
    st.just(b"\r\n"),
    REPLY,
).map(b"".join)


def outcome(method: str, pieces: list[bytes]) -> object:
    """Read a reply that arrives in these pieces: all that comes of it, or the failure."""
    reader = ReplyReader("host:1", method, LIMIT)
    try:
        for piece in pieces:
            if not reader.done:
                reader.feed(piece)
        reader.feed_eof()
    except ProbeFailure as failure:
        return failure.rule, failure.evidence, failure.otherwise
    reply = reader.reply()
    assert len(reply.body) <= LIMIT
    assert reply.truncated is False or len(reply.body) == LIMIT or len(b"".join(pieces)) > 1000
    return reply


@given(st.sampled_from(["GET", "HEAD"]), st.one_of(REPLY, LIKELY))
@settings(max_examples=600)
def test_any_bytes_give_a_reply_or_a_probe_failure(method, sent):
    """Whatever arrives, nothing but a reply within the limit or a ``ProbeFailure`` comes of it."""
    outcome(method, [sent])


@given(st.sampled_from(["GET", "HEAD"]), st.one_of(REPLY, LIKELY), st.lists(st.integers(0, 1000), max_size=8))
@settings(max_examples=600)
def test_it_does_not_matter_how_a_reply_is_cut(method, sent, cuts):
    """The network may cut a reply anywhere: the same comes of it as of the whole."""
    edges = [0, *sorted(cut % (len(sent) + 1) for cut in cuts), len(sent)]
    pieces = [sent[start:end] for start, end in pairwise(edges) if end > start]
    assert outcome(method, pieces) == outcome(method, [sent] if sent else [])
