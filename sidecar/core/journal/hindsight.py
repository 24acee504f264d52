"""What happened beside what would have: drains, rollbacks, losses of readiness, and what people were called for."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum

from msgspec import Struct

from sidecar.core.errors import SidecarError
from sidecar.core.events import EventKind
from sidecar.core.journal import entries as journal
from sidecar.core.journal.entries import Entry, Told, Watched
from sidecar.core.journal.replay import replay
from sidecar.core.journal.transcript import told
from sidecar.core.plan import Plan
from sidecar.core.severity import Severity
from sidecar.core.state import DeploymentStatus

TOGETHER = 1.0
"""Seconds within which two happenings of one sort are the same one."""

VERDICTS_AT_MOST = 10_000_000
"""More are not replayed: it would take many minutes, and no journal is so long."""

_READY = (DeploymentStatus.READY, DeploymentStatus.DEGRADED)


class Sort(StrEnum):
    """What operators care for."""

    DRAIN = "drain"
    ROLLBACK = "rollback"
    UNREADY = "not ready"
    """Readiness was 200, and turned 503."""
    PAGE = "page"
    """An error that people hear of; a single check that fails is none by itself."""


class Row(Struct, frozen=True):
    """A happening, and in which of the two worlds it is."""

    at: float
    sort: Sort
    past: bool
    simulated: bool
    why: str


class World(Struct, frozen=True):
    """One of the two in figures."""

    drains: int
    rollbacks: int
    losses: int
    """How often readiness was lost."""
    unready: float
    """For how many seconds, together."""
    pages: int


class Hindsight(Struct, frozen=True):
    """Both worlds beside each other. Times are Unix time."""

    begin: float
    end: float
    verdicts: int
    past: World
    simulated: World
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    """What the simulation cannot tell."""


def look_back(entries: Sequence[Entry], plan: Plan, probes: Sequence[Watched]) -> Hindsight:
    """Replay a journal under a plan with these probes, and hold the result against what happened.

    Raises ``SidecarError`` for a journal that says nothing.
    """
    verdicts = [entry for entry in entries if isinstance(entry, journal.Verdicts)]
    count = sum(entry.count for entry in verdicts)
    if not verdicts or not any(isinstance(entry, journal.Rules) for entry in entries):
        raise SidecarError("it does not say who was watched, and what was seen: expected what `journal export` writes")
    if count > VERDICTS_AT_MOST:
        raise SidecarError(f"it claims {count} verdicts: expected at most {VERDICTS_AT_MOST}")
    end = max(entry.last if isinstance(entry, journal.Verdicts) else entry.at for entry in entries)
    past = sorted((entry for entry in entries if isinstance(entry, Told)), key=lambda event: event.at)
    simulated = [told(event, event.at) for event in replay(entries, plan)]
    return Hindsight(
        begin=min(entry.at for entry in entries),
        end=end,
        verdicts=count,
        past=_figures(past, end),
        simulated=_figures(simulated, end),
        rows=tuple(sorted(_compare(past, simulated), key=lambda row: row.at)),
        remarks=tuple(_limits(entries, probes)),
    )


def _figures(events: Sequence[Told], end: float) -> World:
    sorts = [sort for event in events for sort in _sorts(event)]
    return World(
        drains=sorts.count(Sort.DRAIN),
        rollbacks=sorts.count(Sort.ROLLBACK),
        losses=sorts.count(Sort.UNREADY),
        unready=sum(regained - lost for lost, regained in _outages(events, end)),
        pages=sorts.count(Sort.PAGE),
    )


def _outages(events: Iterable[Told], end: float) -> Iterator[tuple[float, float]]:
    """Tell from when to when readiness was lost; a loss that lasts is counted until the end."""
    lost = None
    for event in events:
        if event.kind != EventKind.STATUS_CHANGED:
            continue
        if event.after in _READY and lost is not None:
            yield lost, event.at
            lost = None
        elif event.before in _READY and event.after not in _READY:
            lost = event.at
    if lost is not None:
        yield lost, end


def _compare(past: Sequence[Told], simulated: Sequence[Told]) -> Iterator[Row]:
    """Find what is in both worlds, and what in one alone."""
    for sort in Sort:
        left = deque(event for event in simulated if sort in _sorts(event))
        for event in (event for event in past if sort in _sorts(event)):
            while left and left[0].at < event.at - TOGETHER:
                yield _row(left.popleft(), sort, past=False, simulated=True)
            is_in_both = bool(left) and left[0].at <= event.at + TOGETHER
            if is_in_both:
                left.popleft()
            yield _row(event, sort, past=True, simulated=is_in_both)
        yield from (_row(event, sort, past=False, simulated=True) for event in left)


def _row(event: Told, sort: Sort, *, past: bool, simulated: bool) -> Row:
    gives_reasons = event.kind == EventKind.STATUS_CHANGED and event.evidence
    why = "; ".join(event.evidence) if gives_reasons else event.message
    return Row(event.at, sort, past=past, simulated=simulated, why=why)


def _limits(entries: Sequence[Entry], probes: Sequence[Watched]) -> Iterator[str]:
    """Say what this journal cannot tell about a plan with these probes."""
    rules = [entry for entry in entries if isinstance(entry, journal.Rules)]
    were = {probe.name: probe for entry in rules for probe in entry.probes}
    are = {probe.name: probe for probe in probes}
    for name, probe in are.items():
        if name not in were:
            yield f"{name}: the journal has never seen this probe, so it is left out"
        else:
            yield from _differences(were[name], probe)
    for name in sorted(were.keys() - are.keys()):
        yield f"{name}: the configuration does not have this probe, so what it saw is left out"
    if rules and not isinstance(rules[0], journal.SidecarStarted):
        yield "the journal begins in the middle of a run: the first minutes tell little"
    if lost := sum(entry.count for entry in entries if isinstance(entry, journal.Lost)):
        yield f"{lost} entries could not be kept at the time, and are missing"


def _sorts(event: Told) -> Iterator[Sort]:
    if event.kind == EventKind.DRAIN_BEGUN:
        yield Sort.DRAIN
    if event.kind == EventKind.ROLLBACK_BEGUN:
        yield Sort.ROLLBACK
    if event.kind == EventKind.STATUS_CHANGED and event.before in _READY and event.after not in _READY:
        yield Sort.UNREADY
    if event.severity == Severity.ERROR and event.kind != EventKind.CHECK_CHANGED:
        yield Sort.PAGE


def _differences(was: Watched, now: Watched) -> Iterator[str]:
    if was.kind != now.kind or was.settings != now.settings:
        yield f"{now.name}: it looks for something else than it did; the journal has what it saw then"
    for key in ("interval", "fast_interval", "timeout", "slow"):
        before, after = getattr(was, key), getattr(now, key)
        if before != after:
            yield (
                f"{now.name}: {key} was {_seconds(before)} and is {_seconds(after)} now, which cannot be simulated: "
                "the evidence was gathered with the former"
            )


def _seconds(duration: float | None) -> str:
    return "not given" if duration is None else f"{duration:g} s"
