"""What is read of a request."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from serve.client import request

from sidecar.serve.request import HEAD_AT_MOST, BadRequestError, find_end, read_request


def test_what_matters_is_read():
    """Method, target, Host and Authorization are read as they were sent."""
    read = read_request(request("/a?b", "Authorization: Bearer x", method="HEAD", name="h:1"))
    assert (read.method, read.target, read.host, read.authorization) == (b"HEAD", b"/a?b", b"h:1", b"Bearer x")
    assert read.keep_alive
    assert not read.forwarded


@pytest.mark.parametrize(
    ("version", "fields", "kept"),
    [
        ("1.1", [], True),
        ("1.1", ["Connection: close"], False),
        ("1.1", ["connection: Keep-Alive, CLOSE"], False),
        ("1.1", ["Connection: keep-alive"], True),
        ("1.0", [], False),
        ("1.0", ["Connection: Keep-Alive"], True),
        ("1.1", ["Content-Length: 0"], True),
        ("1.1", ["Content-Length: 1"], False),
        ("1.1", ["Transfer-Encoding: chunked"], False),
        ("1.1", ["Connection: Upgrade", "Upgrade: websocket"], False),
        ("1.1", ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__"], False),
    ],
)
def test_a_connection_is_kept_when_nothing_speaks_against_it(version, fields, kept):
    """Version and Connection decide, and a body or another protocol ends it, for nothing after it is a request."""
    assert read_request(request("/", *fields, version=version)).keep_alive is kept


@pytest.mark.parametrize(
    "field",
    [
        "Forwarded: for=1.2.3.4", "X-Forwarded-For: 1.2.3.4", "x-forwarded-proto: https", "X-Forwarded: y",
        "Via: 1.1 p", "X-Real-IP: 1.2.3.4", "CF-Connecting-IP: 1.2.3.4", "CF-Ray: 1",
        "X-Envoy-External-Address: 1.2.3.4",
        "True-Client-IP: 1.2.3.4", "X-Railway-Edge: eu", "X-FORWARDED-HOST: localhost", "X-Forwarded-For:",
    ],
)  # fmt: skip
def test_a_proxy_gives_itself_away(field):
    """Each of the fields that proxies add says that the request was passed on, even when it is empty."""
    assert read_request(request("/", field)).forwarded


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.2\r\nHost: a\r\n\r\n",
        b"GET / RTSP/1.0\r\nHost: a\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\n",
        b"get / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"NONSENSE / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET  HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\nHost: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_what_is_malformed_is_refused(head):
    """Whatever RFC 9112 does not allow is 400."""
    with pytest.raises(BadRequestError) as caught:
        read_request(head)
    assert caught.value.status == 400


def test_http_1_0_needs_no_host():
    """HTTP/1.0 has no Host; HAProxy's plain check sends none."""
    assert read_request(b"OPTIONS / HTTP/1.0\r\n\r\n").host == b""


def test_two_credentials_are_none():
    """Of two Authorization fields none counts: a proxy may have checked the other one."""
    assert read_request(request("/", "Authorization: Bearer a", "Authorization: Bearer b")).authorization == b""


def test_the_end_of_a_head_is_found_behind_another():
    """Heads that follow each other are cut apart."""
    first, second = request("/a"), request("/b")
    assert find_end(first + second, 0) == len(first)
    assert find_end(first + second, len(first)) == len(first + second)


def test_a_head_of_the_limit_is_read_and_a_longer_one_refused():
    """The limit is exact, whether the end of the head has come or not."""
    fitting = _head_of(HEAD_AT_MOST)
    assert find_end(fitting, 0) == HEAD_AT_MOST
    assert find_end(fitting[:-1], 0) is None
    for too_long in (_head_of(HEAD_AT_MOST + 1), _head_of(HEAD_AT_MOST + 5)[:-4]):
        with pytest.raises(BadRequestError) as caught:
            find_end(too_long, 0)
        assert caught.value.status == 431


@pytest.mark.parametrize(
    "start",
    [b"\x16\x03\x01", b"\x00", b"SSH-2.0-x\r\n", b"EHLO a\r\n", b"*1\r\n", b"GET / HTTP/1.0\n", b"GET /\r\n", b"get"],
)
def test_what_cannot_become_a_request_is_refused_at_once(start):
    """Nobody who speaks something else waits for a time-out."""
    with pytest.raises(BadRequestError):
        find_end(start, 0)


@given(st.integers(0, 200))
@example(1)
def test_a_beginning_of_a_request_is_waited_for(length):
    """However a request is cut, its beginning is no error."""
    whole = request("/health/ready", "Accept: */*")
    beginning = whole[: 1 + length % (len(whole) - 1)]
    assert find_end(beginning, 0) is None


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data):
    """Any bytes give a request or ``BadRequestError``, never anything else."""
    for head in (data, data + b"\r\n\r\n", request("/", "X: ")[:-4] + data + b"\r\n\r\n"):
        try:
            end = find_end(head, 0)
            if end is not None:
                read_request(head[:end])
        except BadRequestError as error:
            assert error.status in (400, 431)


def _head_of(length):
    head = request("/", "X: ")
    return head[:-4] + b"x" * (length - len(head)) + b"\r\n\r\n"
