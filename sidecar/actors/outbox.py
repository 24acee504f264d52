"""The messages of one sink: each is sent until it is delivered or given up, and kept in the store meanwhile.

Sending and keeping go on side by side, so that neither a store nor a sink that hangs holds up the other. What is in
memory is what counts; the store is made to say the same, as soon as it can.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from time import time

import anyio
import anyio.to_thread
import msgspec
from msgspec.structs import replace

from sidecar.clock import boottime
from sidecar.core.events import Event, EventKind
from sidecar.core.notices.notice import Notice
from sidecar.core.notices.plan import SinkPlan
from sidecar.core.notices.sink import SinkState
from sidecar.core.severity import Severity
from sidecar.sinks.contract import Sink, SinkError, deliver
from sidecar.store.contract import AGAIN_AFTER, Store, StoreError

HELD_AT_MOST = 1000
"""Messages that wait for one sink; for a further one the oldest is given up."""

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 300.0
"""Seconds after the first failed attempt, doubled with each further one; up to a half is left off, by chance."""

LONGEST_WISH = 3600.0
"""Seconds that a sink may ask us to wait."""

CLOSE_WITHIN = 1.0
"""Seconds that a sink has to close its connections."""

_ENCODER, _DECODER = msgspec.json.Encoder(), msgspec.json.Decoder(Notice)


class Outbox:
    """Takes messages by ``put``, and delivers them while ``run`` runs.

    ``changed`` is called whenever ``state`` is another; ``tell`` hears of failures, recoveries and losses.
    """

    def __init__(
        self,
        name: str,
        plan: SinkPlan,
        store: Store,
        stream: str,
        *,
        keep_trying: float,
        open_sink: Callable[[SinkPlan], Sink],
        changed: Callable[[], None],
        tell: Callable[[Event], None],
    ) -> None:
        self.plan = plan
        self.keep_trying = keep_trying
        self.state = SinkState(name=name, kind=plan.kind)
        self._store = store
        self._stream = stream
        self._open_sink = open_sink
        self._changed = changed
        self._tell = tell
        self._sink: Sink | None = None
        self._pending: dict[str, Notice] = {}
        self._to_send = asyncio.Event()
        self._to_keep = asyncio.Event()
        self._kept: dict[int, str] | None = None
        """The entries of the store's stream, as far as they are known: the message's id by number."""
        self.recalled = False
        """What was left undelivered before the sidecar was started is taken up."""
        self._scope = anyio.CancelScope()

    def put(self, notice: Notice) -> None:
        """Take a message. Never waits."""
        self._pending[notice.id] = notice
        while len(self._pending) > HELD_AT_MOST:
            self._give_up(next(iter(self._pending.values())), f"{HELD_AT_MOST} others wait")
        self._note()

    @property
    def is_settled(self) -> bool:
        """Nothing waits to be delivered, and the store says so too."""
        return self.recalled and not self._pending and self._kept == {}

    async def run(self) -> None:
        """Deliver until it is stopped."""
        with self._scope:
            try:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(self._keep, name=f"outbox {self.state.name}")
                    tasks.start_soon(self._send, name=f"sink {self.state.name}")
            finally:
                if self._sink is not None:
                    with anyio.move_on_after(CLOSE_WITHIN, shield=True), suppress(Exception):
                        await self._sink.aclose()

    def stop(self) -> tuple[Notice, ...]:
        """Deliver nothing any more; returns what is left."""
        self._scope.cancel()
        return tuple(self._pending.values())

    # Sending ----------------------------------------------------------------------------------------------------------

    async def _send(self) -> None:
        failures = 0
        while True:
            if not self._pending:
                self._to_send.clear()
                await self._to_send.wait()
            notice = next(iter(self._pending.values()))
            if time() - notice.at > self.keep_trying:
                self._give_up(notice, f"it could not be delivered within {self.keep_trying:g} s")
                self._note()
                continue
            try:
                await self._deliver(notice)
            except SinkError as error:
                failures += 1
                self._fail(notice, error)
                if error.temporary:
                    await anyio.sleep(_pause(failures, error.retry_after))
            else:
                failures = 0
                self._succeed(notice)

    async def _deliver(self, notice: Notice) -> None:
        if self._sink is None:
            self._sink = await anyio.to_thread.run_sync(self._open_sink, self.plan)
        await deliver(self._sink, notice, self.plan.timeout)

    def _succeed(self, notice: Notice) -> None:
        self._pending.pop(notice.id, None)
        state = self.state
        self.state = replace(state, delivered=state.delivered + 1, last_success=time(), failing_since=None)
        if state.failing_since is not None:
            self._say(EventKind.SINK_RECOVERED, Severity.INFO, f"sink {state.name} is reached again")
        self._note()

    def _fail(self, notice: Notice, error: SinkError) -> None:
        """Count a failure. Another message is tried next, so that one that is never taken does not hold up the rest."""
        state = self.state
        since = time() if state.failing_since is None else state.failing_since
        self.state = replace(state, failures=state.failures + 1, last_error=str(error), failing_since=since)
        if state.failing_since is None:
            self._say(EventKind.SINK_FAILING, Severity.WARNING, f"sink {state.name} fails: {error}")
        if not error.temporary:
            self._give_up(notice, f"it is refused for good: {error}")
        elif notice.id in self._pending:
            self._pending[notice.id] = self._pending.pop(notice.id)
        self._note()

    def _give_up(self, notice: Notice, why: str) -> None:
        if self._pending.pop(notice.id, None) is not None:
            self.state = replace(self.state, lost=self.state.lost + 1)
            message = f"sink {self.state.name} was not told, because {why}: {notice.what}"
            self._say(EventKind.NOTICE_LOST, Severity.ERROR, message)

    def _note(self) -> None:
        """Have others know that what is pending, or how it goes, is another."""
        self.state = replace(self.state, pending=len(self._pending))
        self._to_keep.set()
        if self._pending:
            self._to_send.set()
        self._changed()

    def _say(self, kind: EventKind, severity: Severity, message: str) -> None:
        self._tell(Event(kind=kind, at=boottime(), severity=severity, message=message))

    # Keeping ----------------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        while True:
            self._to_keep.clear()
            try:
                await self._agree()
            except StoreError:
                self._kept = None  # what has come of it nobody knows
                await anyio.sleep(AGAIN_AFTER)
            else:
                await self._to_keep.wait()

    async def _agree(self) -> None:
        """Make the stream say what is pending."""
        kept = await self._read() if self._kept is None else self._kept
        there = set(kept.values())
        missing = [notice for message_id, notice in self._pending.items() if message_id not in there]
        if missing:
            await self._store.append(self._stream, [_ENCODER.encode(notice) for notice in missing], HELD_AT_MOST)
            kept = await self._read()
        done = {number for number, message_id in kept.items() if message_id not in self._pending}
        if done:
            await self._store.drop(self._stream, sorted(done))
        self._kept = {number: message_id for number, message_id in kept.items() if number not in done}
        self._changed()

    async def _read(self) -> dict[int, str]:
        entries = {number: _decode(data) for number, data in await self._store.read(self._stream, HELD_AT_MOST)}
        if not self.recalled:
            self.recalled = True
            self._recall([notice for notice in entries.values() if notice is not None])
        return {number: notice.id if notice is not None else "" for number, notice in entries.items()}

    def _recall(self, left: list[Notice]) -> None:
        """Take up what was left undelivered before the sidecar was started, and send it first."""
        self._pending = {**{notice.id: notice for notice in left}, **self._pending}
        self._note()


def _pause(failures: int, wish: float | None) -> float:
    pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 30))
    chance = int.from_bytes(os.urandom(2)) / 0xFFFF
    return max(pause * (1.0 - chance / 2), min(wish or 0.0, LONGEST_WISH))


def _decode(data: bytes) -> Notice | None:
    """Read a message; None if another version of the sidecar has written it."""
    try:
        return _DECODER.decode(data)
    except msgspec.DecodeError:
        return None
