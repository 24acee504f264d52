"""Orphans: processes whose own parent has ended, and which the kernel has given to the sidecar.

The first process of a container gets them, and so does a subreaper (PR_SET_CHILD_SUBREAPER). When they end, somebody
has to collect them, or zombies fill the process table. But the sidecar has children of its own too, whose ends the
runtime waits for: collected here, their exit statuses would be lost. The kernel does not tell the two apart, but time
does: what the runtime waits for is collected the moment it ends, and what stays a zombie nobody waits for.
"""

import asyncio
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple, NoReturn

import anyio
import anyio.to_thread

from sidecar.linux import procfs

SETTLE = 1.0
"""Seconds that a zombie must have been one."""


class _Zombie(NamedTuple):
    pid: int
    start_ticks: int


async def reap_orphans(kept: Callable[[], int | None], settle: float = SETTLE) -> NoReturn:
    """Collect orphans that have ended, until cancelled; ``kept`` names a zombie that somebody still needs."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_signal_handler(signal.SIGCHLD, ended.set)
    try:
        while True:
            ended.clear()
            suspects: frozenset[_Zombie] = frozenset()
            while suspects := await _reap(suspects, kept()):  # noqa: ASYNC110 - that nobody comes is no event
                await anyio.sleep(settle)
            await ended.wait()
            await anyio.sleep(settle)
    finally:
        loop.remove_signal_handler(signal.SIGCHLD)


async def _reap(suspects: frozenset[_Zombie], kept: int | None) -> frozenset[_Zombie]:
    """Collect the zombies that were suspect before; returns those that are now."""
    if not _is_any_zombie():
        return frozenset()
    zombies = await anyio.to_thread.run_sync(_zombies)
    for zombie in zombies & suspects:
        if zombie.pid != kept:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOHANG)  # noqa: ASYNC222 - WNOHANG
    return frozenset(zombie for zombie in zombies - suspects if zombie.pid != kept)


def _is_any_zombie() -> bool:
    try:
        return os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # there is no child at all
        return False


def _zombies() -> frozenset[_Zombie]:
    """List the children of ours that have ended and were not collected."""
    own = os.getpid()
    found = set()
    for pid in procfs.pids():
        with suppress(ProcessLookupError):
            stat = procfs.stat(pid)
            if stat.exited and stat.ppid == own:
                found.add(_Zombie(pid, stat.start_ticks))
    return frozenset(found)
