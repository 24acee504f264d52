"""What an operator may ask of the running sidecar, by the control socket or by SIGHUP, and what comes of it."""

import asyncio
from collections.abc import Callable

import anyio
import anyio.to_thread
import msgspec

from sidecar import maintenance
from sidecar.agent import Agent
from sidecar.clock import boottime
from sidecar.config.shown import show_plan
from sidecar.config.units import write_duration
from sidecar.core.errors import RefusedError, SidecarError
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import DrainOrdered, MaintenanceBegun, MaintenanceEnded, TimePassed
from sidecar.core.plan import Plan
from sidecar.core.severity import Severity
from sidecar.core.state import Maintenance
from sidecar.release_orders import ReleaseOrders
from sidecar.serve import orders
from sidecar.serve.board import Board
from sidecar.serve.orders import Answer, AnyOrder
from sidecar.serve.routes import Route
from sidecar.store.contract import StoreError

_FORGOTTEN = "it will not survive a restart of the sidecar"


class Orders:
    """Carries orders out, one change at a time."""

    def __init__(
        self,
        plan: Plan,
        agent: Agent,
        board: Board,
        *,
        load: Callable[[], Plan],
        replan: Callable[[Plan], None],
        tell: Callable[[Event], None],
    ) -> None:
        """Take what there is at the start, how to read the configuration again, and who goes by it then."""
        self._first = plan
        self._agent = agent
        self._board = board
        self._load = load
        self._replan = replan
        self._tell = tell
        self._about_releases = ReleaseOrders(agent.releases, lambda: agent.tracker.state, agent.tracker.record)
        self._one_at_a_time = anyio.Lock()
        self._end: asyncio.TimerHandle | None = None

    async def carry_out(self, order: AnyOrder, by: str) -> Answer:
        """Carry out an order of the control socket."""
        match order:
            case orders.Status():
                return Answer(done=True, document=msgspec.Raw(self._board.explained(Route.READY).body))
            case orders.Config():
                return Answer(done=True, document=show_plan(self._agent.tracker.state.plan))
        async with self._one_at_a_time:
            match order:
                case orders.Drain(reason):
                    return self._drain(reason, by)
                case orders.Maintenance(reason, seconds):
                    return await self._begin_maintenance(reason, seconds, by)
                case orders.Resume(reason):
                    return await self._end_maintenance(reason, by)
                case orders.Reload():
                    return await self._reload()
                case _:
                    return await self._about_releases.carry_out(order, by)

    async def reload(self) -> None:
        """Read the configuration again, and tell what came of it."""
        async with self._one_at_a_time:
            await self._reload()

    async def recall_maintenance(self) -> None:
        """Put in force again what was said before the sidecar was restarted."""
        try:
            recalled = await maintenance.recall(self._agent.store, self._agent.replica)
        except StoreError as error:
            self._say(EventKind.REMARK, f"if there was maintenance before the restart, it is over: {error}")
            return
        if recalled is not None:
            self._put_in_force(recalled)

    def close(self) -> None:
        """Wait for no maintenance's end any more."""
        if self._end is not None:
            self._end.cancel()

    def _drain(self, reason: str, by: str) -> Answer:
        try:
            self._agent.tracker.record(DrainOrdered(reason, by))
        except RefusedError as refusal:
            return Answer(done=False, message=str(refusal))
        rules, process = self._agent.tracker.state.plan.drain, self._agent.tracker.state.drain.process
        pid = process.pid if process else "?"
        what = "would be sent (shadow)" if rules.shadow else "is sent"
        return Answer(
            done=True,
            message=f"draining process {pid}: readiness is 503; SIGTERM {what} when {rules.lame_duck:g} s of lame duck "
            f"and the work in flight are over, after {rules.lame_duck + rules.quiesce:g} s at the latest",
        )

    async def _begin_maintenance(self, reason: str, seconds: float, by: str) -> Answer:
        now = boottime()
        word = Maintenance(reason=reason, by=by, since=now, until=now + seconds)
        # First of all it holds: whether it can be kept as well, a disk may take its time to say.
        self._put_in_force(word)
        store, kept = self._agent.store, "it survives a restart of the sidecar"
        try:
            await maintenance.keep(store, self._agent.replica, word)
        except StoreError as error:
            kept = f"{_FORGOTTEN}: {error}"
            self._say(EventKind.REMARK, f"maintenance is on, but {kept}")
        if not store.lasting:
            kept = f"{_FORGOTTEN}: set state.dir or STATE_DIRECTORY"
        return Answer(
            done=True, message=f"maintenance is on for {write_duration(seconds)}: readiness 503, liveness 200; {kept}"
        )

    async def _end_maintenance(self, reason: str, by: str) -> Answer:
        was_on = self._agent.tracker.state.maintenance is not None
        self._agent.tracker.record(MaintenanceEnded(reason, by))
        self.close()
        try:
            await maintenance.forget(self._agent.store, self._agent.replica)
        except StoreError as error:
            return Answer(done=False, message=f"maintenance is off, but it may come back at a restart: {error}")
        return Answer(done=True, message="maintenance is off: the probes decide again" if was_on else "it was not on")

    def _put_in_force(self, word: Maintenance) -> None:
        self._agent.tracker.record(MaintenanceBegun(word))
        self._await_end(word)

    def _await_end(self, word: Maintenance) -> None:
        """Have the end noticed when it comes. The loop's clock may lag behind ours, so it may be too early once."""
        self.close()
        loop = asyncio.get_running_loop()

        def look() -> None:
            self._agent.tracker.record(TimePassed())
            if self._agent.tracker.state.maintenance is word:
                self._await_end(word)

        self._end = loop.call_later(max(0.0, word.until - boottime()) + 0.001, look)

    async def _reload(self) -> Answer:
        try:
            plan = await anyio.to_thread.run_sync(self._load)
        except SidecarError as error:
            message = f"cannot reload the configuration, so the one before stays in force:\n{error}"
            self._say(EventKind.RELOAD_REFUSED, message, Severity.ERROR)
            return Answer(done=False, message=message)
        self._replan(plan)
        lines = [f"configuration reloaded from {plan.source}: {', '.join(probe.name for probe in plan.probes)}"]
        for table in _fixed(self._first, plan):
            lines.append(f"[{table}] in {plan.source} has changed: that takes effect at the next start")
            self._say(EventKind.REMARK, lines[-1])
        return Answer(done=True, message="\n".join(lines))

    def _say(self, kind: EventKind, message: str, severity: Severity = Severity.WARNING) -> None:
        self._tell(Event(kind=kind, at=boottime(), severity=severity, message=message))


def _fixed(first: Plan, later: Plan) -> list[str]:
    """Name the tables that have changed since the start, but cannot take effect while the sidecar runs."""
    tables = (
        ("server", first.server != later.server),
        ("gateway", first.gateway != later.gateway),
        ("state", first.state != later.state),
        ("release", first.release.id != later.release.id),
        ("rollback", first.rollback.platform is not later.rollback.platform),
        ("railway", first.railway != later.railway),
        ("log", first.log_format is not later.log_format),
    )
    return [name for name, changed in tables if changed]
