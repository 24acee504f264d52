"""What the core tells: events, for people and for machines."""

from enum import StrEnum

from msgspec import Struct

from sidecar.core.severity import Severity


class EventKind(StrEnum):
    """What happened."""

    STARTED = "started"
    REMARK = "remark"
    """Something the operator should know although nothing is wrong."""
    STATUS_CHANGED = "status_changed"
    CHECK_CHANGED = "check_changed"
    GATEWAY_APPEARED = "gateway_appeared"
    GATEWAY_UNPROVEN = "gateway_unproven"
    GATEWAY_EXITED = "gateway_exited"
    CHILD_STARTED = "child_started"
    """Parent mode: the command was started."""
    CHILD_ENDED = "child_ended"
    """Parent mode: the command has ended."""
    LEFT_BEHIND = "left_behind"
    """Parent mode: the command ended, and processes of it did not."""
    DRAIN_BEGUN = "drain_begun"
    DRAIN_ADVANCED = "drain_advanced"
    DRAIN_CANCELLED = "drain_cancelled"
    DRAIN_HOOK = "drain_hook"
    """The gateway was asked to take no more work, or to take work again."""
    DRAIN_FINISHED = "drain_finished"
    DRAIN_WITHHELD = "drain_withheld"
    MAINTENANCE_BEGUN = "maintenance_begun"
    MAINTENANCE_ENDED = "maintenance_ended"
    RELEASE_CHANGED = "release_changed"
    """It has taken traffic, is good, is bad, or is held."""
    HOLD_BEGUN = "hold_begun"
    HOLD_ENDED = "hold_ended"
    ROLLBACK_BEGUN = "rollback_begun"
    ROLLBACK_ADVANCED = "rollback_advanced"
    ROLLBACK_ENDED = "rollback_ended"
    STOPPING = "stopping"
    OBSERVER_LATE = "observer_late"
    RELOADED = "reloaded"
    RELOAD_REFUSED = "reload_refused"
    SINK_FAILING = "sink_failing"
    """Somebody who should be told cannot be reached."""
    SINK_RECOVERED = "sink_recovered"
    NOTICE_LOST = "notice_lost"
    """A message was given up: nobody was told."""
    STOPPED = "stopped"


class Event(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that happened, for people and for machines."""

    kind: EventKind
    at: float
    severity: Severity
    message: str
    cause: str | None = None
    """``local``, ``shared`` or ``observer``, where it is proven."""
    probe: str | None = None
    before: str | None = None
    after: str | None = None
    evidence: tuple[str, ...] = ()
    """The reasons, with rules and observed values."""
    elsewhere: bool = False
    """It happened at another replica, which tells people; here it is merely learnt."""
