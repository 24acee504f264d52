"""Keeps what is known of releases in step with the store, and has rollbacks carried out."""

from collections import deque
from collections.abc import Callable
from functools import partial
from time import time
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from sidecar.actors.restored import confirm_restoration
from sidecar.clock import boottime
from sidecar.core.actions import BeginRollback, SaveGood, SaveHold, SaveRelease, SaveStanding, StoreAction
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import Fact, MemoryRecalled, RollbackAdvanced, StandingRecalled, TrafficMeasured
from sidecar.core.plan import Plan
from sidecar.core.releases.baseline import Baseline
from sidecar.core.releases.outlook import outlook
from sidecar.core.releases.release import JUDGED, KnownGood, ReleasePhase, ReleaseState
from sidecar.core.releases.rollback import RollbackOrder, RollbackStep
from sidecar.core.severity import Severity
from sidecar.core.state import State
from sidecar.ledger.patience import Patience
from sidecar.ledger.recall import known_as, read, remember, replaced_by
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.ledger.standing import recall_standing, save_standing
from sidecar.ledger.tidying import tidy
from sidecar.platforms.contract import Platform

if TYPE_CHECKING:
    from sidecar.actors.rollback import Rollback
    from sidecar.traffic.scraper import Scraper

SYNC_EVERY = 15.0
"""Seconds between two looks at a store that other replicas write to as well."""

SCRAPE_EVERY = 10.0
"""Seconds between two looks at the gateway's own metrics, while a release bakes."""

TIDY_EVERY = 86_400.0
"""Seconds after which the store is tidied again, and told that this replica is there still."""


