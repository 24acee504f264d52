"""The composition root: which parts there are, and who hears of what."""

import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from sidecar import USER_AGENT
from sidecar.actors.drain import drain
from sidecar.actors.hook import Hook
from sidecar.actors.parent import Parent
from sidecar.clock import boottime
from sidecar.config import load
from sidecar.configfile import read_config
from sidecar.contract import Probe
from sidecar.core.actions import (
    Action,
    BeginDrain,
    BeginRollback,
    CancelDrain,
    CancelStart,
    EndChild,
    GiveUp,
    ProbeNow,
    SaveGood,
    SaveHold,
    SaveRelease,
    SaveStanding,
    StartChild,
)
from sidecar.core.drain import DrainStep
from sidecar.core.errors import RefusedError
from sidecar.core.events import Event
from sidecar.core.facts import (
    DrainAdvanced,
    Fact,
    GatewayAppeared,
    GatewayExited,
    ObserverLate,
    ProbeReported,
    ReplacementOrdered,
    Replanned,
)
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import Plan, ProbePlan, Target
from sidecar.core.policy import refuse_replacement
from sidecar.core.rules import PlatformKind
from sidecar.core.snapshot import Snapshot
from sidecar.core.verdict import Verdict
from sidecar.engine import Engine
from sidecar.gateway import Gateway
from sidecar.gateway.child import Command
from sidecar.gateway.held import hold
from sidecar.ledger.records import Ledger
from sidecar.memo import StoreMemo
from sidecar.platforms import open_platform
from sidecar.platforms.contract import Platform
from sidecar.platforms.parent import ParentPlatform
from sidecar.registry import known_kinds, load_kind, make_probe
from sidecar.releases import Releases
from sidecar.store import replica_of
from sidecar.store.contract import Store, StoreError
from sidecar.tracker import Tracker

if TYPE_CHECKING:
    from sidecar.traffic.scraper import Scraper

RECALL_WITHIN = 5.0
"""Seconds that the store has to tell whether this release was rolled back; then it is started as it is."""

FLUSH_WITHIN = 2.0
"""Seconds to write down at the end what is not written yet."""


