"""What people are told: from an event to a notice, by one table."""

from enum import StrEnum

from msgspec import Struct

from sidecar.core.events import Event, EventKind
from sidecar.core.notify_plan import NoticeKind, NotifyPlan, SinkPlan, is_told
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


class Stage(StrEnum):
    """What an event is in the life of a problem."""

    BEGINS = "begins"
    """Something is wrong, or out of the ordinary, from now on."""
    PASSES = "passes"
    """It is neither good nor bad: a problem that there is goes on."""
    ENDS = "ends"
    HAPPENS = "happens"
    """It has no end of its own."""


class Row(Struct, frozen=True, kw_only=True):
    """How one kind of event is told."""

    kind: NoticeKind
    stage: Stage
    seen: bool = False
    """It is merely observed, and may be thinned out; what the sidecar or an operator does is always told."""
    does: str = ""
    command: str = ""


_LOOK = "`sidecar status` shows what holds it, and what happens next"

_TABLE: dict[tuple[EventKind, str], Row] = {
    (EventKind.STATUS_CHANGED, "unhealthy"): Row(
        kind=NoticeKind.STATUS,
        stage=Stage.BEGINS,
        seen=True,
        does="readiness is 503, so that traffic goes elsewhere; "
        "the gateway is drained only where the failure is proven to be its own, and lasts",
        command=_LOOK,
    ),
    (EventKind.STATUS_CHANGED, "degraded"): Row(
        kind=NoticeKind.STATUS,
        stage=Stage.BEGINS,
        seen=True,
        does="readiness stays 200; nothing is drained",
        command=_LOOK,
    ),
    (EventKind.STATUS_CHANGED, "starting"): Row(
        kind=NoticeKind.STATUS, stage=Stage.PASSES, seen=True, does="readiness is 503 until every check has passed once"
    ),
    (EventKind.STATUS_CHANGED, "ready"): Row(
        kind=NoticeKind.STATUS, stage=Stage.ENDS, seen=True, does="readiness is 200: traffic may come"
    ),
    (EventKind.CHECK_CHANGED, "failing"): Row(kind=NoticeKind.CHECK, stage=Stage.BEGINS, seen=True, command=_LOOK),
    (EventKind.CHECK_CHANGED, "passing"): Row(kind=NoticeKind.CHECK, stage=Stage.ENDS, seen=True),
    (EventKind.DRAIN_BEGUN, ""): Row(
        kind=NoticeKind.DRAIN,
        stage=Stage.BEGINS,
        does="readiness is 503; the signal comes when traffic has left and the work in flight is done, "
        "unless drain.shadow is set",
        command="`sidecar maintenance on --reason WHY --for 1h` calls it off, as long as no signal is sent",
    ),
    (EventKind.DRAIN_CANCELLED, ""): Row(
        kind=NoticeKind.DRAIN, stage=Stage.ENDS, does="the gateway goes on; readiness follows the probes"
    ),
    (EventKind.DRAIN_FINISHED, ""): Row(
        kind=NoticeKind.DRAIN, stage=Stage.ENDS, does="readiness follows the probes of the gateway that comes now"
    ),
    (EventKind.DRAIN_WITHHELD, ""): Row(
        kind=NoticeKind.DRAIN,
        stage=Stage.HAPPENS,
        seen=True,
        does="readiness follows the probes; no signal is sent as long as this holds",
        command="`sidecar drain --reason WHY` drains the gateway nevertheless",
    ),
    (EventKind.MAINTENANCE_BEGUN, ""): Row(
        kind=NoticeKind.MAINTENANCE,
        stage=Stage.BEGINS,
        does="readiness is 503, liveness 200; nothing is drained; it ends by itself",
        command="`sidecar maintenance off` ends it now",
    ),
    (EventKind.MAINTENANCE_ENDED, ""): Row(
        kind=NoticeKind.MAINTENANCE, stage=Stage.ENDS, does="the probes decide again"
    ),
    (EventKind.CHILD_ENDED, ""): Row(
        kind=NoticeKind.GATEWAY, stage=Stage.HAPPENS, seen=True, does="readiness is 503 until a gateway serves again"
    ),
    (EventKind.LEFT_BEHIND, ""): Row(kind=NoticeKind.GATEWAY, stage=Stage.HAPPENS, seen=True),
    (EventKind.RELOAD_REFUSED, ""): Row(
        kind=NoticeKind.CONFIGURATION,
        stage=Stage.BEGINS,
        does="the configuration from before stays in force",
        command="`sidecar config check` tells every mistake, and `sidecar reload` tries again",
    ),
    (EventKind.RELOADED, ""): Row(kind=NoticeKind.CONFIGURATION, stage=Stage.ENDS, does="it is in force"),
    (EventKind.STARTED, ""): Row(kind=NoticeKind.SIDECAR, stage=Stage.HAPPENS),
    (EventKind.STOPPED, ""): Row(kind=NoticeKind.SIDECAR, stage=Stage.HAPPENS),
}
"""How events are told: by kind, and where it matters by what came after. What is not here is told to nobody."""


def row_of(event: Event) -> Row | None:
    """Find how an event is told; None if it is not."""
    return _TABLE.get((event.kind, "")) or _TABLE.get((event.kind, standing_of(event)))


def standing_of(event: Event) -> str:
    """Say in one word how things stand after an event: "unhealthy", or the kind of event itself."""
    after = (event.after or "").partition(",")[0]
    return after if after and (event.kind, after) in _TABLE else event.kind.value


def topic_of(event: Event, row: Row) -> str:
    """Name what an event is about."""
    if event.probe is not None:
        return f"{row.kind}/{event.probe}"
    if row.stage is Stage.HAPPENS:
        return f"{row.kind}/{event.kind}/{event.after}" if event.after else f"{row.kind}/{event.kind}"
    return row.kind.value


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
