"""What a command leaves behind when it ends: found by proof, and ended.

A process is the command's if it is in the session that the command led, or carries the command's mark in its
environment, which children inherit and a daemon keeps when it leaves the session. Nothing else is touched.
"""

import os
import select
import signal
import time
from contextlib import suppress

from sidecar.linux import procfs

MARK = "SIDECAR_STARTED"
"""The variable that holds the mark."""

_GONE_WITHIN = 5.0
"""Seconds that the kernel has to end what was killed; a process stuck in the kernel may take for ever."""


def sweep(session: int, mark: str) -> list[int]:
    """Kill everything that is left of a command, and wait until it is gone; returns the pids.

    Blocks, for milliseconds as a rule: not for the event loop. To be called while the session's number cannot be
    another's, which is as long as the command itself is not collected.
    """
    until = time.monotonic() + _GONE_WITHIN
    killed: list[int] = []
    doubted: set[int] = set()
    # Again and again: what is killed, and what has ended since it was listed, may have started another in between.
    while time.monotonic() < until:
        found = {pid: _belongs(pid, session, mark) for pid in procfs.pids()}
        left = [pid for pid, belongs in found.items() if belongs]
        doubtful = {pid for pid, belongs in found.items() if belongs is None}
        if not left and doubtful <= doubted:
            break
        doubted |= doubtful
        killed += [pid for pid in left if pid not in killed]
        _kill(left, session, mark, until)
    return killed


def _belongs(pid: int, session: int, mark: str) -> bool | None:
    """Tell whether a process is the command's; None if it has ended, or shows no environment, as while it is loaded."""
    try:
        if procfs.stat(pid).exited:
            return None
        if os.getsid(pid) == session:
            return True
        environment = procfs.environment(pid)
        return environment.get(MARK) == mark if environment else None
    except ProcessLookupError:
        return None
    except OSError:  # it is another user's
        return False


def _kill(pids: list[int], session: int, mark: str, until: float) -> None:
    held: list[int] = []
    try:
        for pid in pids:
            with suppress(OSError):
                held.append(pidfd := os.pidfd_open(pid))
                # Only while the descriptor holds it is a process safe from losing its pid to another: prove it now.
                if _belongs(pid, session, mark):
                    signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        for pidfd in held:
            end = select.poll()
            end.register(pidfd, select.POLLIN)
            end.poll(max(0.0, until - time.monotonic()) * 1000)
    finally:
        for pidfd in held:
            os.close(pidfd)
