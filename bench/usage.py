"""What a process uses, as the kernel counts it."""

import time
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Memory of one process in bytes (proc(5), ``status`` and ``smaps_rollup``)."""

    resident: int
    """All that is mapped and present; shared pages count in full."""
    proportional: int
    """The same with each shared page divided by the number of processes that share it."""
    private: int
    """What would be free if the process ended."""


def memory(pid: int) -> Memory:
    """Read what memory a process holds."""
    rollup = _fields(Path(f"/proc/{pid}/smaps_rollup"))
    return Memory(
        resident=_bytes(_fields(Path(f"/proc/{pid}/status"))["VmRSS"]),
        proportional=_bytes(rollup["Pss"]),
        private=_bytes(rollup["Private_Clean"]) + _bytes(rollup["Private_Dirty"]),
    )


def processor_seconds(pid: int) -> float:
    """Read the processor time of a process with all its threads, to the nanosecond.

    ``/proc/PID/stat`` counts the same in ticks of 10 ms. The clock's number is made as clock_getcpuclockid(3) does.
    """
    return time.clock_gettime(~pid << 3 | 2)


def wake_ups(pid: int) -> int:
    """Count how often the threads of a process have gone to sleep by themselves, each of which ends in a wake-up."""
    return sum(int(_fields(task / "status")["voluntary_ctxt_switches"]) for task in Path(f"/proc/{pid}/task").iterdir())


def _fields(path: Path) -> dict[str, str]:
    pairs = (line.partition(":") for line in path.read_text().splitlines())
    return {name: value.strip() for name, _, value in pairs}


def _bytes(kilobytes: str) -> int:
    return int(kilobytes.removesuffix(" kB")) * 1024
