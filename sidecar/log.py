"""Writes events: JSON for machines, plain lines for people. Never waits for whoever reads them."""

import os
import queue
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from time import monotonic
from types import TracebackType
from typing import Self

from msgspec import to_builtins
from msgspec.json import encode

from sidecar.clock import boottime
from sidecar.core.events import Event, EventKind
from sidecar.core.plan import LogFormat
from sidecar.core.severity import Severity

HELD_AT_MOST = 1000
"""Lines that wait to be written. When the reader is stuck or the disk is full, further ones are dropped and counted."""

CLOSE_WITHIN = 1.0
"""Seconds to write what is left at the end."""

_UNREAD = "nobody has read in time"
_REFUSED = "writing was refused"

_COLOURS = {Severity.INFO: "", Severity.WARNING: "\033[33m", Severity.ERROR: "\033[31m"}
_MARKS = {Severity.INFO: " ", Severity.WARNING: "!", Severity.ERROR: "x"}


def is_coloured(descriptor: int) -> bool:
    """Tell whether colours are welcome: on a terminal that knows them, unless NO_COLOR is set (no-color.org)."""
    return os.isatty(descriptor) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


class Log:
    """Writes lines to a descriptor from a thread of its own: a full pipe or disk must not stop the sidecar.

    Lines that cannot be written are counted, and the count is told as soon as anything can be written again.
    """

    def __init__(self, format_: LogFormat, descriptor: int | None = None) -> None:
        self._descriptor = _standard_error() if descriptor is None else descriptor
        self._render = _choose(format_, self._descriptor)
        self._lines: queue.Queue[bytes | None] = queue.Queue(HELD_AT_MOST)
        self._dropped = 0
        """Lines that found the queue full. It is counted by whoever tells, ``_lost`` by the thread."""
        self._lost = 0
        """Lines that the descriptor has refused."""
        self._torn = False
        """The last line was refused in its middle."""
        self._closed = False
        self._writer = threading.Thread(target=self._write_all, name="log", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is left, as far as that is done in time; nothing is written afterwards."""
        until = monotonic() + CLOSE_WITHIN
        with suppress(queue.Full):
            if self._dropped:
                self._lines.put(self._missing(self._dropped, _UNREAD), timeout=CLOSE_WITHIN)
            self._lines.put(None, timeout=max(0.0, until - monotonic()))
        self._writer.join(timeout=max(0.0, until - monotonic()))
        self._closed = True  # whose number the descriptor is from now on, nobody knows

    def tell(self, event: Event) -> None:
        """Write an event. Not to be called from several threads at once."""
        try:
            if self._dropped:
                self._lines.put_nowait(self._missing(self._dropped, _UNREAD))
                self._dropped = 0
            self._lines.put_nowait(self._line(event))
        except queue.Full:
            self._dropped += 1

    def _line(self, event: Event) -> bytes:
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        return self._render(event, at).encode(errors="backslashreplace") + b"\n"

    def _missing(self, count: int, why: str) -> bytes:
        message = f"{count} {'line is' if count == 1 else 'lines are'} missing here: {why}"
        return self._line(Event(kind=EventKind.REMARK, at=boottime(), severity=Severity.WARNING, message=message))

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None and not self._closed:
            try:
                if self._lost:
                    self._write((b"\n" if self._torn else b"") + self._missing(self._lost, _REFUSED))
                    self._lost = 0
                self._write(line)
            except OSError:
                self._lost += 1

    def _write(self, data: bytes) -> None:
        while data and not self._closed:
            try:
                data = data[os.write(self._descriptor, data) :]
            except BlockingIOError:  # somebody who shares the descriptor has made it so
                select.select([], [self._descriptor], [])
            else:
                self._torn = bool(data)


def _standard_error() -> int:
    """Find the standard error; when it was closed at the start, its number may be anybody's by now."""
    return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC) if sys.stderr is None else sys.stderr.fileno()


def _choose(format_: LogFormat, descriptor: int) -> Callable[[Event, str], str]:
    if format_ is LogFormat.JSON or (format_ is LogFormat.AUTO and not os.isatty(descriptor)):
        return _as_json
    return _for_terminal if is_coloured(descriptor) else _for_people


def _as_json(event: Event, at: str) -> str:
    fields = to_builtins(event)
    del fields["at"]
    line = {"time": at, "severity": fields.pop("severity"), "event": fields.pop("kind"), **fields}
    try:
        return encode(line).decode()
    except UnicodeEncodeError:  # half a surrogate pair, which is no text
        return encode(_mend(line)).decode()


def _mend(value: object) -> object:
    if isinstance(value, dict):
        return {key: _mend(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_mend(each) for each in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _for_people(event: Event, at: str) -> str:
    start = f"{at[11:23]} {_MARKS[event.severity]} "
    return start + event.message.replace("\n", "\n" + " " * len(start))


def _for_terminal(event: Event, at: str) -> str:
    line = _for_people(event, at)
    colour = _COLOURS[event.severity]
    return f"{colour}{line}\033[0m" if colour else line
