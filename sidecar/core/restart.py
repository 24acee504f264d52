"""Parent mode: the command that the sidecar has started, and whether it is started again. Time is an argument."""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.plan import ParentPlan


class ChildPhase(StrEnum):
    """What the command does."""

    NONE = "none"
    """The sidecar runs beside a gateway that somebody else has started."""
    RUNNING = "running"
    RESTARTING = "restarting"
    """It has ended, and will be started again."""
    ENDED = "ended"
    """It has ended for good: the sidecar ends too."""


class ChildState(Struct, frozen=True, kw_only=True):
    """The command, as the core knows it."""

    phase: ChildPhase = ChildPhase.NONE
    asked: bool = False
    """The sidecar has asked it to end: its end is no crash."""
    crashes: tuple[float, ...] = ()
    """When it crashed, oldest first; kept as long as they count."""
    restarts: int = 0
    """How often it was started again."""


class Restart(NamedTuple):
    """What follows from an end of the command."""

    child: ChildState
    pause: float | None
    """Seconds until it is started again; None: never."""


def decide_restart(child: ChildState, rules: ParentPlan, now: float) -> Restart:
    """Decide what follows from an end of the command, which nobody but the sidecar may have asked for.

    After a drain it is started at once. Any other end is a crash, whatever its status: a gateway has no reason to be
    done. Each crash within the window doubles the pause, and one more than the permitted restarts is the last.
    """
    if child.asked:
        return Restart(replace(child, phase=ChildPhase.RESTARTING), 0.0)
    crashes = (*(at for at in child.crashes if now - at < rules.restart_window), now)
    crashed = replace(child, phase=ChildPhase.RESTARTING, crashes=crashes)
    if len(crashes) > rules.max_restarts:
        return Restart(replace(crashed, phase=ChildPhase.ENDED), None)
    return Restart(crashed, restart_pause(len(crashes), rules))


def restart_pause(crashes: int, rules: ParentPlan) -> float:
    """Tell how long to wait after so many crashes within the window."""
    return min(rules.restart_backoff * 2.0 ** min(crashes - 1, 32), rules.restart_backoff_max)


def started(child: ChildState) -> ChildState:
    """Note that the command was started."""
    again = child.phase is not ChildPhase.NONE
    return replace(child, phase=ChildPhase.RUNNING, asked=False, restarts=child.restarts + again)
