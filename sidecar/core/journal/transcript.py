"""From facts to entries of the journal, and back."""

from msgspec.structs import replace

from sidecar.core import facts
from sidecar.core.events import Event
from sidecar.core.facts import DrainAdvanced, Fact, ProbeReported, ReleaseFact, Replanned
from sidecar.core.identity import Ending, GatewayProcess
from sidecar.core.journal import entries as journal
from sidecar.core.journal.entries import Process, keep
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import KnownGood
from sidecar.core.state import Maintenance, Standing

REASONS_AT_MOST = 10
"""How many reasons of an event are kept."""

ReleaseEntry = (
    journal.MemoryRecalled
    | journal.StandingRecalled
    | journal.TrafficMeasured
    | journal.HoldBegun
    | journal.HoldEnded
    | journal.ReleasePromoted
    | journal.RollbackOrdered
    | journal.RollbackAdvanced
)
Plain = (
    journal.GatewayAppeared
    | journal.GatewayExited
    | journal.ChildStarted
    | journal.ChildEnded
    | journal.StopRequested
    | journal.ObserverLate
    | journal.MaintenanceBegun
    | journal.MaintenanceEnded
    | journal.TimePassed
    | journal.DrainOrdered
    | journal.ReplacementOrdered
    | ReleaseEntry
)
"""The entries that are one fact each."""

Written = Plain | journal.DrainAdvanced
"""And what the drain's actor did, which a replay may have to do otherwise."""


def entry_of(fact: Fact, at: float, offset: float) -> Written | None:  # noqa: C901, PLR0912 - a case for each fact
    """Write a fact down; ``offset`` is Unix time less CLOCK_BOOTTIME.

    None for those that are not written so: verdicts make runs, and a plan is told by its fingerprint.
    """
    match fact:
        case facts.GatewayAppeared(process, unproven):
            known = None if process is None else process_of(process, offset)
            return journal.GatewayAppeared(at=at, process=known, unproven=unproven and keep(unproven))
        case facts.GatewayExited(process):
            return journal.GatewayExited(at=at, process=process_of(process, offset))
        case facts.ChildStarted(process):
            return journal.ChildStarted(at=at, process=process_of(process, offset))
        case facts.ChildEnded(ending):
            return journal.ChildEnded(at=at, status=ending.status, words=keep(ending.words))
        case facts.StopRequested():
            return journal.StopRequested(at=at)
        case facts.ObserverLate(lag):
            return journal.ObserverLate(at=at, lag=lag)
        case facts.MaintenanceBegun(word):
            since, until = word.since + offset, word.until + offset
            return journal.MaintenanceBegun(at=at, reason=keep(word.reason), by=keep(word.by), since=since, until=until)
        case facts.MaintenanceEnded(reason, by):
            return journal.MaintenanceEnded(at=at, reason=keep(reason), by=keep(by))
        case facts.TimePassed():
            return journal.TimePassed(at=at)
        case facts.DrainOrdered(reason, by):
            return journal.DrainOrdered(at=at, reason=keep(reason), by=keep(by))
        case facts.ReplacementOrdered(reason):
            return journal.ReplacementOrdered(at=at, reason=keep(reason))
        case ProbeReported() | Replanned():
            return None
        case DrainAdvanced(step):
            return journal.DrainAdvanced(at=at, step=step)
        case _:
            return _release_entry(fact, at, offset)


def _release_entry(fact: ReleaseFact, at: float, offset: float) -> Plain:
    match fact:
        case facts.MemoryRecalled(memory):
            return journal.MemoryRecalled(at=at, memory=_moved(memory, offset))
        case facts.StandingRecalled(standing):
            return journal.StandingRecalled(
                at=at,
                upstream=standing.upstream,
                process=None if standing.process is None else process_of(standing.process, offset),
                gateway=standing.gateway,
                drains=tuple(drain + offset for drain in standing.drains),
            )
        case facts.TrafficMeasured(sample):
            return journal.TrafficMeasured(at=at, sample=sample)
        case facts.HoldBegun(hold):
            return journal.HoldBegun(at=at, hold=replace(hold, reason=keep(hold.reason), by=keep(hold.by)))
        case facts.HoldEnded(by):
            return journal.HoldEnded(at=at, by=keep(by))
        case facts.ReleasePromoted(reason, by):
            return journal.ReleasePromoted(at=at, reason=keep(reason), by=keep(by))
        case facts.RollbackOrdered(target, reason, by, forced):
            shown = None if target is None else _without_command(target)
            return journal.RollbackOrdered(at=at, target=shown, reason=keep(reason), by=keep(by), forced=forced)
        case facts.RollbackAdvanced(step, detail):
            return journal.RollbackAdvanced(at=at, step=step, detail=keep(detail))


