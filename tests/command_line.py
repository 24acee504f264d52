"""The command ``sidecar`` as people run it: a process of its own, at the end of pipes or of a terminal."""

import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

COMMAND = [sys.executable, "-c", "from sidecar.cli import main; main()"]

_ENDS_WITHIN = 60.0
"""Seconds; only so that a command that hangs becomes a failing test."""


def clean_environment(home: Path, **variables: str) -> dict[str, str]:
    """What a command needs, nothing from the machine that would configure it, and these variables.

    What it keeps it keeps below ``home``, and its control socket lies in a temporary directory, away from those of the
    machine itself.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in {"PATH", "TMPDIR", "LANG"} or name.startswith("PYTHON")
    }
    path = os.pathsep.join(filter(None, [variables.pop("PYTHONPATH", ""), kept.pop("PYTHONPATH", "")]))
    own = {"HOME": str(home), "TERM": "xterm", "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"]}
    return {**kept, "PYTHONPATH": path, **own, **variables}


def run(*arguments: object, cwd: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end, with its output in pipes."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=clean_environment(cwd, **variables),
        capture_output=True,
        text=True,
        timeout=_ENDS_WITHIN,
        check=False,
    )


@contextmanager
def running(
    *arguments: object,
    cwd: Path,
    stdin: int | None = None,
    stdout: int = subprocess.PIPE,
    stderr: int = subprocess.PIPE,
    **variables: str,
) -> "Iterator[subprocess.Popen[str]]":
    """Run a command for as long as the block lasts."""
    with subprocess.Popen(
        [*COMMAND, *map(str, arguments)],
        cwd=cwd,
        env=clean_environment(cwd, **variables),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class Terminal:
    """A command on a terminal of its own, with what it shows there."""

    def __init__(self, process: "subprocess.Popen[str]", screen: int) -> None:
        self.process = process
        self.shown = ""
        self._screen = screen

    def read_until(self, text: str) -> None:
        """Read until this text is shown."""
        while text not in self.shown:
            assert self._read(), f"the command has ended without showing {text!r}:\n{self.shown}"

    def read_to_the_end(self) -> int:
        """Read until the command has ended; returns its exit status."""
        while self._read():
            pass
        return self.process.wait(_ENDS_WITHIN)

    def type(self, text: str) -> None:
        """Type this."""
        os.write(self._screen, text.encode())

    def interrupt(self) -> None:
        """Do what Ctrl-C does."""
        os.killpg(self.process.pid, signal.SIGINT)

    def _read(self) -> bool:
        try:
            piece = os.read(self._screen, 65536)
        except OSError:  # EIO: nobody holds the other end any more
            return False
        self.shown += piece.decode()
        return bool(piece)


@contextmanager
def on_a_terminal(*arguments: object, cwd: Path, columns: int = 100, **variables: str) -> Iterator[Terminal]:
    """Run a command on a terminal with this many columns."""
    screen, other_end = pty.openpty()
    try:
        termios.tcsetwinsize(other_end, (40, columns))
        with running(*arguments, cwd=cwd, stdin=other_end, stdout=other_end, stderr=other_end, **variables) as process:
            os.close(other_end)
            yield Terminal(process, screen)
    finally:
        os.close(screen)
