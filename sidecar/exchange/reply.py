"""From bytes to a reply, within bounds. Knows no socket."""

import zlib
from collections.abc import Callable

import httptools
from msgspec import Struct

from sidecar.contract import Evidence, ProbeFailure

BODY_LIMIT = 64 * 1024
"""Bytes of a body that are read unless the caller says otherwise."""

Until = Callable[[bytes], bool]
"""Looks at the body so far and says whether that is enough."""

_HEAD_LIMIT = 64 * 1024
"""Bytes up to the end of the final head, interim (1xx) replies included: it bounds their number too."""
_FIELDS_AT_MOST = 100
"""Header fields, those of interim replies and trailers included."""
_WIRE_FACTOR = 8
"""Bytes on the wire for each byte of body. Chunks of a single byte need 6; chunk extensions and compressed nothing
could otherwise flow for ever without adding to the body."""
_PREVIEW = 48


class Reply(Struct):
    """What the other side answered."""

    status: int
    reason: str
    headers: dict[str, str]
    """By lower-case name; a repeated field's values are joined by a comma (RFC 9110, 5.3)."""
    body: bytes = b""
    """Decompressed if it came compressed by gzip or deflate."""
    truncated: bool = False
    """There was more body than the limit allows."""


class ReplyReader:
    """Reads one reply from pieces, however they are cut. Also the parser's listener (the ``on_`` methods)."""

    def __init__(self, where: str, method: str, body_limit: int = BODY_LIMIT, until: Until | None = None) -> None:
        self.started = False
        """At least one byte has arrived."""
        self.done = False
        self.reusable = False
        """The reply is whole, nothing came after it, and the other side keeps the connection."""
        self._where = where
        self._method = method
        self._until = until
        self._parser = httptools.HttpResponseParser(self)
        self._failure: ProbeFailure | None = None
        self._preview = b""
        self._head_left = _HEAD_LIMIT
        self._wire_left = _HEAD_LIMIT + _WIRE_FACTOR * body_limit
        self._fields = 0
        self._reason = b""
        self._headers: dict[str, str] = {}
        self._reply: Reply | None = None
        self._body = _Body(body_limit)

    def feed(self, data: bytes) -> None:
        """Take the next piece; ``done`` tells whether the reply is complete.

        Raises ``ProbeFailure`` if this is not HTTP/1, or more of it than is allowed.
        """
        self.started = True
        if len(self._preview) < _PREVIEW:
            self._preview += data[: _PREVIEW - len(self._preview)]
        while data and not self.done:
            room = self._wire_left if self._reply else self._head_left
            self._parse(data[:room])
            data = data[room:]

    def feed_eof(self) -> None:
        """Take notice that nothing more comes. Raises ``ProbeFailure`` if that cuts the reply short."""
        if self.done:
            return
        if not self.started:
            raise _cut_off(self._where, "the connection was closed without a reply")
        if self._reply is None:
            raise _cut_off(self._where, f"the connection was closed within the head, after {_show(self._preview)}")
        headers = self._reply.headers
        if "content-length" in headers or headers.get("transfer-encoding", "").lower().endswith("chunked"):
            raise _cut_off(self._where, f"the connection was closed after {self._body.received} bytes of the body")
        self.done = True

    def reply(self) -> Reply:
        """Hand over the reply when ``done``."""
        if self._reply is None:
            raise RuntimeError("the reply is not complete")
        self._reply.body, self._reply.truncated = self._body.content(), self._body.full
        return self._reply

    def close(self) -> None:
        """Take no more pieces, and let go of the parser.

        It holds our methods and we hold it, as a failure that was raised holds us: broken up here, no reply waits for
        the cycle collector, whole or failed.
        """
        del self._parser
        self._failure = None

    def _parse(self, piece: bytes) -> None:
        self._wire_left -= len(piece)
        self._head_left -= len(piece)
        received = self._body.received
        fault: str | None = None
        try:
            self._parser.feed_data(piece)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            fault = str(error)
        if not self.done and self._until and self._body.received > received and self._until(self._body.content()):
            self.done = True
        # What was asked for may have arrived before the fault: then the fault is no concern of ours.
        if self.done:
            self.reusable = self.reusable and fault is None
        elif self._failure is not None:
            raise self._failure
        elif fault is not None:
            raise self._not_http(fault)
        elif self._reply is None and self._head_left <= 0:
            raise ProbeFailure(f"the head of a reply from {self._where} is at most {_HEAD_LIMIT >> 10} KiB", "more")
        elif self._wire_left <= 0:
            self._body.full = self.done = True

    def on_message_begin(self) -> None:
        """Another reply begins: after an interim one the real one, after the real one something unasked for."""
        if self.done:
            self.reusable = False

    def on_status(self, reason: bytes) -> None:
        """Note the reason phrase, which comes in as many parts as pieces."""
        if not self._closed():
            self._reason += reason

    def on_header(self, name: bytes, value: bytes) -> None:
        """Note a header field; trailers, which come after the head, are only counted."""
        if self._closed():
            return
        self._fields += 1
        if self._fields > _FIELDS_AT_MOST:
            rule = f"a reply from {self._where} has at most {_FIELDS_AT_MOST} header fields"
            self._failure = ProbeFailure(rule, "more")
        elif self._reply is None:
            key, text = name.decode("latin-1").lower(), value.decode("latin-1")
            self._headers[key] = f"{self._headers[key]}, {text}" if key in self._headers else text

    def on_headers_complete(self) -> None:
        """Settle status and headers, unless this is an interim reply (RFC 9110, 15.2)."""
        if self._closed():
            return
        status = self._parser.get_status_code()
        if not self._preview.lstrip(b"\r\n").startswith(b"HTTP/1."):
            self._failure = self._not_http("another protocol or version")
        elif 100 <= status < 200 and status != 101:
            self._headers, self._reason = {}, b""
        else:
            self._reply = Reply(status, self._reason.decode("latin-1"), self._headers)
            self._body.encoding = self._headers.get("content-encoding", "").lower()
            # The parser cannot know that HEAD was asked. After 101 the connection speaks something else, and after
            # a 2xx to CONNECT it is a tunnel (RFC 9110, 9.3.6); of a refused CONNECT the head says enough.
            self.done = self._method in ("HEAD", "CONNECT") or status == 101
            self.reusable = self._method == "CONNECT" and 200 <= status < 300

    def on_body(self, data: bytes) -> None:
        """Take bytes of the body, up to the limit."""
        if self._closed():
            return
        try:
            self._body.add(data)
        except zlib.error:
            rule = f"the body from {self._where} is valid {self._body.encoding}"
            self._failure = ProbeFailure(rule, _show(data))
        self.done = self._body.full

    def on_message_complete(self) -> None:
        """Note the end of the real reply."""
        if self._reply is not None and not self._closed():
            self.done = True
            self.reusable = self._parser.should_keep_alive()

    def _closed(self) -> bool:
        """Tell whether to turn a deaf ear: a piece is parsed whole, also behind the end or a failure."""
        return self.done or self._failure is not None

    def _not_http(self, why: str) -> ProbeFailure:
        return ProbeFailure(f"{self._where} speaks HTTP/1.1", f"{_show(self._preview)} ({why})")


