"""Who the gateway's process is, and how it ended."""

from msgspec import Struct


class GatewayProcess(Struct, frozen=True):
    """The gateway's process, proven by boot, pid and start time: a reused pid is somebody else."""

    boot_id: str
    pid: int
    start_ticks: int
    """Start time in clock ticks since boot, as in ``/proc/PID/stat``."""
    started: float
    """The same in seconds of CLOCK_BOOTTIME."""


class Ending(Struct, frozen=True):
    """How a process ended; ``words`` tell it to people."""

    status: int
    """The exit status; 128 and the signal's number, as a shell shows it, for one that a signal has killed."""
    words: str
