"""One thing that people are told about: how it stands, what they know of it, and what there is to tell now.

What is merely seen (the status, a check) is thinned out: the same news is told once within ``dedupe``, and while it
flaps only what is graver. What is held back is not lost: it is told, with a count, as soon as it may be, if still so.
"""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.events import Event
from sidecar.core.notices.flap import note_change, recent, share_of_changes
from sidecar.core.notices.notice import Notice, Teller, write_notice
from sidecar.core.notices.rows import Row, Stage, row_of, standing_of, topic_of
from sidecar.core.severity import Severity, gravest, is_graver

FLAPPING = "flapping"
STEADY = "steady"
REMINDER = "reminder"
OVER = "over"


class Told(Struct, frozen=True):
    """When something was told last, and how often it has come up since without being told."""

    at: float
    unsaid: int = 0


class Topic(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one thing stands. Times are Unix time: all this survives a restart of the sidecar."""

    event: Event
    """The latest that was heard of it; its ``at`` is Unix time too."""
    word: str
    """How it stands, in one word."""
    since: float
    told: str = ""
    """What was told last; empty before anything was."""
    told_at: float = 0.0
    untold: bool = True
    """There is something to tell, as soon as it may be told."""
    begun: float | None = None
    """Since when there is a problem that was told, and whose end will be."""
    reach: Severity = Severity.INFO
    """The gravest that was told of that problem."""
    history: Mapping[str, Told] = {}
    """What was told, by word."""
    changes: tuple[float, ...] = ()
    flapping: bool = False
    doubted: float | None = None
    """Since when it is not certain whether it is still so."""


def is_within(since: float, now: float, length: float) -> bool:
    """Tell whether so long has not passed yet. A moment of the future, after a clock was set back, is long past."""
    return 0 <= now - since < length


def hear(topic: Topic | None, event: Event, row: Row, now: float, teller: Teller) -> Topic:
    """Take in what has happened."""
    word, event = standing_of(event), replace(event, at=now)
    if topic is None:
        return Topic(event=event, word=word, since=now)
    if topic.doubted is not None and word == topic.word:
        return replace(topic, event=event, doubted=None)
    changes = topic.changes
    if word != topic.word and _can_flap(row) and _can_flap(_row(topic)):
        changes = note_change(changes, now, teller.rules.flap_window)
    is_again = word == topic.word and _is_state(row)
    topic = replace(
        topic,
        event=event,
        word=word,
        since=topic.since if is_again else now,
        history=topic.history if is_again else _count(topic.history, word),
        changes=changes,
        doubted=None,
    )
    return replace(topic, untold=_is_news(topic, row))


def settle(topic: Topic, now: float, teller: Teller) -> tuple[Topic, Notice | None]:
    """Tell what there is to tell of it, if it may be told now."""
    row = _row(topic)
    share = share_of_changes(topic.changes, now, teller.rules.flap_window)
    if topic.flapping and (share < teller.rules.flap_low or not share):
        return _tell(replace(topic, flapping=False), STEADY, row, now, teller)
    if not topic.flapping and share and share >= teller.rules.flap_high:
        return _tell_flapping(topic, now, teller)
    if not topic.untold or (is_held(topic, now, teller) and not _is_graver(topic, row)):
        return topic, None
    return _tell(topic, topic.word, row, now, teller)


def is_held(topic: Topic, now: float, teller: Teller) -> bool:
    """Tell whether it is thinned out now: it flaps, or the same was told a short time ago and ends no problem."""
    row, last = _row(topic), topic.history.get(topic.word)
    again = last is not None and is_within(last.at, now, teller.rules.dedupe)
    ends = row.stage is Stage.ENDS and topic.begun is not None
    return row.seen and (topic.flapping or (again and not ends))


def remind(topic: Topic, now: float, teller: Teller) -> tuple[Topic, Notice | None]:
    """Tell again what is wrong and lasts."""
    after = teller.rules.remind_after
    if topic.begun is None or not after or is_within(topic.told_at, now, after):
        return topic, None
    what = _keeps_changing(topic, now, teller) if topic.flapping else topic.event.message
    event = replace(topic.event, message=f"still so: {what}")
    return replace(topic, told_at=now), _write(topic, event, REMINDER, now, teller, since=topic.begun)


def end(topic: Topic, why: str, now: float, teller: Teller) -> tuple[Topic, Notice]:
    """Tell that a problem is over although nothing was heard of its end."""
    event = replace(topic.event, message=f"over, {why}", evidence=(), cause=None, severity=Severity.INFO)
    since = topic.since if topic.begun is None else topic.begun
    notice = _write(topic, event, OVER, now, teller, since=since, is_open=False)
    closed = replace(
        topic, told=OVER, told_at=now, untold=False, begun=None, reach=Severity.INFO, flapping=False, doubted=None
    )
    return closed, replace(notice, does="", command="")


def _tell(topic: Topic, word: str, row: Row, now: float, teller: Teller) -> tuple[Topic, Notice]:
    """Tell how it stands. ``word`` is that, or that it has become steady."""
    begun = {Stage.BEGINS: topic.since if topic.begun is None else topic.begun, Stage.ENDS: None}.get(
        row.stage, topic.begun
    )
    reach = gravest(topic.reach, topic.event.severity, Severity.INFO if topic.event.elsewhere else row.reach)
    over = topic.begun if row.stage is Stage.ENDS else None
    last = topic.history.get(topic.word)
    notice = _write(
        replace(topic, reach=reach),
        topic.event,
        word,
        now,
        teller,
        since=topic.since if over is None else over,
        is_open=begun is not None,
    )
    if last is not None and last.unsaid > 1:
        notice = replace(notice, count=last.unsaid, counted_from=last.at)
    topic = replace(
        topic,
        told=topic.word,
        told_at=now,
        untold=False,
        begun=begun,
        reach=Severity.INFO if begun is None else reach,
        history={**topic.history, topic.word: Told(now)},
    )
    return topic, notice


def _tell_flapping(topic: Topic, now: float, teller: Teller) -> tuple[Topic, Notice]:
    """Tell that it changes too often, instead of telling each change."""
    severity = gravest(Severity.WARNING, topic.event.severity, topic.reach)
    since = topic.changes[0]
    topic = replace(
        topic,
        told=FLAPPING,
        told_at=now,
        untold=False,
        begun=since if topic.begun is None else topic.begun,
        reach=severity,
        flapping=True,
    )
    event = replace(topic.event, severity=severity, message=_keeps_changing(topic, now, teller))
    return topic, _write(topic, event, FLAPPING, now, teller, since=since)


def _write(
    topic: Topic, event: Event, word: str, now: float, teller: Teller, *, since: float, is_open: bool = True
) -> Notice:
    name = topic_of(event, _row(topic))
    return write_notice(teller, event, name, word, reach=topic.reach, at=now, since=since, is_open=is_open)


def _keeps_changing(topic: Topic, now: float, teller: Teller) -> str:
    window = teller.rules.flap_window
    count, name = len(recent(topic.changes, now, window)), topic_of(topic.event, _row(topic))
    return f"{name} keeps changing, {count} times within {window:g} s; now it is {topic.word}"


def _row(topic: Topic) -> Row:
    row = row_of(topic.event)
    assert row is not None  # noqa: S101 - what is not told has no topic
    return row


def _is_state(row: Row) -> bool:
    """Tell whether to hear the same again is no news: it is seen, and lasts."""
    return row.seen and row.stage is not Stage.HAPPENS


def _can_flap(row: Row) -> bool:
    return row.seen and row.stage in (Stage.BEGINS, Stage.ENDS)


def _is_news(topic: Topic, row: Row) -> bool:
    if not _is_state(row):
        return True
    if row.stage is Stage.PASSES and topic.begun is not None:
        return False
    return topic.word != topic.told or _is_graver(topic, row)


def _is_graver(topic: Topic, row: Row) -> bool:
    """Tell whether it has become worse than what people know."""
    return row.stage is Stage.BEGINS and topic.begun is not None and is_graver(topic.event.severity, topic.reach)


def _count(history: Mapping[str, Told], word: str) -> Mapping[str, Told]:
    last = history.get(word)
    return history if last is None else {**history, word: Told(last.at, last.unsaid + 1)}