class _Body:
    """Gathers at most ``limit`` bytes, decompressing if need be."""

    def __init__(self, limit: int) -> None:
        self.encoding = ""
        self.full = False
        """More came than the limit allows."""
        self.received = 0
        """Bytes taken in, before decompression."""
        self._limit = limit
        self._content = bytearray()
        self._inflate: Callable[[bytes, int], bytes] | None = None

    def add(self, piece: bytes) -> None:
        self.received += len(piece)
        room = self._limit - len(self._content)
        if self.encoding in ("gzip", "x-gzip", "deflate"):
            piece = self._decompress(piece, room + 1)
        self._content += piece[:room]
        self.full = len(piece) > room

    def content(self) -> bytes:
        return bytes(self._content)

    def _decompress(self, piece: bytes, at_most: int) -> bytes:
        if self._inflate is None:
            # Some servers send "deflate" without the zlib wrapper that it means (RFC 9110, 8.4.1.2).
            bare = self.encoding == "deflate" and piece[0] & 0x0F != 8
            self._inflate = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS | 32).decompress
        return self._inflate(piece, at_most)


def _cut_off(where: str, observed: str) -> ProbeFailure:
    """No reply, or not the whole of it."""
    return ProbeFailure(f"{where} replies", observed, evidence=Evidence.SILENT)


def _show(data: bytes) -> str:
    """Show the beginning of what came instead, and say what it looks like."""
    text = ascii(data[:_PREVIEW].decode("latin-1"))
    if data[:2] in (b"\x15\x03", b"\x16\x03"):
        return f"{text}, which is TLS: write https://"
    if data[3:9] == b"\x04\x00\x00\x00\x00\x00":
        return f"{text}, which is HTTP/2"
    return text
