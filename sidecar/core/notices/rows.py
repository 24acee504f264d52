"""How each kind of event is told: a table. Another kind is another row."""

from enum import StrEnum

from msgspec import Struct

from sidecar.core.events import Event, EventKind
from sidecar.core.notices.plan import NoticeKind
from sidecar.core.severity import Severity


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
    reach: Severity = Severity.INFO
    """Whoever is told of what is so grave is told of this as well: another replica may have told of its begin."""


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
    (EventKind.RELEASE_CHANGED, "baking"): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.PASSES,
        does="it takes traffic, and is watched until it counts as good or bad",
        command="`sidecar releases` shows how it stands",
    ),
    (EventKind.RELEASE_CHANGED, "good"): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.ENDS,
        does="it is what a later bad release is rolled back to",
        command="`sidecar rollback` puts the one before in its place",
    ),
    (EventKind.RELEASE_CHANGED, "bad"): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.BEGINS,
        does="it is rolled back where that is admissible, else held",
        command="`sidecar hold --reason WHY` stops that; `sidecar promote` calls the release good",
    ),
    (EventKind.RELEASE_CHANGED, "held"): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.BEGINS,
        does="nothing more by itself; readiness follows the probes, but stays 503 where it has never been 200",
        command="`sidecar rollback` puts the last good release in its place; `sidecar promote` calls this one good",
    ),
    (EventKind.RELEASE_CHANGED, "rolled_back"): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.PASSES,
        does="an earlier release takes its place, and whether that is healthy is looked at",
        command="`sidecar promote`, where it runs, calls it good after all",
    ),
    (EventKind.ROLLBACK_BEGUN, ""): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.BEGINS,
        does="the platform is asked once, and what comes of it is looked at",
        command="`sidecar hold --reason WHY` stops it, unless a person has ordered it or the platform was asked",
    ),
    (EventKind.ROLLBACK_ENDED, ""): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.ENDS,
        reach=Severity.ERROR,
        does="the earlier release takes the traffic; the bad one is never rolled back to",
        command="`sidecar releases` shows what else could be restored",
    ),
    (EventKind.ROLLBACK_ENDED, "failed"): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.BEGINS,
        does="nothing more by itself",
        command="`sidecar releases` shows what is known, `sidecar rollback` begins another one",
    ),
    (EventKind.ROLLBACK_ENDED, "held"): Row(
        kind=NoticeKind.RELEASE,
        stage=Stage.BEGINS,
        does="nothing more by itself",
        command="`sidecar releases` shows what is known, `sidecar rollback` begins another one",
    ),
    (EventKind.HOLD_BEGUN, ""): Row(
        kind=NoticeKind.HOLD,
        stage=Stage.BEGINS,
        does="no drain, no promotion, no rollback; readiness follows the probes",
        command="`sidecar unhold --reason WHY` lets automation go on",
    ),
    (EventKind.HOLD_ENDED, ""): Row(
        kind=NoticeKind.HOLD,
        stage=Stage.ENDS,
        reach=Severity.WARNING,
        does="it drains, promotes and rolls back again",
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
    return _TABLE.get((event.kind, standing_of(event))) or _TABLE.get((event.kind, ""))


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