class Releases:
    """The edge of the core's part about releases. ``run`` it; ``act`` carries out what the core asks for."""

    def __init__(
        self,
        plan: Plan,
        ledger: Ledger,
        *,
        platform: Platform | None,
        scraper: "Scraper | None",
        command: tuple[str, ...],
        state: Callable[[], State],
        record: Callable[[Fact], None],
        tell: Callable[[Event], None],
    ) -> None:
        self.ledger = ledger
        self._plan = plan
        self._store = ledger.store
        self._make_rollback = None if platform is None else _rollback_on(platform)
        self._scraper = scraper
        self._command = command
        self._state = state
        self._record = record
        self._tell = tell
        self._queue: deque[StoreAction] = deque()
        self._wake = anyio.Event()
        self._baking = anyio.Event()
        self._written = anyio.Event()
        self._began = time()
        self._patiently = Patience(self._say)
        self._one_at_a_time = anyio.Lock()
        """Nothing is written while the store is read: what was read would be older than what waits no more."""
        self._tasks: TaskGroup

    @property
    def is_lasting(self) -> bool:
        """What is written down survives the sidecar."""
        return self._store.lasting

    async def run(self) -> None:
        """Read the store and write to it, until cancelled."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._keep_recalling, name="recall")
            self._tasks.start_soon(self._keep_writing, name="ledger")
            if self._scraper is not None:
                self._tasks.start_soon(self._keep_scraping, self._scraper, name="traffic")

    def act(self, action: StoreAction) -> None:
        """Have this done, after everything that was asked for before."""
        if self._queue and _is_overtaken(self._queue[-1], action):
            self._queue.pop()
        self._queue.append(action)
        self._wake.set()
        if isinstance(action, SaveRelease) and action.release.phase is ReleasePhase.BAKING:
            self._baking.set()

    async def recall(self) -> None:
        """Read the store now. Raises ``StoreError``."""
        async with self._one_at_a_time:
            stored = await read(self.ledger)
        memory = remember(
            stored,
            self._plan.release.id or "",
            self.ledger.replica,
            self._state().plan.release,
            self._store.unfit,
            now=boottime(),
            wall=time(),
            deployment=self._plan.railway.deployment,
        )
        said = next((each for each in reversed(self._queue) if isinstance(each, SaveHold)), None)
        if said is not None:  # an operator's word that is not written yet stands all the same
            memory = replace(memory, hold=said.hold)
        self._record(MemoryRecalled(memory))

    async def _take_up(self) -> None:
        self._record(StandingRecalled(await recall_standing(self.ledger, self._deployment)))

    @property
    def _deployment(self) -> str | None:
        """What is deployed: by the platform's name, else by the release's."""
        return self._plan.railway.deployment or self._plan.release.id

    async def restored(self) -> KnownGood | None:
        """Tell which release this one was rolled back to; None where it was not. Raises ``StoreError``."""
        return replaced_by(await read(self.ledger), self._plan.release.id or "")

    async def flush(self, within: float) -> bool:
        """Wait until everything is written, but no longer than this; tell whether it is."""
        with anyio.move_on_after(within, shield=True):
            while self._queue:
                await self._written.wait()
        return not self._queue

    async def _keep_recalling(self) -> None:
        await self._patiently(self._take_up)
        await self._patiently(self.recall)
        self._introduce()
        if (expected := outlook(self._state().plan, self._store.unfit)) is not None:
            self._say(expected, Severity.INFO)
        self._tasks.start_soon(self._confirm, name="confirm")
        self._tasks.start_soon(self._keep_tidy, name="tidy")
        while self._store.shared:
            await anyio.sleep(SYNC_EVERY)
            await self._patiently(self.recall)

    def _introduce(self) -> None:
        """Write down that the release runs here: as what the platform and the parent know it, for a later rollback."""
        release = self._state().release
        if release is not None:
            self.act(SaveRelease(release))

    async def _confirm(self) -> None:
        await confirm_restoration(
            self._plan.release.id or "",
            self.ledger,
            began=self._began,
            within=self._state().plan.rollback.verify_within,
            is_ready=lambda: self._state().health.ready,
            patiently=self._patiently,
            tell=self._tell,
        )

    async def _keep_tidy(self) -> None:
        while True:
            sinks = tuple(self._state().plan.notify.sinks)
            await self._patiently(partial(tidy, self.ledger, self._plan.release.id, time(), sinks=sinks))
            await anyio.sleep(TIDY_EVERY)

    async def _keep_writing(self) -> None:
        while True:
            await self._wake.wait()
            self._wake = anyio.Event()
            while self._queue:
                action = self._queue[0]
                await self._patiently(partial(self._carry_out, action))
                if self._queue and self._queue[0] is action:
                    self._queue.popleft()
            self._written.set()
            self._written = anyio.Event()

    async def _carry_out(self, action: StoreAction) -> None:
        async with self._one_at_a_time:
            match action:
                case SaveRelease(release):
                    await self.ledger.save_release(await self._written_as(release))
                case SaveGood(release, samples):
                    await self._save_good(release, Baseline(release=release.id, at=time(), samples=samples))
                case SaveHold(hold):
                    await (self.ledger.save_hold(hold) if hold is not None else self.ledger.remove_hold())
                case SaveStanding(standing):
                    await save_standing(self.ledger, self._deployment, standing)
                case BeginRollback(order):
                    self._tasks.start_soon(self._roll_back, order, name="rollback")

    async def _save_good(self, release: ReleaseState, baseline: Baseline) -> None:
        await self.ledger.save_good(await self._known_as(release))
        await self.ledger.forget_rollback(release.id)
        if baseline.samples:
            await self.ledger.save_baseline(baseline)

    async def _written_as(self, release: ReleaseState) -> ReleaseRecord:
        """Give the core's state as a record, with what the platform and the parent know the release by."""
        known, lag = await self._known_as(release), time() - boottime()
        return ReleaseRecord(
            id=release.id,
            phase=release.phase,
            since=release.since + lag,
            updated=time(),
            reason=release.reason,
            by=release.by,
            served=release.served,
            schema=known.schema,
            deployments=known.deployments,
            command=known.command,
            samples=release.samples if release.phase in JUDGED else {},
            within=release.within if release.phase in JUDGED else {},
            looks=release.looks,
            unhealthy=release.unhealthy,
            restarts=release.restarts,
        )

    async def _known_as(self, release: ReleaseState) -> KnownGood:
        """Tell what the platform and the parent know a release by.

        Of one that was restored here, that is what those have written who had deployed it.
        """
        if release.id != self._plan.release.id:
            return known_as(await read(self.ledger), release.id) or KnownGood(release=release.id, at=time())
        deployment = self._plan.railway.deployment
        return KnownGood(
            release=release.id,
            at=time(),
            schema=self._plan.release.schema,
            deployments=(deployment,) if deployment is not None else (),
            command=self._command,
        )

    async def _roll_back(self, order: RollbackOrder) -> None:
        if self._make_rollback is None:
            self._advance(RollbackStep.HOLD, "rollback.platform was not set when the sidecar started")
            return
        await self._make_rollback(
            order,
            self._state().plan.rollback,
            store=self._store,
            replica=self.ledger.replica,
            advance=self._advance,
        ).run()

    def _advance(self, step: RollbackStep, detail: str) -> None:
        self._record(RollbackAdvanced(step, detail))

    async def _keep_scraping(self, scraper: "Scraper") -> None:
        while True:
            await self._baking.wait()
            self._baking = anyio.Event()
            await self._scrape(scraper)

    async def _scrape(self, scraper: "Scraper") -> None:
        """Read what the gateway measures itself as long as the release bakes; say what keeps it from being read."""
        trouble = None
        while (release := self._state().release) is not None and release.phase is ReleasePhase.BAKING:
            sample = await scraper.look()
            if sample is not None:
                self._record(TrafficMeasured(sample))
            if scraper.trouble is not None and scraper.trouble != trouble:
                self._say(f"the gateway's own metrics do not join the samples: {scraper.trouble}")
            trouble = scraper.trouble
            await anyio.sleep(SCRAPE_EVERY)

    def _say(self, message: str, severity: Severity = Severity.WARNING) -> None:
        self._tell(Event(kind=EventKind.REMARK, at=boottime(), severity=severity, message=message))


def _is_overtaken(waiting: StoreAction, action: StoreAction) -> bool:
    """Tell whether what was not written yet need not be written any more: it is said anew."""
    if isinstance(waiting, SaveRelease) and isinstance(action, SaveRelease):
        return waiting.release.id == action.release.id
    return isinstance(waiting, SaveStanding | SaveHold) and type(waiting) is type(action)


def _rollback_on(platform: Platform) -> "Callable[..., Rollback]":
    """Load at the start what only a platform needs: in the middle of a rollback, a disk that hangs would stop it."""
    from sidecar.actors.rollback import Rollback  # noqa: PLC0415

    return partial(Rollback, platform=platform)
