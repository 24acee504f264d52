"""The part of a sidecar that follows releases: the real core, its edge, and a store; nobody probes anything."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from builders import probe, process, verdict

from sidecar.clock import boottime
from sidecar.core.actions import StoreAction
from sidecar.core.events import Event
from sidecar.core.facts import Fact, GatewayAppeared, ProbeReported
from sidecar.core.plan import DrainPlan, Plan, Target
from sidecar.core.rules import PlatformKind, RailwayPlan, ReleasePlan, RollbackPlan
from sidecar.core.severity import Severity
from sidecar.core.verdict import Outcome
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.platforms.contract import Platform
from sidecar.release_orders import ReleaseOrders
from sidecar.releases import Releases
from sidecar.store.contract import Store
from sidecar.tracker import Tracker

WITHIN = 30.0
"""Seconds for anything that is waited for; only so that what hangs becomes a failing test."""

PLAN = Plan(
    probes=(probe("web", failure_threshold=1), probe("db", target=Target.UPSTREAM, failure_threshold=1)),
    drain=DrainPlan(enabled=False),
    release=ReleasePlan(id="2", bake=3600.0, start_samples=0, schema="7"),
    rollback=RollbackPlan(platform=PlatformKind.PARENT, cool_down=0.0),
    railway=RailwayPlan(deployment="d-2"),
)


class Follower:
    """Follows the release of a plan as one replica; what it takes in and says is kept."""

    def __init__(
        self,
        store: Store,
        plan: Plan = PLAN,
        *,
        replica: str = "a",
        platform: Platform | None = None,
        command: tuple[str, ...] = ("gateway",),
    ) -> None:
        self.facts: list[Fact] = []
        self.events: list[Event] = []
        self._news = anyio.Event()
        self.tracker = Tracker(
            plan, boottime, publish=lambda _: None, tell=self._hear, act=self._act, observe=self._observe
        )
        self.releases = Releases(
            plan,
            Ledger(store, replica),
            platform=platform,
            scraper=None,
            command=command,
            state=lambda: self.tracker.state,
            record=self.tracker.record,
            tell=self._hear,
        )
        self.orders = ReleaseOrders(self.releases, lambda: self.tracker.state, self.tracker.record)

    @property
    def warnings(self) -> list[str]:
        """What it was warned of."""
        return [event.message for event in self.events if event.severity is Severity.WARNING]

    def took(self, kind: type) -> list[Any]:
        """The facts of this kind that were taken in."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def serve(self) -> None:
        """Let every check pass, so that the release takes traffic."""
        self.tracker.record(GatewayAppeared(process(7)))
        for name in self.tracker.state.checks:
            self.tracker.record(ProbeReported(name, verdict(Outcome.PASS, boottime())))

    async def until(self, found: Callable[[], object]) -> None:
        """Wait until something is true after news."""
        with anyio.fail_after(WITHIN):
            while not found():
                await self._news.wait()

    async def written(self) -> dict[tuple[str, str], ReleaseRecord]:
        """Wait until everything is written; give the records by release and replica."""
        assert await self.releases.flush(WITHIN)
        return {(record.id, record.replica): record for record in await self.releases.ledger.releases()}

    def _observe(self, fact: Fact, _now: float) -> None:
        self.facts.append(fact)
        self._tell_news()

    def _hear(self, event: Event) -> None:
        self.events.append(event)
        self._tell_news()

    def _act(self, action: object) -> None:
        if isinstance(action, StoreAction):
            self.releases.act(action)

    def _tell_news(self) -> None:
        self._news.set()
        self._news = anyio.Event()


@asynccontextmanager
async def following(*args: Any, **keywords: Any) -> AsyncIterator[Follower]:
    """Let a follower read and write its store as long as the block lasts."""
    follower = Follower(*args, **keywords)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follower.releases.run)
        yield follower
        tasks.cancel_scope.cancel()
