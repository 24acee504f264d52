"""The pid in a pid file, believed only as far as it deserves."""

import os
import time

from sidecar.linux import procfs
from sidecar.linux.procfs import ProcStat

_SIZE_AT_MOST = 64
_DIGITS_AT_MOST = 7
"""The kernel's pids end at 4,194,304 (proc(5), ``pid_max``)."""
_GRANULARITY = 1.0
"""Seconds by which a process may seem younger than its pid file: two clocks, each with ticks of its own."""


class PidFileError(Exception):
    """The file does not tell the gateway's process, and why."""


def process_in_file(path: str) -> ProcStat:
    """Read the process that the file names; raises ``PidFileError`` if it cannot be believed.

    A process that started after the file was written is not the one that wrote it: its pid was reused. A file of
    another user than root, the process's or ours could name anybody, and is not believed either.
    """
    text, written, owner = _read(path)
    pid = _parse(path, text)
    try:
        process = procfs.stat(pid)
        process_owner = procfs.owner(pid)
    except ProcessLookupError:
        raise PidFileError(f"the pid file {path} names a process that does not run") from None
    except OSError as error:
        raise PidFileError(f"cannot inspect the process that the pid file {path} names: {error.strerror}") from None
    if process.exited:
        raise PidFileError(f"the pid file {path} names a process that does not run")
    doubt = _contradiction(
        started=_unix_time(process.started),
        written=written,
        owners=frozenset({0, os.geteuid(), process_owner}),
        owner=owner,
    )
    if doubt is not None:
        raise PidFileError(f"cannot believe the pid file {path}: {doubt}")
    return process


def _read(path: str) -> tuple[bytes, float, int]:
    """Read the content, when it was written (Unix time), and whose it is."""
    try:
        # Not blocking, because the path may lead to a pipe that nobody writes to.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        try:
            status = os.fstat(descriptor)
            return os.read(descriptor, _SIZE_AT_MOST), status.st_mtime, status.st_uid
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise PidFileError(f"there is no pid file {path}") from None
    except OSError as error:
        raise PidFileError(f"cannot read the pid file {path}: {error.strerror}") from None


def _parse(path: str, text: bytes) -> int:
    digits = text.strip()
    if not digits.isdigit() or len(digits) > _DIGITS_AT_MOST or int(digits) == 0:
        raise PidFileError(f"the pid file {path} holds no pid: expected digits alone, such as 4711")
    return int(digits)


def _contradiction(*, started: float, written: float, owners: frozenset[int], owner: int) -> str | None:
    """Tell what speaks against a file of this owner, written then, that names a process started then (Unix time)."""
    if started > written + _GRANULARITY:
        return "the process that it names started after it was written, so the pid was reused"
    if owner not in owners:
        return f"it belongs to uid {owner}, who may not decide what is signalled"
    return None


def _unix_time(boottime: float) -> float:
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + boottime
