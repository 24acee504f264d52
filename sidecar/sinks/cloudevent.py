"""A notice as CloudEvents 1.0 in the JSON format, whole in the body (structured mode)."""

from datetime import datetime
from urllib.parse import quote

from msgspec import Struct
from msgspec.json import encode

from sidecar.core.notices.notice import Notice
from sidecar.core.notices.plan import NoticeKind
from sidecar.core.severity import Severity
from sidecar.sinks.words import moment, text, title

CONTENT_TYPE = "application/cloudevents+json; charset=utf-8"
NAME = "mcp-gateway-sidecar"


class _Data(Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """What docs/notifications.md describes. Keys may be added, none is renamed or removed."""

    kind: NoticeKind
    event: str
    severity: Severity
    open: bool
    title: str
    text: str
    what: str
    since: datetime
    reasons: tuple[str, ...]
    cause: str | None = None
    replica: str
    release: str | None = None
    does: str = ""
    command: str = ""
    count: int = 0
    counted_from: datetime | None = None


class _CloudEvent(Struct, frozen=True, kw_only=True):
    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: str = "application/json"
    data: _Data


def cloud_event(notice: Notice) -> bytes:
    """Write a notice as a CloudEvent."""
    event = _CloudEvent(
        id=notice.id,
        source=f"/{NAME}/{quote(notice.replica, safe='')}",
        type=f"{NAME}.{notice.kind}.{notice.event}",
        subject=notice.topic,
        time=moment(notice.at),
        data=_Data(
            kind=notice.kind,
            event=notice.event,
            severity=notice.severity,
            open=notice.open,
            title=title(notice),
            text=text(notice),
            what=notice.what,
            since=moment(notice.since),
            reasons=notice.reasons,
            cause=notice.cause,
            replica=notice.replica,
            release=notice.release,
            does=notice.does,
            command=notice.command,
            count=notice.count,
            counted_from=None if notice.counted_from is None else moment(notice.counted_from),
        ),
    )
    return encode(event)