class Agent:
    """The parts that find out and decide, tied together. ``running`` brings them to life."""

    def __init__(
        self,
        plan: Plan,
        *,
        store: Store,
        publish: Callable[[Snapshot], None],
        tell: Callable[[Event], None],
        command: Command | None = None,
        observe: Callable[[Fact, float], None] = lambda _fact, _now: None,
    ) -> None:
        """Take what to do with what comes of it, the command of parent mode, and where to keep what must survive.

        Raises ``SidecarError`` when the platform that the plan names cannot be used.
        """
        self.store = store
        self.replica = replica_of(plan.state, plan.server.port)
        self.gateway = Gateway(plan.gateway)
        self.tracker = Tracker(plan, boottime, publish=publish, tell=tell, act=self._act, observe=observe)
        self.parent = None
        if command is not None:
            self.parent = Parent(
                command, self.gateway, was_asked=self._has_asked, record=self.tracker.record, tell=tell
            )
        self.releases = self._follow_releases(plan, command, tell)
        self.given_up = anyio.Event()
        """Set when the gateway crashes too often; ``exit_status`` is then what to end with."""
        self.exit_status = 0
        self._hook = Hook(plan.gateway, USER_AGENT, tell)
        self._plan = plan
        self._drain_scope = anyio.CancelScope()
        self._start_scope = anyio.CancelScope()
        self._held_scope = anyio.CancelScope()
        self._watching = False
        self._tasks: TaskGroup
        self._engine = Engine(
            make_probe=self._make_probe,
            report=self._report,
            delay=self.tracker.delay,
            late=self._late,
            note_lag=self.tracker.note_lag,
            clock=boottime,
            seed=int.from_bytes(os.urandom(4)),
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Probe, watch and drain until the block is left.

        A command is started first and is gone at the end, whatever happens. Raises ``CommandError``.
        """
        if self.parent is None:
            async with self._probing():
                yield
            return
        await self._choose_command(self.parent)
        self.parent.start()
        try:
            async with self._probing():
                yield
        finally:
            with anyio.CancelScope(shield=True):
                await self.parent.finish()

    async def _choose_command(self, parent: Parent) -> None:
        """Start the earlier release at once where this one was rolled back: one that is known to be bad is not."""
        if self._plan.rollback.platform is not PlatformKind.PARENT:
            return
        with anyio.move_on_after(RECALL_WITHIN), suppress(StoreError):
            target = await self.releases.restored()
            if target is not None and target.command:
                parent.replace(target.command)

    @asynccontextmanager
    async def _probing(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as self._tasks:
            if self.parent is not None:
                self._tasks.start_soon(self.parent.reap, name="orphans")
            self._tasks.start_soon(self.releases.run, name="releases")
            # The watch comes first: a probe of the gateway's process needs to know whom to look at.
            self._watch_gateway()
            async with self._engine:
                self._engine.replan(self._plan)
                yield
            await self.releases.flush(FLUSH_WITHIN)
            self._tasks.cancel_scope.cancel()

    async def gateway_gone(self) -> None:
        """Return when the gateway is gone; at once where none is watched."""
        self._held_scope.cancel()  # a server that is stopping may wait for every connection to end
        if self._watching:
            await self.gateway.wait_gone()

    def beat(self, name: str, credential: bytes) -> bool:
        """Hand a report over to the probe of this name; tell whether it took it."""
        return self._engine.beat(name, credential)

    def replan(self, plan: Plan) -> None:
        """Put a new plan in force. The ports, the gateway's place and the release stay what they were at the start."""
        release = replace(plan.release, id=self._plan.release.id)
        self._plan = replace(plan, server=self._plan.server, gateway=self._plan.gateway, release=release)
        self.tracker.record(Replanned(self._plan))
        self._watch_gateway()
        self._engine.replan(self._plan)

    def _watch_gateway(self) -> None:
        """Begin to watch the gateway's process as soon as a probe looks at the gateway."""
        if not self._watching and self._plan.watches_gateway:
            self._watching = True
            self._tasks.start_soon(self.gateway.watch, self._appeared, self._exited, name="gateway watch")

    def _make_probe(self, probe: ProbePlan, look_again: Callable[[], None]) -> Probe[Any]:
        memo = StoreMemo(self.store, self.replica, probe.name)
        return make_probe(probe, self._plan, memo, lambda: self.gateway.process, look_again)

    def _report(self, probe: ProbePlan, verdict: Verdict) -> None:
        self.tracker.record(ProbeReported(probe.name, verdict))

    def _late(self, lag: float) -> None:
        self.tracker.record(ObserverLate(lag))

    def _appeared(self, process: GatewayProcess | None, unproven: str | None) -> None:
        self.tracker.record(GatewayAppeared(process, unproven))
        self._held_scope.cancel()
        if process is None and self.parent is None and self._plan.gateway.tripwire:
            # The exit of a process that is not proven tells nobody; the loss of a connection to it may.
            self._held_scope = anyio.CancelScope()
            self._tasks.start_soon(self._hold_connection, self._held_scope, name="held connection")

    async def _hold_connection(self, scope: anyio.CancelScope) -> None:
        with scope:
            await hold(self._plan.gateway, lambda: self._engine.probe_now(Target.GATEWAY))

    def _exited(self, process: GatewayProcess) -> None:
        self.tracker.record(GatewayExited(process))

    def _act(self, action: Action) -> None:
        match action:
            case ProbeNow(target):
                self._engine.probe_now(target)
            case BeginDrain():
                # Of the drain before: where the gateway's exit has ended it, its actor may still be waiting.
                self._drain_scope.cancel()
                self._drain_scope = anyio.CancelScope()
                self._tasks.start_soon(self._drain, action, self._drain_scope, name="drain")
                self._tasks.start_soon(self._hook.begin, self._plan.drain, name="drain hook")
            case CancelDrain():
                self._drain_scope.cancel()
                if not self.tracker.state.stopping:
                    self._tasks.start_soon(self._hook.call_off, name="drain hook")
            case EndChild():
                self._tasks.start_soon(self._end_child, name="end of the command")
            case StartChild(pause):
                self._start_scope = anyio.CancelScope()
                self._tasks.start_soon(self._start_again, pause, self._start_scope, name="start again")
            case CancelStart():
                self._start_scope.cancel()
            case GiveUp(status):
                self.exit_status = status
                self.given_up.set()
            case SaveRelease() | SaveGood() | SaveHold() | SaveStanding() | BeginRollback():
                self.releases.act(action)

    def _follow_releases(self, plan: Plan, command: Command | None, tell: Callable[[Event], None]) -> Releases:
        return Releases(
            plan,
            Ledger(self.store, self.replica),
            platform=open_platform(plan, user_agent=USER_AGENT, parent=self._as_platform()),
            scraper=_scraper_of(plan),
            command=tuple(command.arguments) if command else (),
            state=lambda: self.tracker.state,
            record=self.tracker.record,
            tell=tell,
        )

    def _as_platform(self) -> Platform | None:
        """Give the parent as what restores an earlier release; None beside a gateway that somebody else has started."""
        parent = self.parent
        if parent is None:
            return None
        return ParentPlatform(
            require=self._require_command,
            replace=self._replace_command,
            running=lambda: parent.arguments,
            is_ready=lambda: self.tracker.state.health.ready,
        )

    def _require_command(self, arguments: Sequence[str]) -> None:
        """Raise ``SidecarError`` where this command cannot take the place of the one that runs."""
        assert self.parent is not None  # noqa: S101 - only a parent is asked
        if (why := refuse_replacement(self.tracker.state)) is not None:
            raise RefusedError(f"cannot end the gateway: {why}")
        self.parent.require(arguments)

    def _replace_command(self, arguments: Sequence[str]) -> None:
        """Drain what runs, and have another command started in its place. Raises ``RefusedError``."""
        assert self.parent is not None  # noqa: S101 - only a parent is asked
        self.tracker.record(ReplacementOrdered("an earlier release takes its place"))
        self.parent.replace(arguments)

    def _has_asked(self) -> bool:
        """Tell whether the end of the command, past or to come, is wanted."""
        return self.tracker.state.child.asked or self.tracker.state.stopping

    async def _end_child(self) -> None:
        assert self.parent is not None  # noqa: S101 - who is asked to end has started before
        await self.parent.end(self._plan.drain)

    async def _start_again(self, pause: float, scope: anyio.CancelScope) -> None:
        assert self.parent is not None  # noqa: S101 - who is asked to start again has started before
        with scope:
            await self.parent.start_again(pause)

    async def _drain(self, order: BeginDrain, scope: anyio.CancelScope) -> None:
        def advance(step: DrainStep, detail: str) -> None:
            self.tracker.record(DrainAdvanced(step, detail))

        with scope:
            await drain(self._plan.drain, order.process, self.gateway, advance)


def _scraper_of(plan: Plan) -> "Scraper | None":
    rules = plan.release
    if not rules.metrics:
        return None
    from sidecar.traffic.scraper import Scraper  # noqa: PLC0415 - only where it is configured

    return Scraper(rules.metrics, rules, plan.gateway, user_agent=USER_AGENT, secrets=plan.secrets)


def load_plan(path: str | None, environ: Mapping[str, str]) -> Plan:
    """Read the configuration into a plan; raises ``SidecarError`` with every problem in it."""
    text, source = read_config(path, environ)
    return load(text, environ, load_kind=load_kind, known_kinds=known_kinds, source=source)
