"""Who is to be told what, and when: pure, one event or one look at the clock at a time."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.events import Event, EventKind
from sidecar.core.notices.flap import CHANGES_AT_MOST
from sidecar.core.notices.notice import Notice, Teller
from sidecar.core.notices.plan import NoticeKind
from sidecar.core.notices.rows import Row, Stage, row_of, topic_of
from sidecar.core.notices.topic import Topic, end, hear, is_held, is_within, remind, settle

CONFIRM_WITHIN = 60.0
"""Seconds after the sidecar's start in which what was begun before has to be heard of again, else it is over."""

_UNHEARD = "as nothing more was heard of it since the sidecar or its configuration was loaded"

_OURS = frozenset(
    {NoticeKind.DRAIN, NoticeKind.MAINTENANCE, NoticeKind.CONFIGURATION, NoticeKind.RELEASE, NoticeKind.HOLD}
)
"""What ends with the sidecar, unless the next one takes it up again, and says so."""

_MAINTENANCE = NoticeKind.MAINTENANCE.value


class Telling(Struct, frozen=True, kw_only=True):
    """What is known of every topic. Replaced, never changed; kept over a restart."""

    topics: Mapping[str, Topic] = {}
    stopping: bool = False
    """The sidecar was asked to stop: what is seen from then on is nobody's business, not even after the next start."""


def step(state: Telling, event: Event, now: float, teller: Teller) -> tuple[Telling, tuple[Notice, ...]]:
    """Take in an event that happened at this Unix time; returns what to tell at once."""
    if event.kind in (EventKind.STARTED, EventKind.RELOADED):
        state = _doubt(state, event, now, teller)
    if event.kind in (EventKind.STARTED, EventKind.STOPPING):
        state = replace(state, stopping=event.kind is EventKind.STOPPING)
    row = row_of(event)
    if row is None or (state.stopping and row.seen):
        return state, ()
    name, muted = topic_of(event, row), _is_muted(state, row)
    if muted and row.stage is Stage.HAPPENS:
        return state, ()
    if muted:
        event = replace(event, evidence=())  # the maintenance is a reason too, and may be over when this is told
    topic, notice = hear(state.topics.get(name), event, row, now, teller), None
    if not muted:
        topic, notice = settle(topic, now, teller)
    return replace(state, topics={**state.topics, name: topic}), () if notice is None else (notice,)


def due(state: Telling, now: float, teller: Teller) -> tuple[Telling, tuple[Notice, ...]]:
    """Tell what has waited long enough: reminders, what was held back, the end of what is not heard of any more."""
    topics, notices = dict(state.topics), []
    for name, topic in state.topics.items():
        topics[name], notice = _due(state, topic, now, teller)
        if notice is not None:
            notices.append(notice)
    return replace(state, topics=topics), tuple(notices)


def close(state: Telling, why: str, now: float, teller: Teller) -> tuple[Notice, ...]:
    """Tell that all is over that a replica has told of and cannot tell the end of any more.

    A hold is not: it is everybody's, and whoever ends it tells.
    """
    left = (topic for topic in state.topics.values() if topic.begun is not None and not _is_everybodys(topic))
    return tuple(end(topic, why, max(now, topic.told_at), teller)[1] for topic in left)


def next_due(state: Telling, now: float, teller: Teller) -> float | None:
    """Say when to look again, as Unix time; None when only an event can bring something new."""
    moments = [moment for topic in state.topics.values() for moment in _moments(state, topic, now, teller)]
    return max(now, min(moments)) if moments else None


def _due(state: Telling, topic: Topic, now: float, teller: Teller) -> tuple[Topic, Notice | None]:
    if topic.doubted is not None:
        if is_within(topic.doubted, now, CONFIRM_WITHIN):
            return topic, None
        return end(topic, _UNHEARD, now, teller)
    if _is_muted(state, row_of(topic.event)):
        return topic, None
    topic, notice = settle(topic, now, teller)
    return (topic, notice) if notice is not None else remind(topic, now, teller)


def _moments(state: Telling, topic: Topic, now: float, teller: Teller) -> list[float]:
    """Name the moments at which there may be something to tell of a topic."""
    rules = teller.rules
    if topic.doubted is not None:
        return [topic.doubted + CONFIRM_WITHIN]
    if _is_muted(state, row_of(topic.event)):
        return []
    moments = []
    if topic.flapping:
        moments.append(now + rules.flap_window / CHANGES_AT_MOST)
    elif topic.untold:
        moments.append(topic.history[topic.word].at + rules.dedupe if is_held(topic, now, teller) else now)
    if topic.begun is not None and rules.remind_after:
        moments.append(topic.told_at + rules.remind_after)
    return moments


def _is_everybodys(topic: Topic) -> bool:
    row = row_of(topic.event)
    return row is not None and row.kind is NoticeKind.HOLD


def _is_muted(state: Telling, row: Row | None) -> bool:
    """Tell whether this is told to nobody now: of what is seen while it is out, whoever has taken it out knows."""
    maintenance = state.topics.get(_MAINTENANCE)
    out = maintenance is not None and maintenance.begun is not None
    return row is not None and row.seen and (out or state.stopping)


def _doubt(state: Telling, event: Event, now: float, teller: Teller) -> Telling:
    """Doubt what may have ended unheard: with the sidecar before this one, or with a probe that there is no more."""

    def is_doubtful(topic: Topic) -> bool:
        row, probe = row_of(topic.event), topic.event.probe
        if topic.begun is None or row is None:
            return False
        if probe is not None:
            return probe not in teller.probes
        return event.kind is EventKind.STARTED and row.kind in _OURS

    topics = {
        name: replace(topic, doubted=now) if is_doubtful(topic) else topic for name, topic in state.topics.items()
    }
    return replace(state, topics=topics)
