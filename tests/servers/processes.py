"""Real processes that listen, for whoever has to find, watch or signal them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

LISTENER = Path(__file__).with_name("listener.py")

Start = Callable[..., "Listening"]
"""Called with the port and the options of ``listener.py``; see ``start_listener``."""


def freeze(pid: int) -> None:
    """Stop a process, and return when it stands still. Raises ``ProcessLookupError`` if it has ended.

    The kernel stops one thread after the other, and each only when it next looks. A SIGTERM that came meanwhile would
    still end the process. To let it go on, SIGCONT is enough.
    """
    os.kill(pid, signal.SIGSTOP)
    while (states := _states(pid)) != {"T"}:
        if states & {"Z", "X"}:
            raise ProcessLookupError(f"process {pid} has ended")
        time.sleep(0.001)  # the stop of somebody else's child is told to nobody here


def _states(pid: int) -> set[str]:
    """Look up what state its threads are in, in the letters of ``/proc``."""
    try:
        stats = [(thread / "stat").read_text() for thread in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError as error:
        raise ProcessLookupError(f"process {pid} has ended") from error
    return {stat.rpartition(")")[2].split()[0] for stat in stats}


class Listening:
    """A process that listens, and the processes that it started."""

    def __init__(self, started: "subprocess.Popen[str]") -> None:
        self.started = started
        """The process as started here: the listener itself, or the wrapper around it."""
        told = self.hear()
        self.pid: int = told["pid"]
        self.workers: Sequence[int] = told["workers"]

    def hear(self) -> Any:
        """Wait for what the process says."""
        line = self.started.stdout.readline()
        if not line:
            raise AssertionError("the listener has ended without a word; its errors are above")
        return json.loads(line)

    def ask(self, order: str) -> Any:
        """Give an order and wait for the answer."""
        self.started.stdin.write(f"{order}\n")
        self.started.stdin.flush()
        return self.hear()

    def kill(self) -> None:
        """Kill the process with SIGKILL, and leave its exit status to be collected at the end."""
        os.kill(self.pid, signal.SIGKILL)


@pytest.fixture
def start_listener() -> Iterator[Start]:
    """Start processes that listen; they and their children are killed at the end."""
    started: list[subprocess.Popen[str]] = []

    def start(port: int, *options: str, wrapper: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Listening:
        command = [*wrapper, sys.executable, str(LISTENER), "--port", str(port), *options]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
        started.append(process)
        return Listening(process)

    try:
        yield start
    finally:
        for process in started:
            with process:
                # The whole session, because workers outlive their parent. Its number is taken while any of them lives.
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
