"""Processes, as ``/proc`` shows them (proc(5)).

Every function raises ``ProcessLookupError`` when the process is gone, and ``PermissionError`` when it belongs to
somebody else and the kernel keeps the answer from us. Reads are bounded, and take microseconds: ``/proc`` is
memory, no disk is behind it.
"""

# ruff: noqa: PTH115, PTH116, PTH208 - paths are built for each process and descriptor: plain strings cost a third

import os
from typing import NoReturn

from msgspec import Struct

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")

_STAT_AT_MOST = 4096
_ENVIRONMENT_AT_MOST = 1 << 20


class ProcStat(Struct, frozen=True):
    """Who a process is, what it does and what it uses; pid and start time together are its identity within one boot."""

    pid: int
    comm: str
    """The name of the executable, cut to 15 bytes; the process itself may have changed it to anything."""
    state: str
    """One letter: R running, S sleeping, D waiting for a disk, T stopped by a signal, Z zombie, X dead, or another."""
    ppid: int
    start_ticks: int
    """Start time in clock ticks since boot."""
    started: float
    """The same in seconds of CLOCK_BOOTTIME."""
    processor: float
    """Seconds of processor time that all its threads have taken so far."""
    threads: int

    @property
    def exited(self) -> bool:
        """Whether the process has ended, even if its parent has not yet asked for the exit status."""
        return self.state in "ZX"


def boot_id() -> str:
    """Name this boot: pids and start times mean something only within one."""
    return _read_file("/proc/sys/kernel/random/boot_id", 64).decode("ascii").strip()


def pids() -> list[int]:
    """List every process that is visible here."""
    return [int(name) for name in os.listdir("/proc") if name.isdecimal()]


def stat(pid: int) -> ProcStat:
    """Read who the process is, what it does and what it uses."""
    return _parse_stat(_read(pid, "stat", _STAT_AT_MOST))


def resident(pid: int) -> int:
    """Count the bytes of memory that the process has mapped and present. ``stat`` counts less exactly."""
    return int(_read(pid, "statm", _STAT_AT_MOST).split()[1]) * _PAGE


def environment(pid: int) -> dict[str, str]:
    """Read the environment that the process was started with. What lies past 1 MiB is left out."""
    block = _read(pid, "environ", _ENVIRONMENT_AT_MOST)
    pairs = (entry.partition(b"=") for entry in block.split(b"\0") if b"=" in entry)
    return {os.fsdecode(name): os.fsdecode(value) for name, _, value in pairs}


def owner(pid: int) -> int:
    """Tell which user the process runs as."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError as error:
        _explain(pid, error)


def open_files(pid: int) -> int:
    """Count the file descriptors that the process holds.

    Since Linux 6.2 the size of ``/proc/PID/fd`` is the answer; on older kernels the descriptors are counted one by
    one, which costs a millisecond for some thousand of them.
    """
    path = f"/proc/{pid}/fd"
    try:
        return os.stat(path).st_size or len(os.listdir(path))
    except OSError as error:
        _explain(pid, error)


def socket_inodes(pid: int) -> set[int]:
    """List the inodes of the sockets that the process holds; the kernel's socket tables name sockets by them."""
    path = f"/proc/{pid}/fd"
    try:
        descriptors = os.listdir(path)
    except OSError as error:
        _explain(pid, error)
    inodes = set()
    for descriptor in descriptors:
        try:
            target = os.readlink(f"{path}/{descriptor}")
        except FileNotFoundError:
            continue  # closed since the listing
        except OSError as error:
            _explain(pid, error)
        if target.startswith("socket:["):
            inodes.add(int(target[8:-1]))
    return inodes


def _parse_stat(line: bytes) -> ProcStat:
    # The name stands in parentheses and may itself hold spaces and parentheses: the last one closes it.
    head, _, tail = line.rpartition(b")")
    pid, _, comm = head.partition(b" (")
    fields = tail.split()
    start_ticks = int(fields[19])
    return ProcStat(
        pid=int(pid),
        comm=comm.decode("utf-8", "replace"),
        state=chr(fields[0][0]),
        ppid=int(fields[1]),
        start_ticks=start_ticks,
        started=start_ticks / _TICKS_PER_SECOND,
        processor=(int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND,
        threads=int(fields[17]),
    )


def _read(pid: int, name: str, at_most: int) -> bytes:
    try:
        return _read_file(f"/proc/{pid}/{name}", at_most)
    except OSError as error:
        _explain(pid, error)


def _read_file(path: str, at_most: int) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        content = b""
        # The kernel may hand out less than was asked for, a page at a time.
        while len(content) < at_most and (part := os.read(descriptor, at_most - len(content))):
            content += part
        return content
    finally:
        os.close(descriptor)


def _explain(pid: int, error: OSError) -> NoReturn:
    if isinstance(error, FileNotFoundError | ProcessLookupError):
        raise ProcessLookupError(error.errno, f"process {pid} is gone") from None
    if isinstance(error, PermissionError):
        raise PermissionError(error.errno, f"process {pid} belongs to another user") from None
    raise error
