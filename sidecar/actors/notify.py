"""Tells people: from events to notices by the pure core, and from there to the outbox of each sink that wants them."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from time import time
from typing import TYPE_CHECKING

import anyio
import msgspec
from anyio.abc import TaskGroup
from msgspec.structs import replace

from sidecar.clock import boottime
from sidecar.core.events import Event, EventKind
from sidecar.core.notices.notice import Notice, Teller, wants
from sidecar.core.notices.plan import SinkPlan
from sidecar.core.notices.sink import SinkState
from sidecar.core.notices.telling import Telling, due, next_due, step
from sidecar.core.plan import Plan
from sidecar.core.severity import Severity
from sidecar.ledger.records import Ledger
from sidecar.store import replica_name, replica_of
from sidecar.store.contract import AGAIN_AFTER, Store, StoreError
from sidecar.store.streams import notices_of, outbox_of

if TYPE_CHECKING:
    from sidecar.actors.outbox import Outbox

HEARD_AT_MOST = 1000
"""Events that wait to be looked at, while the store is asked at the start; of more the oldest are forgotten."""

RECALL_WITHIN = 2.0
"""Seconds that the store has at the start: messages wait for it."""

LOOK_AFTER = 3600.0
"""Seconds after which the wall clock is looked at again, whatever there is to come: somebody may have set it."""


class Notifier:
    """Hears events by ``tell``, and sends what follows while ``run`` runs.

    ``running`` names the release that runs; ``publish`` gets how it goes with the sinks, whenever that is another;
    ``log`` hears of sinks that fail, and must not lead back here.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        *,
        running: Callable[[], str | None],
        publish: Callable[[tuple[SinkState, ...]], None],
        log: Callable[[Event], None],
    ) -> None:
        self._replica = replica_of(plan.state, plan.server.port)
        self._memory = notices_of(self._replica)
        self._store = store
        self._publish = publish
        self._log = log
        self._rules = teller_of(plan)
        self._running = running
        self._telling = Telling()
        self._heard: deque[tuple[Event, float]] = deque(maxlen=HEARD_AT_MOST)
        self._wake = asyncio.Event()
        self._to_keep = asyncio.Event()
        self._progress = asyncio.Event()
        self._outboxes: dict[str, Outbox] = {}
        self._tasks: TaskGroup | None = None
        self._estates = anyio.CancelScope()
        self._set_up(plan)

    def tell(self, event: Event) -> None:
        """Hear of an event. Never waits, and never fails."""
        if self._outboxes:
            self._heard.append((event, time()))
            self._wake.set()

    def replan(self, plan: Plan) -> None:
        """Go by new rules; sinks whose table has changed are opened anew, and what waits for them goes on waiting."""
        self._rules = teller_of(plan)
        self._set_up(plan)
        self._estates.cancel()
        self._wake.set()

    async def run(self) -> None:
        """Send until it is cancelled. What is not delivered by then is in the store."""
        async with anyio.create_task_group() as self._tasks:
            for outbox in self._outboxes.values():
                self._tasks.start_soon(outbox.run)
            self._show()
            self._tasks.start_soon(self._narrate, name="notices")
            self._tasks.start_soon(self._keep, name="notices' memory")
            if self._store.shared:
                self._tasks.start_soon(self._settle_estates, name="estates")

    async def finish(self, within: float) -> None:
        """Wait until everything is told, but no longer than this, and not for sinks that fail."""
        with anyio.move_on_after(within):
            while self._heard or any(each.pending and each.failing_since is None for each in self._states()):
                self._progress.clear()
                await self._progress.wait()

    def _set_up(self, plan: Plan) -> None:
        rules, left = plan.notify, {}
        for name, outbox in list(self._outboxes.items()):
            outbox.keep_trying = rules.keep_trying
            if rules.sinks.get(name) != outbox.plan:
                left[name] = self._outboxes.pop(name).stop()
        for name, sink in rules.sinks.items():
            if name not in self._outboxes:
                outbox = self._outboxes[name] = self._make_outbox(name, sink, self._replica, self._show)
                for notice in left.get(name, ()):
                    outbox.put(notice)
                if self._tasks is not None:
                    self._tasks.start_soon(outbox.run)
        self._show()

    def _make_outbox(self, name: str, sink: SinkPlan, replica: str, changed: Callable[[], None]) -> "Outbox":
        from sidecar.actors.outbox import Outbox  # noqa: PLC0415 - as every sink, only where one is configured
        from sidecar.sinks.opening import open_sink  # noqa: PLC0415

        return Outbox(
            name,
            sink,
            self._store,
            outbox_of(replica, name),
            keep_trying=self._rules.rules.keep_trying,
            open_sink=open_sink,
            changed=changed,
            tell=self._log,
        )

    async def _narrate(self) -> None:
        await self._wake.wait()  # what was told before matters to what is told next, and perhaps nobody is to be told
        await self._recall()
        while True:
            self._wake.clear()
            while self._heard:
                event, at = self._heard.popleft()
                self._take(*step(self._telling, event, at, self._teller))
            self._take(*due(self._telling, time(), self._teller))
            self._progress.set()
            moment = next_due(self._telling, time(), self._teller)
            with anyio.move_on_after(LOOK_AFTER if moment is None else min(LOOK_AFTER, max(0.0, moment - time()))):
                await self._wake.wait()

    def _take(self, telling: Telling, notices: Iterable[Notice]) -> None:
        if telling != self._telling:
            self._telling = telling
            self._to_keep.set()
        for notice in notices:
            for outbox in self._outboxes.values():
                if wants(outbox.plan, notice):
                    outbox.put(notice)

    async def _recall(self) -> None:
        """Remember what people were told before the sidecar was started; without it they may be told once more."""
        data = None
        try:
            with anyio.move_on_after(RECALL_WITHIN):
                data = await self._store.get(self._memory)
            self._telling = Telling() if data is None else msgspec.json.decode(data, type=Telling)
        except (StoreError, msgspec.DecodeError) as error:
            self._telling = Telling()
            message = f"what people were told before the restart is forgotten: {error}"
            self._log(Event(kind=EventKind.REMARK, at=boottime(), severity=Severity.WARNING, message=message))

    async def _keep(self) -> None:
        while True:
            await self._to_keep.wait()
            self._to_keep.clear()
            try:
                await self._store.put(self._memory, msgspec.json.encode(self._telling))
            except StoreError:
                self._to_keep.set()
                await anyio.sleep(AGAIN_AFTER)

    async def _settle_estates(self) -> None:
        """See to what other replicas have left, as soon as there is anybody to be told."""
        while not self._outboxes:  # noqa: ASYNC110 - a reload may bring the first, perhaps never
            await anyio.sleep(AGAIN_AFTER)
        from sidecar.actors.estate import settle_estates  # noqa: PLC0415 - only where replicas share a store

        ledger = Ledger(self._store, self._replica)
        while True:  # anew after a reload: what is not delivered yet may have to go elsewhere
            with anyio.CancelScope() as self._estates:
                await settle_estates(ledger, teller=lambda: self._teller, make_outbox=self._make_outbox)

    @property
    def _teller(self) -> Teller:
        return replace(self._rules, release=self._running())

    def _states(self) -> tuple[SinkState, ...]:
        return tuple(outbox.state for outbox in self._outboxes.values())

    def _show(self) -> None:
        self._progress.set()
        self._publish(self._states())


def teller_of(plan: Plan) -> Teller:
    """Take out of a plan what is needed to tell."""
    return Teller(
        replica=replica_name(plan.state, plan.server.port),
        release=plan.release.id,
        rules=plan.notify,
        probes=frozenset(probe.name for probe in plan.probes),
        secrets=plan.secrets,
    )
