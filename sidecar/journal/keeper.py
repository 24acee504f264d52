"""Keeps the journal in the store: what is noted gathers for a few seconds; a turn for the worse is written at once."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from time import time
from typing import NoReturn

import anyio
import anyio.to_thread
import msgspec
from msgspec.structs import replace

from sidecar import __version__
from sidecar.background import in_background
from sidecar.clock import boottime
from sidecar.core.errors import SidecarError
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import Fact
from sidecar.core.journal.entries import Entry, Lost, write_entry
from sidecar.core.journal.flight import Flight, freeze, is_bad
from sidecar.core.plan import Plan
from sidecar.core.severity import Severity
from sidecar.core.snapshot import Snapshot
from sidecar.journal.kept import FLIGHTS_KEPT, KEPT
from sidecar.journal.recorder import Recorder
from sidecar.store.contract import Store, StoreError
from sidecar.store.streams import flights_of, journal_of

Figures = Mapping[str, str | int | float]

BATCH_EVERY = 5.0
"""Seconds in which entries gather before they are written."""

RETRY_EVERY = 30.0
"""Seconds until a store that has failed is tried again."""

CLOSE_WITHIN = 2.0
"""Seconds to write what is left at the end."""

HELD_AT_MOST = 2000
"""Entries that wait for the store. Beyond, the oldest are lost, and counted."""


class Journal:
    """Takes facts and events at once, without I/O; writes them as long as the block of ``keeping`` lasts."""

    def __init__(
        self,
        plan: Plan,
        store: Store,
        replica: str,
        *,
        snapshot: Callable[[], Snapshot],
        figures: Callable[[], Figures],
        tell: Callable[[Event], None],
    ) -> None:
        """``figures`` reads what the kernel says of the gateway; it is called in a thread. It may raise ``OSError``."""
        self.lost = 0
        """Entries that the store did not take in time, since the start."""
        self.failing: str | None = None
        """Why the store does not take entries at present."""
        self._store = store
        self._replica = replica
        self._snapshot = snapshot
        self._figures = figures
        self._tell = tell
        self._pending: deque[Entry] = deque()
        self._flights: deque[Flight] = deque(maxlen=FLIGHTS_KEPT)
        self._untold = 0
        """Of those lost, how many the journal itself does not tell of yet."""
        self._some, self._urgent = anyio.Event(), anyio.Event()
        self._recorder = Recorder(plan, replica, self._put, now=boottime(), wall=time())

    def note(self, fact: Fact, now: float) -> None:
        """Write down a fact that the core has taken in at this moment of CLOCK_BOOTTIME."""
        self._recorder.note(fact, now)

    def note_event(self, event: Event) -> None:
        """Write down what was told to people; a turn for the worse also freezes a flight record."""
        self._recorder.note_event(event)
        if is_bad(event):
            self._freeze(event)

    @asynccontextmanager
    async def keeping(self) -> AsyncIterator[None]:
        """Write what is noted as long as the block lasts, and at its end what is left, as far as time allows."""
        try:
            async with in_background(self._keep, "journal"):
                yield
        finally:
            self._recorder.close_runs()
            with anyio.move_on_after(CLOSE_WITHIN, shield=True):
                await self._write()

    def _freeze(self, event: Event) -> None:
        """Freeze what is known. What turns bad in the same moment makes one record."""
        snapshot = self._snapshot()
        if self._flights and self._flights[-1].at == snapshot.wall:
            last = self._flights.pop()
            self._flights.append(replace(last, why=(*last.why, event.message)))
            return
        recent = self._recorder.recent
        self._flights.append(freeze(snapshot, recent, event, replica=self._replica, version=__version__))
        self._recorder.close_runs()
        self._urgent.set()

    def _put(self, entry: Entry) -> None:
        if len(self._pending) >= HELD_AT_MOST:
            self._pending.popleft()
            self.lost += 1
            self._untold += 1
        self._pending.append(entry)
        self._some.set()

    async def _keep(self) -> NoReturn:
        while True:
            await self._some.wait()
            with anyio.move_on_after(BATCH_EVERY):
                await self._urgent.wait()
            if not await self._write():
                await anyio.sleep(RETRY_EVERY)

    async def _write(self) -> bool:
        """Write everything that waits; tell whether the store has taken it."""
        self._some, self._urgent = anyio.Event(), anyio.Event()
        try:
            await self._complete_flights()
            await self._write_entries()
            await self._write_flights()
        except StoreError as error:
            self._some.set()
            self._note_failure(str(error))
            return False
        self._note_failure(None)
        return True

    async def _complete_flights(self) -> None:
        """Add what the kernel says of the gateway, as soon after the moment as can be."""
        if all(flight.gateway.figures for flight in self._flights):
            return
        try:
            figures = await anyio.to_thread.run_sync(self._figures)
        except (OSError, SidecarError) as error:
            figures = {"unreadable": str(error)}
        for place, flight in enumerate(self._flights):
            if not flight.gateway.figures:
                self._flights[place] = replace(flight, gateway=replace(flight.gateway, figures=figures))

    async def _write_entries(self) -> None:
        if not self._pending:
            return
        batch, self._pending = self._pending, deque()
        untold, self._untold = self._untold, 0
        lost = [Lost(at=batch[0].at, count=untold)] if untold else []
        taken = False
        try:
            await self._store.append(journal_of(self._replica), [*map(write_entry, [*lost, *batch])], KEPT)
            taken = True
        finally:
            if not taken:  # refused, or cancelled on the way: what is written twice, a reader counts once
                self._untold += untold
                self._pending, later = batch, self._pending
                for entry in later:
                    self._put(entry)

    async def _write_flights(self) -> None:
        for flight in tuple(self._flights):
            await self._store.append(flights_of(self._replica), [msgspec.json.encode(flight)], FLIGHTS_KEPT)
            self._flights.remove(flight)

    def _note_failure(self, why: str | None) -> None:
        """Remember whether the store takes entries; people hear of a change."""
        before, self.failing = self.failing, why
        if (before is None) == (why is None):
            return
        message = (
            f"the journal is not kept: {why}" if why else f"the journal is kept again; {self.lost} entries are lost"
        )
        severity = Severity.WARNING if why else Severity.INFO
        self._tell(Event(kind=EventKind.REMARK, at=boottime(), severity=severity, message=message))
