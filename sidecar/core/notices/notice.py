"""What people are told: from an event to a notice."""

from msgspec import Struct

from sidecar.core.events import Event
from sidecar.core.notices.plan import NoticeKind, NotifyPlan, SinkPlan, is_told
from sidecar.core.notices.rows import row_of
from sidecar.core.redact import redact
from sidecar.core.severity import Severity, is_graver

REASONS_AT_MOST = 20
TEXT_AT_MOST = 1000
"""Characters of one text: a message has to fit into a chat."""


class Notice(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message: what changed, since when, why, where, what the sidecar does about it, and what one can do."""

    id: str
    """The idempotency key: the same notice bears the same, however often it is sent."""
    kind: NoticeKind
    topic: str
    """What it is about; a problem, its reminders and its end have the same."""
    event: str
    """What happened, in one word."""
    severity: Severity
    reach: Severity
    """The gravest of what was told of this topic and is not over: the end of a problem goes wherever its begin went."""
    at: float
    """Unix time, as all times here."""
    since: float
    """Since when it is so; of what is over, when it began."""
    open: bool
    """There is still something wrong, or out of the ordinary, after this."""
    what: str
    reasons: tuple[str, ...] = ()
    """Why: rules and the values that were found."""
    cause: str | None = None
    replica: str
    release: str | None = None
    does: str = ""
    """What the sidecar has done about it, and will do."""
    command: str = ""
    """What one can type, and what comes of it."""
    count: int = 0
    """How often it had happened before, unsaid, since ``counted_from``."""
    counted_from: float | None = None


class Teller(Struct, frozen=True, kw_only=True):
    """Who tells, and by which rules."""

    replica: str
    release: str | None = None
    rules: NotifyPlan = NotifyPlan()
    probes: frozenset[str] = frozenset()
    """The probes that there are."""
    secrets: frozenset[str] = frozenset()


def write_notice(
    teller: Teller, event: Event, topic: str, word: str, *, reach: Severity, at: float, since: float, is_open: bool
) -> Notice:
    """Write the notice of an event. ``word`` is what happened: how it stands now, or that it is a reminder."""
    row = row_of(event)
    assert row is not None  # noqa: S101 - only events of the table have a topic

    def clean(text: str) -> str:
        text = redact(text, teller.secrets)
        return text if len(text) <= TEXT_AT_MOST else f"{text[: TEXT_AT_MOST - 1]}…"

    return Notice(
        id=_id(teller.replica, topic, word, at),
        kind=row.kind,
        topic=topic,
        event=word,
        severity=event.severity,
        reach=reach,
        at=at,
        since=since,
        open=is_open,
        what=clean(event.message),
        reasons=tuple(map(clean, event.evidence[:REASONS_AT_MOST])),
        cause=event.cause,
        replica=teller.replica,
        release=teller.release,
        does=row.does,
        command=row.command,
    )


def write_test(teller: Teller, at: float) -> Notice:
    """Write the notice that only tries whether a sink can be reached."""
    return Notice(
        id=_id(teller.replica, "test", "test", at),
        kind=NoticeKind.SIDECAR,
        topic="test",
        event="test",
        severity=Severity.INFO,
        reach=Severity.ERROR,
        at=at,
        since=at,
        open=False,
        what="a test: whoever reads this is told of what happens",
        reasons=("an operator has typed `sidecar notify test`",),
        replica=teller.replica,
        release=teller.release,
    )


def wants(sink: SinkPlan, notice: Notice) -> bool:
    """Tell whether a sink is told of this."""
    return is_told(sink, notice.kind) and not is_graver(sink.severity, notice.reach)


def _id(replica: str, topic: str, word: str, at: float) -> str:
    """Name a notice by what makes it this one: told once more after a crash, it is the same."""
    name = ":".join((replica, topic, word, f"{at * 1e6:.0f}"))
    return "".join(c if c.isascii() and (c.isalnum() or c in "/:_-") else "-" for c in name)
