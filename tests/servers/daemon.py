"""A server's process under test: started, ready, frozen, thawed, stopped."""

import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

import psutil
from servers.processes import freeze

_READY_WITHIN = 60
_GONE_WITHIN = 30


class Daemon:
    """Starts a server and returns when it says so. Its children are frozen and thawed with it.

    As a block it is stopped at the block's end.
    """

    stop_signal = signal.SIGTERM

    def __init__(self, command: Sequence[object], says: str, **options: object) -> None:
        self._command = [str(part) for part in command]
        self._says = says
        self._options = options
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, again if it was stopped."""
        self._lines: deque[str] = deque(maxlen=100)
        self._settled = threading.Event()
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **self._options
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        settled = self._settled.wait(_READY_WITHIN)
        if not settled or not any(self._says in line for line in self._lines):
            self.stop()
            raise AssertionError("the server did not start:\n" + "".join(self._lines))

    def stop(self) -> None:
        """Stop it, whatever state it is in, and wait until it is gone."""
        if self._process.poll() is None:
            self.thaw()
            self._process.send_signal(self.stop_signal)
            try:
                self._process.wait(_GONE_WITHIN)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(_GONE_WITHIN)
        self._process.stdout.close()

    def freeze(self) -> None:
        """Let it answer nothing, though the kernel still accepts connections for it."""
        self._to_all(freeze)

    def thaw(self) -> None:
        """Let it go on."""
        self._to_all(lambda pid: os.kill(pid, signal.SIGCONT))

    def _to_all(self, act: Callable[[int], None]) -> None:
        with suppress(ProcessLookupError):
            act(self._process.pid)
        for child in psutil.Process(self._process.pid).children():  # a frozen parent has no more of them
            with suppress(ProcessLookupError):
                act(child.pid)

    def _read(self) -> None:
        for line in self._process.stdout:
            self._lines.append(line)
            if self._says in line:
                self._settled.set()
        self._settled.set()
