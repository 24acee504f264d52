"""Reading the head of an HTTP/1.x request: what of it matters to the health port, and no more.

A request that the health port answers has no body, so a request is its head. Heads are cut out of the stream here and
parsed each as a whole, which makes an answer a pure function of a head's bytes.
"""

from typing import NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

HEAD_AT_MOST = 8 * 1024
"""Bytes of request line and header fields together."""

_END = b"\r\n\r\n"
_VERSIONS = (b" HTTP/1.1\r\n", b" HTTP/1.0\r\n")

_NO_REQUEST = "this is no HTTP/1.1 request"

_FORWARDING = frozenset(
    {
        b"forwarded",
        b"via",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-host",
        b"x-original-forwarded-for",
        b"true-client-ip",
        b"fastly-client-ip",
        b"cdn-loop",
        b"client-ip",
    }
)
_FORWARDING_PREFIXES = (b"x-forwarded", b"x-envoy-", b"x-railway-", b"cf-")


class BadRequestError(Exception):
    """The input is no request that can be answered; where the next one would begin cannot be told either."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Request(NamedTuple):
    """What matters of one request."""

    method: bytes
    target: bytes
    host: bytes
    authorization: bytes
    forwarded: bool
    """It says that a proxy has passed it on."""
    keep_alive: bool
    """The connection may be used again: the client wants it, and nothing but a further request follows."""


def find_end(data: bytes, start: int) -> int | None:
    """Find where the head that begins at ``start`` ends; None while more of it is needed.

    Raises ``BadRequestError`` when it is too long, or as soon as it cannot become a request any more: whoever speaks
    TLS or another protocol to the port shall hear of it at once, and not after a time-out.
    """
    found = data.find(_END, start)
    if found < 0:
        line = _first_line(data[start:])
        if not line[:1].isupper() or (line.endswith(b"\n") and not line.endswith(_VERSIONS)):
            raise BadRequestError(400, _NO_REQUEST)
    end = len(data) if found < 0 else found + len(_END)
    if end - start > HEAD_AT_MOST:
        raise BadRequestError(431, f"request line and header fields are longer than {HEAD_AT_MOST} bytes together")
    return None if found < 0 else end


def read_request(head: bytes) -> Request:
    """Parse a whole head. Raises ``BadRequestError``."""
    line = _first_line(head)
    if not line.endswith(_VERSIONS):
        raise BadRequestError(400, _NO_REQUEST)
    fields = _Fields()
    parser = HttpRequestParser(fields)
    try:
        parser.feed_data(head)
    except HttpParserUpgrade:
        fields.complete = False  # what follows would be in the other protocol
    except HttpParserError as error:
        raise BadRequestError(400, f"{_NO_REQUEST}: {error}") from None
    modern = line.endswith(_VERSIONS[0])
    if len(fields.hosts) > 1 or (modern and not fields.hosts):
        raise BadRequestError(400, "an HTTP/1.1 request has one Host header field (RFC 9112, section 3.2)")
    return Request(
        method=parser.get_method(),
        target=fields.target,
        host=fields.hosts[0] if fields.hosts else b"",
        authorization=fields.authorizations[0] if len(fields.authorizations) == 1 else b"",
        forwarded=fields.forwarded,
        keep_alive=fields.complete
        and b"close" not in fields.connection
        and (modern or b"keep-alive" in fields.connection),
    )


def _first_line(data: bytes) -> bytes:
    return data[: data.find(b"\n") + 1] or data


class _Fields:
    """The parser's notebook; the parser calls its methods by name."""

    def __init__(self) -> None:
        self.target = b""
        self.hosts: list[bytes] = []
        self.authorizations: list[bytes] = []
        self.connection: set[bytes] = set()
        self.forwarded = False
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"host":
            self.hosts.append(value)
        elif name == b"connection":
            self.connection.update(option.strip() for option in value.lower().split(b","))
        elif name == b"authorization":
            self.authorizations.append(value)
        elif name in _FORWARDING or name.startswith(_FORWARDING_PREFIXES):
            self.forwarded = True

    def on_message_complete(self) -> None:
        """Note that no body follows: with one, a head alone is not complete."""
        self.complete = True
