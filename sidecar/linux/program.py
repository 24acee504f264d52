"""A program run to its end, within a deadline, and with bounded output."""

import os
import select
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import closing, suppress
from functools import partial
from time import monotonic
from typing import IO

import anyio.to_thread
from msgspec import Struct

from sidecar.core.errors import SidecarError
from sidecar.core.redact import redact

KEPT = 4096
"""Bytes of output that are kept: the last ones."""

LINE_AT_MOST = 300
"""Characters of a line that is shown to people."""

_PIPE = 64 * 1024
"""Bytes that a pipe holds (pipe(7)): once its writer has ended, one read gets all of them."""

_DIES_WITHIN = 5.0
"""Seconds that a killed program has to end; one that became another user, or waits for a disk, may take for ever."""


class Ended(Struct, frozen=True):
    """How a program has ended."""

    status: int | None
    """Its exit status, negative for a signal; None if it was killed at the deadline."""
    output: str
    """The last of what it has said and complained of."""

    def last_line(self, secrets: frozenset[str]) -> str:
        """Give its last words, cut and without these secrets; empty where it has said nothing."""
        lines = self.output.strip().splitlines()
        return redact(lines[-1].strip(), secrets)[:LINE_AT_MOST] if lines else ""


async def run_program(argv: Sequence[str], environment: Mapping[str, str], within: float) -> Ended:
    """Run a program without a shell, in a session of its own. Raises ``SidecarError`` with why it cannot start.

    At the deadline it is killed with its whole process group. What it leaves running when it ends by itself stays. When
    the caller is cancelled the program goes on, to its end or the deadline: half of what it does may be worse than all.
    """
    try:
        return await anyio.to_thread.run_sync(partial(_run, argv, environment, within), abandon_on_cancel=True)
    except (OSError, ValueError) as error:
        raise SidecarError(
            (error.strerror or str(error)).lower() if isinstance(error, OSError) else str(error)
        ) from None


def _run(argv: Sequence[str], environment: Mapping[str, str], within: float) -> Ended:
    deadline = monotonic() + within
    process = subprocess.Popen(  # noqa: S603 - the operator's own program, without a shell
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        env=environment,
        start_new_session=True,
    )
    assert process.stdout is not None  # noqa: S101 - for the type checker
    with closing(process.stdout):
        output, in_time = _follow(process, process.stdout, deadline)
    if not in_time:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_DIES_WITHIN)
    return Ended(process.returncode if in_time else None, _last(output).decode(errors="replace"))


def _last(said: bytes) -> bytes:
    """Keep the end; of a line that was cut nothing, because half a secret is not known for one."""
    return said if len(said) <= KEPT else said[-KEPT:].partition(b"\n")[2]


def _follow(process: "subprocess.Popen[bytes]", pipe: IO[bytes], deadline: float) -> tuple[bytes, bool]:
    """Read until the program ends; tell what it has said last, and whether it ended in time.

    Its end is known from a pidfd: whom it leaves behind may hold the pipe open for ever.
    """
    said = b""
    os.set_blocking(pipe.fileno(), False)
    pidfd = os.pidfd_open(process.pid)
    try:
        events = select.poll()
        events.register(pidfd, select.POLLIN)
        events.register(pipe, select.POLLIN)
        while (left := deadline - monotonic()) > 0:
            ready = {descriptor for descriptor, _ in events.poll(1000 * left)}
            if pipe.fileno() in ready:
                piece = pipe.read(_PIPE)
                said = (said + (piece or b""))[-2 * KEPT :]
                if piece == b"":
                    events.unregister(pipe)
            if pidfd in ready:
                return said, True
    finally:
        os.close(pidfd)
    return said, False
