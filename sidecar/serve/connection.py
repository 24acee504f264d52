"""One connection to the health port."""

import socket
from collections.abc import Callable

from sidecar.serve.access import is_loopback
from sidecar.serve.board import Board
from sidecar.serve.pool import Pool
from sidecar.serve.request import BadRequestError, find_end
from sidecar.serve.response import refusal_page, taken_page, write_response
from sidecar.serve.routes import NOT_TAKEN, Ask, Beat, Refusal
from sidecar.serve.wire import Wire

_THROWN_AWAY_AT_MOST = 64 * 1024
"""Bytes of input that are read and dropped after the last response."""


class Connection(Wire):
    """Cuts heads out of the stream and answers each at once, in order.

    Of its input it holds at most what is read at once, and the longest head left over from before.
    """

    def __init__(
        self,
        board: Board,
        decide: Callable[[bytes], Ask | Beat | Refusal],
        beat: Callable[[str, bytes], bool],
        pool: Pool,
        *,
        sock: socket.socket,
        peer: str,
    ) -> None:
        super().__init__(sock)
        self._board = board
        self._decide = decide
        self._beat = beat
        self._pool = pool
        self._peer = peer
        self._unread = b""
        self._ended = False
        self._may_throw_away = _THROWN_AWAY_AT_MOST
        pool.add(self)

    def received(self, data: bytes) -> None:
        """Take in what has arrived."""
        if self._ended:
            self._throw_away(len(data))
            return
        self._unread += data
        self._answer_unread()

    def drained(self) -> None:
        """Go on where the client was too slow to take its answers."""
        if not self._ended:
            self._answer_unread()

    def lost(self) -> None:
        """Leave the pool."""
        self._pool.remove(self)

    def _answer_unread(self) -> None:
        data, start = self._unread, 0
        try:
            while self.is_open and not (self.is_blocked or self._ended):
                start = _skip_empty_lines(data, start)
                end = find_end(data, start) if start < len(data) else None
                if end is None:
                    break
                self._answer(self._decide(data[start:end]))
                start = end
        except BadRequestError as error:
            self._answer(Refusal(error.status, error.reason))
        except Exception:
            self.close()  # whoever has no answer shall at least not wait for it
            raise
        self._unread = b"" if self._ended else data[start:]

    def _answer(self, decision: Ask | Beat | Refusal) -> None:
        if isinstance(decision, Beat):
            reply = self._take(decision)
        elif isinstance(decision, Ask):
            reply = self._reply(decision)
        else:
            page = refusal_page(decision.status, decision.reason)
            reply = write_response(page, head_only=decision.head_only, keep_alive=decision.keep_alive)
        self.write(reply)
        self._pool.touch(self)
        if not decision.keep_alive:
            self._end()

    def _reply(self, ask: Ask) -> bytes:
        details = ask.token or (ask.local and is_loopback(self._peer))
        form = {"head_only": ask.head_only, "keep_alive": ask.keep_alive}
        if ask.explain and details:
            return self._board.explain(ask.route, **form)
        return self._board.reply(ask.route, details=details, **form)

    def _take(self, beat: Beat) -> bytes:
        """Hand a report over. What it has for a body is thrown away unread."""
        page = taken_page() if self._beat(beat.probe, beat.credential) else refusal_page(404, NOT_TAKEN)
        return write_response(page, head_only=False, keep_alive=beat.keep_alive)

    def _end(self) -> None:
        """Close in stages (RFC 9112, section 9.6): closed at once with input unread, the client may lose the answer."""
        self._ended = True
        self.end()

    def _throw_away(self, count: int) -> None:
        self._may_throw_away -= count
        if self._may_throw_away < 0:
            self.close()


def _skip_empty_lines(data: bytes, start: int) -> int:
    """Skip empty lines before a request line (RFC 9112, section 2.2)."""
    while data[start : start + 1] in (b"\r", b"\n"):
        start += 1
    return start
