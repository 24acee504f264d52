"""Writes events: JSON for machines, plain lines for people. Never waits for whoever reads them."""

import os
import queue
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

from msgspec import to_builtins
from msgspec.json import encode

from sidecar.core.events import Event, Severity
from sidecar.core.plan import LogFormat

HELD_AT_MOST = 1000
"""Lines that wait to be written. When the reader is stuck or the disk is full, further ones are dropped and counted."""

_COLOURS = {Severity.INFO: "", Severity.WARNING: "\033[33m", Severity.ERROR: "\033[31m"}


class Log:
    """Writes lines to a descriptor from a thread of its own: a full pipe or disk must not stop the sidecar."""

    def __init__(self, format_: LogFormat, descriptor: int | None = None) -> None:
        self._descriptor = sys.stderr.fileno() if descriptor is None else descriptor
        terminal = os.isatty(self._descriptor)
        people = format_ is LogFormat.TEXT or (format_ is LogFormat.AUTO and terminal)
        self._render: Callable[[Event, str], str] = _for_terminal if people and terminal else _for_people
        if not people:
            self._render = _as_json
        self._lines: queue.Queue[bytes | None] = queue.Queue(HELD_AT_MOST)
        self._dropped = 0
        self._writer = threading.Thread(target=self._write, name="log", daemon=True)

    def __enter__(self) -> Self:
        self._writer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._lines.put_nowait(None)
        except queue.Full:
            return
        self._writer.join(timeout=1.0)

    def tell(self, event: Event) -> None:
        """Write an event."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._put(self._render(event, at))

    def _put(self, line: str) -> None:
        try:
            if self._dropped:
                self._lines.put_nowait(f"({self._dropped} lines were dropped: nobody read them in time)\n".encode())
                self._dropped = 0
            self._lines.put_nowait(line.encode(errors="backslashreplace") + b"\n")
        except queue.Full:
            self._dropped += 1

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                while line:
                    line = line[os.write(self._descriptor, line) :]
            except OSError:
                self._dropped += 1


def _as_json(event: Event, at: str) -> str:
    fields = to_builtins(event)
    del fields["at"]
    return encode({"time": at, "severity": fields.pop("severity"), "event": fields.pop("kind"), **fields}).decode()


def _for_people(event: Event, at: str) -> str:
    mark = {Severity.INFO: " ", Severity.WARNING: "!", Severity.ERROR: "x"}[event.severity]
    return f"{at[11:23]} {mark} {event.message}"


def _for_terminal(event: Event, at: str) -> str:
    line = _for_people(event, at)
    colour = _COLOURS[event.severity]
    return f"{colour}{line}\033[0m" if colour else line
