"""One connection to the health port."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from sidecar.serve.access import is_loopback
from sidecar.serve.board import Board
from sidecar.serve.pool import Pool
from sidecar.serve.request import BadRequestError, find_end
from sidecar.serve.response import refusal_page, taken_page, write_response
from sidecar.serve.routes import NOT_TAKEN, Ask, Beat, Refusal

READ_AT_ONCE = 16 * 1024
"""Bytes; with the longest head left over from before, all that a connection ever holds of its input."""

_THROWN_AWAY_AT_MOST = 64 * 1024
"""Bytes of input that are read and dropped after the last response."""


class Connection(asyncio.BufferedProtocol):
    """Cuts heads out of the stream and answers each at once, in order.

    Nothing is kept while a connection is idle: the buffer is shared by all, for its content is used up before the
    event loop goes on. While a client does not read its answers, nothing more is read from it.
    """

    def __init__(
        self,
        board: Board,
        decide: Callable[[bytes], Ask | Beat | Refusal],
        beat: Callable[[str, bytes], bool],
        pool: Pool,
        buffer: memoryview,
    ) -> None:
        self._board = board
        self._decide = decide
        self._beat = beat
        self._pool = pool
        self._buffer = buffer
        self._unread = b""
        self._blocked = False
        self._ended = False
        self._may_throw_away = _THROWN_AWAY_AT_MOST

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Enter the pool."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._loopback = bool(peer) and is_loopback(peer[0])
        self._pool.add(self._transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - why makes no difference
        """Leave the pool."""
        self._pool.remove(self._transport)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002
        """Lend the shared buffer."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Take in what has arrived."""
        if self._ended:
            self._throw_away(nbytes)
            return
        self._unread += bytes(self._buffer[:nbytes])
        self._answer_unread()

    def pause_writing(self) -> None:
        """Stop reading too: the client is slow to take its answers."""
        self._blocked = True
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on where ``pause_writing`` stopped."""
        self._blocked = False
        self._transport.resume_reading()
        if not self._ended:
            self._answer_unread()

    def _answer_unread(self) -> None:
        data, start = self._unread, 0
        try:
            while not (self._blocked or self._ended or self._transport.is_closing()):
                start = _skip_empty_lines(data, start)
                end = find_end(data, start) if start < len(data) else None
                if end is None:
                    break
                self._answer(self._decide(data[start:end]))
                start = end
        except BadRequestError as error:
            self._answer(Refusal(error.status, error.reason))
        self._unread = b"" if self._ended else data[start:]

    def _answer(self, decision: Ask | Beat | Refusal) -> None:
        if isinstance(decision, Beat):
            reply = self._take(decision)
        elif isinstance(decision, Ask):
            reply = self._board.reply(
                decision.route,
                details=decision.token or (decision.local and self._loopback),
                head_only=decision.head_only,
                keep_alive=decision.keep_alive,
            )
        else:
            page = refusal_page(decision.status, decision.reason)
            reply = write_response(page, head_only=decision.head_only, keep_alive=decision.keep_alive)
        self._transport.write(reply)
        self._pool.touch(self._transport)
        if not decision.keep_alive:
            self._end()

    def _take(self, beat: Beat) -> bytes:
        """Hand a report over. What it has for a body is thrown away unread."""
        page = taken_page() if self._beat(beat.probe, beat.credential) else refusal_page(404, NOT_TAKEN)
        return write_response(page, head_only=False, keep_alive=beat.keep_alive)

    def _end(self) -> None:
        """Close in stages (RFC 9112, section 9.6): closed at once with input unread, the client may lose the answer."""
        self._ended = True
        with suppress(OSError):  # the client has gone already
            self._transport.write_eof()

    def _throw_away(self, count: int) -> None:
        self._may_throw_away -= count
        if self._may_throw_away < 0:
            self._transport.abort()


def _skip_empty_lines(data: bytes, start: int) -> int:
    """Skip empty lines before a request line (RFC 9112, section 2.2)."""
    while data[start : start + 1] in (b"\r", b"\n"):
        start += 1
    return start
