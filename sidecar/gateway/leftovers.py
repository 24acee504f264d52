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
    # Again and again, because what is killed may have started another in between.
    while left := [pid for pid in procfs.pids() if _belongs(pid, session, mark)]:
        if time.monotonic() >= until:
            break
        killed += [pid for pid in left if pid not in killed]
        _kill(left, session, mark, until)
    return killed


def _belongs(pid: int, session: int, mark: str) -> bool:
    try:
        if procfs.stat(pid).exited:
            return False
        return os.getsid(pid) == session or procfs.environment(pid).get(MARK) == mark
    except OSError:  # it is gone, or another user's
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
