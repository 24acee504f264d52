"""JSON-RPC 2.0 messages as MCP's Streamable HTTP carries them: one JSON document, or server-sent events.

Pure: bytes in, messages out. Nothing that a server can send makes these functions raise.
Sources: JSON-RPC 2.0; MCP specification, "Streamable HTTP"; WHATWG HTML, "Server-sent events".
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Raw, Struct

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_EVENT_END = re.compile(rb"(?>\r\n|\n|\r){2}")
_LONGEST_EVENT_END = 4
_EXPLAINED_WITHIN = 64 * 1024
"""Bytes of a stream of events in which the error that explains a refusal is looked for."""


class RpcError(Struct, frozen=True):
    """The error object of a reply."""

    code: int
    message: str = ""
    data: Any = None


class Message(Struct, frozen=True):
    """A message from the server: a reply, or a request or notification of its own (``method``)."""

    id: int | float | str | None = None
    method: str | None = None
    result: Raw = Raw()
    error: RpcError | None = None


_MESSAGE = msgspec.json.Decoder(Message)
_BATCH = msgspec.json.Decoder(list[Message])


def request(request_id: int, method: str, params: Mapping[str, Any]) -> bytes:
    """Write a request."""
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def notification(method: str) -> bytes:
    """Write a notification."""
    return msgspec.json.encode({"jsonrpc": "2.0", "method": method})


class ReplyFinder:
    """Looks for the reply to one request in a body that may still be growing.

    Call it with the whole body so far; it is true as soon as the reply stands in a stream of events, because some
    servers leave the stream open behind it. ``close`` gives the reply once the body has ended, in whatever form.
    Requests and notifications of the server and replies with other ids are passed over.
    """

    def __init__(self, request_id: int) -> None:
        self._id = request_id
        self._found: Message | None = None
        self._without_id: Message | None = None
        self._event = 0
        self._searched = 0

    def __call__(self, body: bytes) -> bool:
        """Read on; true when the reply is there."""
        if not self._found and not _is_json(body):
            for event in self._events(body):
                self._take(event)
        return self._found is not None

    def close(self, body: bytes) -> Message | None:
        """Give the reply, or else an error that the server could not attribute (``id`` null), or None."""
        if _is_json(body):
            self._take(body)
        else:
            self(body)
        return self._found or self._without_id

    def _events(self, body: bytes) -> Iterator[bytes]:
        while end := _EVENT_END.search(body, max(self._event, self._searched - _LONGEST_EVENT_END)):
            block = body[self._event : end.start()]
            self._event = self._searched = end.end()
            if data := _event_data(block):
                yield data
        self._searched = len(body)

    def _take(self, text: bytes) -> None:
        for message in _decode(text):
            if message.method is not None or (not message.result and not message.error):
                continue
            if type(message.id) is int and message.id == self._id:
                self._found = self._found or message
            elif message.error and not isinstance(message.id, int | float):
                self._without_id = message


def find_error(body: bytes) -> RpcError | None:
    """Find the first JSON-RPC error in a body, whatever it answers: it explains a refusal."""
    events = _EVENT_END.split(body[:_EXPLAINED_WITHIN])
    for text in [body] if _is_json(body) else filter(None, map(_event_data, events)):
        for message in _decode(text):
            if message.error:
                return message.error
    return None


def _is_json(body: bytes) -> bool:
    """Tell JSON from events by the first byte: some servers declare the one and send the other."""
    return body.lstrip()[:1] in (b"{", b"[")


def _event_data(block: bytes) -> bytes:
    lines = block.removeprefix(_BYTE_ORDER_MARK).splitlines()
    return b"\n".join(line[5:].removeprefix(b" ") for line in lines if line.startswith(b"data:"))


def _decode(text: bytes) -> list[Message]:
    try:
        if text.lstrip().startswith(b"["):
            return _BATCH.decode(text)
        return [_MESSAGE.decode(text)]
    except (msgspec.DecodeError, RecursionError):
        return []
