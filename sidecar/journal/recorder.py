"""From facts and events to entries, in microseconds: it writes nothing itself."""

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import replace

from sidecar import __version__
from sidecar.core.events import Event
from sidecar.core.facts import (
    ChildEnded,
    ChildStarted,
    Fact,
    GatewayAppeared,
    GatewayExited,
    HoldBegun,
    HoldEnded,
    MemoryRecalled,
    ProbeReported,
    ReleasePromoted,
    Replanned,
    RollbackAdvanced,
    RollbackOrdered,
)
from sidecar.core.identity import GatewayProcess
from sidecar.core.journal import entries as journal
from sidecar.core.journal.entries import Entry, keep
from sidecar.core.journal.flight import RECENT
from sidecar.core.journal.runlength import SPREAD, Run, begin_run, extend_run
from sidecar.core.journal.transcript import entry_of, process_of, told
from sidecar.core.plan import Plan
from sidecar.core.releases.memory import Memory
from sidecar.core.verdict import Verdict
from sidecar.journal.rules import fingerprint, watched

SAID_AGAIN_EVERY = 3600.0
"""Seconds after which it is written down again what is watched and who the gateway is."""


class Recorder:
    """Makes entries and hands them to ``put``; remembers the latest verdicts of each probe.

    ``now`` is CLOCK_BOOTTIME, and ``wall`` the same moment as Unix time: the distance is kept for good.
    """

    def __init__(
        self, plan: Plan, replica: str, put: Callable[[Entry], None], *, now: float, wall: float, spread: float = SPREAD
    ) -> None:
        self._put = put
        self._offset = wall - now
        self._spread = spread
        self._plan = plan
        self._gateway: GatewayProcess | None = None
        self._child: GatewayProcess | None = None
        self._runs: dict[str, Run] = {}
        self._recent: dict[str, deque[Verdict]] = {}
        self._recalled: object = None
        self._say_again_at = now + SAID_AGAIN_EVERY
        put(
            journal.SidecarStarted(
                at=wall,
                replica=keep(replica),
                version=__version__,
                **_rules(plan),
            )
        )

    @property
    def recent(self) -> Mapping[str, deque[Verdict]]:
        """The latest verdicts of each probe, the oldest first."""
        return self._recent

    def note(self, fact: Fact, now: float) -> None:
        """Write down a fact that the core has taken in at this moment."""
        if isinstance(fact, ProbeReported):
            self._note_verdict(fact.name, fact.verdict, now)
            return
        if isinstance(fact, MemoryRecalled) and not self._is_news(fact.memory):
            return
        self._remember(fact, now)
        entry = entry_of(fact, now + self._offset, self._offset)
        if entry is not None:
            self._put(entry)

    def note_event(self, event: Event) -> None:
        """Write down what was told to people."""
        self._put(told(event, event.at + self._offset))

    def close_runs(self) -> None:
        """Hand over the entries that still grow: the next verdicts begin others."""
        for run in self._runs.values():
            self._put(run.entry)
        self._runs.clear()

    def _note_verdict(self, name: str, verdict: Verdict, now: float) -> None:
        at, took = now + self._offset, max(0.0, now - verdict.observation.started)
        run = self._runs.get(name)
        grown = None if run is None else extend_run(run, verdict, at, took, self._spread)
        if grown is None:
            if run is not None:
                self._put(run.entry)
            grown = begin_run(name, verdict, at, took)
        self._runs[name] = grown
        self._recent.setdefault(name, deque(maxlen=RECENT)).append(verdict)
        if now >= self._say_again_at:
            self._say_again(now)

    def _remember(self, fact: Fact, now: float) -> None:
        match fact:
            case GatewayAppeared(process):
                self._gateway = process
            case GatewayExited():
                self._gateway = None
            case ChildStarted(process):
                self._child, self._gateway = process, None
            case ChildEnded():
                self._child = self._gateway = None
            case HoldBegun() | HoldEnded() | ReleasePromoted() | RollbackOrdered() | RollbackAdvanced():
                self._recalled = None  # what the store says next is news, even if it is what it had said before
            case Replanned(plan):
                self._plan = plan
                self.close_runs()
                self._put(journal.Replanned(at=now + self._offset, **_rules(plan)))

    def _is_news(self, memory: Memory) -> bool:
        """Tell whether the store says something else than it said last: it is asked again and again."""
        known, phase = replace(memory, release=None, rollbacks=()), memory.release and memory.release.phase
        news = (known, phase, len(memory.rollbacks))
        is_news, self._recalled = news != self._recalled, news
        return is_news

    def _say_again(self, now: float) -> None:
        self._say_again_at = now + SAID_AGAIN_EVERY
        self._put(
            journal.SidecarRuns(
                at=now + self._offset,
                **_rules(self._plan),
                gateway=None if self._gateway is None else process_of(self._gateway, self._offset),
                child=None if self._child is None else process_of(self._child, self._offset),
            )
        )


def _rules(plan: Plan) -> dict[str, Any]:
    release = plan.release.id
    return {"plan": fingerprint(plan), "probes": watched(plan), "release": None if release is None else keep(release)}