def _moved(memory: Memory, offset: float) -> Memory:
    """Turn the times of what the store says from the core's into Unix time."""
    release = memory.release
    if release is not None:
        since, until, saved = release.since + offset, release.at + offset, release.saved + offset
        release = replace(release, since=since, at=until, saved=saved)
    target, unfinished = memory.target, memory.unfinished
    return replace(
        memory,
        release=release,
        target=None if target is None else _without_command(target),
        unfinished=None if unfinished is None else replace(unfinished, target=_without_command(unfinished.target)),
        rollbacks=tuple(at + offset for at in memory.rollbacks),
    )


def _without_command(target: KnownGood) -> KnownGood:
    """Leave out what started it: a command line may hold a credential, and no replay starts anything."""
    return replace(target, command=())


def fact_of(entry: Plain) -> Fact:  # noqa: C901 - one case for each entry
    """Read a fact again: its times stay Unix time, for the core's clock may be any that runs evenly."""
    match entry:
        case journal.GatewayAppeared():
            known = None if entry.process is None else known_process(entry.process)
            return facts.GatewayAppeared(known, entry.unproven)
        case journal.GatewayExited():
            return facts.GatewayExited(known_process(entry.process))
        case journal.ChildStarted():
            return facts.ChildStarted(known_process(entry.process))
        case journal.ChildEnded():
            return facts.ChildEnded(Ending(entry.status, entry.words))
        case journal.StopRequested():
            return facts.StopRequested()
        case journal.ObserverLate():
            return facts.ObserverLate(entry.lag)
        case journal.MaintenanceBegun():
            word = Maintenance(reason=entry.reason, by=entry.by, since=entry.since, until=entry.until)
            return facts.MaintenanceBegun(word)
        case journal.MaintenanceEnded():
            return facts.MaintenanceEnded(entry.reason, entry.by)
        case journal.TimePassed():
            return facts.TimePassed()
        case journal.DrainOrdered():
            return facts.DrainOrdered(entry.reason, entry.by)
        case journal.ReplacementOrdered():
            return facts.ReplacementOrdered(entry.reason)
        case _:
            return _release_fact(entry)


def _release_fact(entry: ReleaseEntry) -> ReleaseFact:
    match entry:
        case journal.MemoryRecalled():
            return facts.MemoryRecalled(entry.memory)
        case journal.StandingRecalled():
            known = None if entry.process is None else known_process(entry.process)
            standing = Standing(upstream=entry.upstream, process=known, gateway=entry.gateway, drains=entry.drains)
            return facts.StandingRecalled(standing)
        case journal.TrafficMeasured():
            return facts.TrafficMeasured(entry.sample)
        case journal.HoldBegun():
            return facts.HoldBegun(entry.hold)
        case journal.HoldEnded():
            return facts.HoldEnded(entry.by)
        case journal.ReleasePromoted():
            return facts.ReleasePromoted(entry.reason, entry.by)
        case journal.RollbackOrdered():
            return facts.RollbackOrdered(entry.target, entry.reason, entry.by, entry.forced)
        case journal.RollbackAdvanced():
            return facts.RollbackAdvanced(entry.step, entry.detail)


def told(event: Event, at: float) -> journal.Told:
    """Write an event down."""
    return journal.Told(
        at=at,
        kind=event.kind,
        severity=event.severity,
        message=keep(event.message),
        cause=event.cause,
        probe=event.probe,
        before=event.before,
        after=event.after,
        evidence=tuple(keep(reason) for reason in event.evidence[:REASONS_AT_MOST]),
    )


def process_of(process: GatewayProcess, offset: float) -> Process:
    """Write a process down; which boot it belongs to, the run of the sidecar says."""
    return Process(process.pid, process.start_ticks, process.started + offset)


def known_process(process: Process) -> GatewayProcess:
    """Read a process again."""
    return GatewayProcess("", process.pid, process.start_ticks, process.started)
