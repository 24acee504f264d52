"""The composition root: which parts there are, and who hears of what."""

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup
from msgspec.structs import replace

from sidecar import __version__
from sidecar.actors.drain import drain
from sidecar.actors.parent import Parent
from sidecar.clock import boottime
from sidecar.config import load
from sidecar.configfile import read_config
from sidecar.contract import Evidence, Outcome, Probe, Run, Setting
from sidecar.core.drain import DrainStep
from sidecar.core.events import (
    Action,
    BeginDrain,
    CancelDrain,
    CancelStart,
    DrainAdvanced,
    Event,
    GatewayAppeared,
    GatewayExited,
    GiveUp,
    ObserverLate,
    ProbeNow,
    ProbeReported,
    Replanned,
    StartChild,
)
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import Plan, ProbePlan, Target
from sidecar.core.snapshot import Snapshot
from sidecar.core.verdict import Verdict
from sidecar.engine import Engine
from sidecar.gateway import Gateway
from sidecar.gateway.child import Command
from sidecar.gateway.held import hold
from sidecar.memo import memo_of
from sidecar.registry import known_kinds, load_kind
from sidecar.tracker import Tracker

USER_AGENT = f"mcp-gateway-sidecar/{__version__}"


class Agent:
    """The parts that find out and decide, tied together. ``running`` brings them to life."""

    def __init__(
        self,
        plan: Plan,
        *,
        publish: Callable[[Snapshot], None],
        tell: Callable[[Event], None],
        command: Command | None = None,
    ) -> None:
        self.gateway = Gateway(plan.gateway)
        self.tracker = Tracker(plan, boottime, publish=publish, tell=tell, act=self._act)
        self.parent = None
        if command is not None:
            self.parent = Parent(command, self.gateway, record=self.tracker.record, tell=tell)
        self.given_up = anyio.Event()
        """Set when the gateway crashes too often; ``exit_status`` is then what to end with."""
        self.exit_status = 0
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
        self.parent.start()
        try:
            async with self._probing():
                yield
        finally:
            with anyio.CancelScope(shield=True):
                await self.parent.finish()

    @asynccontextmanager
    async def _probing(self) -> AsyncIterator[None]:
        async with anyio.create_task_group() as self._tasks:
            if self.parent is not None:
                self._tasks.start_soon(self.parent.reap, name="orphans")
            # The watch comes first: a probe of the gateway's process needs to know whom to look at.
            self._watch_gateway()
            async with self._engine:
                self._engine.replan(self._plan)
                yield
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
        """Put a new plan in force. The ports and the gateway's place stay what they were at the start."""
        self._plan = replace(plan, server=self._plan.server, gateway=self._plan.gateway)
        self.tracker.record(Replanned(self._plan))
        self._watch_gateway()
        self._engine.replan(self._plan)

    def _watch_gateway(self) -> None:
        """Begin to watch the gateway's process as soon as a probe looks at the gateway."""
        if not self._watching and self._plan.watches_gateway:
            self._watching = True
            self._tasks.start_soon(self.gateway.watch, self._appeared, self._exited, name="gateway watch")

    def _make_probe(self, probe: ProbePlan, look_again: Callable[[], None]) -> Probe[Any]:
        return make_probe(probe, self._plan, lambda: self.gateway.process, look_again)

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
            case CancelDrain():
                self._drain_scope.cancel()
            case StartChild(pause):
                self._start_scope = anyio.CancelScope()
                self._tasks.start_soon(self._start_again, pause, self._start_scope, name="start again")
            case CancelStart():
                self._start_scope.cancel()
            case GiveUp(status):
                self.exit_status = status
                self.given_up.set()

    async def _start_again(self, pause: float, scope: anyio.CancelScope) -> None:
        assert self.parent is not None  # noqa: S101 - who is asked to start again has started before
        with scope:
            await self.parent.start_again(pause)

    async def _drain(self, order: BeginDrain, scope: anyio.CancelScope) -> None:
        def advance(step: DrainStep, detail: str) -> None:
            self.tracker.record(DrainAdvanced(step, detail))

        with scope:
            await drain(self._plan.drain, order.process, self.gateway, advance)


def make_probe(
    probe: ProbePlan,
    plan: Plan,
    process: Callable[[], GatewayProcess | None],
    look_again: Callable[[], None] = lambda: None,
) -> Probe[Any]:
    """Make one probe of a plan."""
    kind = load_kind(probe.kind)
    if kind is None:
        raise LookupError(f"no probe kind {probe.kind!r}, although the plan was accepted with it")
    setting = Setting(
        name=probe.name,
        timeout=probe.timeout,
        gateway=plan.gateway,
        gateway_process=process,
        user_agent=USER_AGENT,
        look_again=look_again,
        memo=memo_of(probe.name, plan.state.dir),
    )
    try:
        return kind.probe(probe.spec, setting)
    except Exception as error:  # noqa: BLE001 - a kind is anybody's code, and its accidents are its own
        return _Broken(probe.spec, setting, f"{type(error).__name__}: {error}")


class _Broken(Probe[Any]):
    """Stands for a probe that could not be made: like any broken probe it says nothing about its target."""

    def __init__(self, spec: Any, setting: Setting, why: str) -> None:
        super().__init__(spec, setting)
        self._why = why

    async def observe(self, run: Run) -> None:
        run.expect("the probe can be made", self._why, False, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)


def load_plan(path: str | None, environ: Mapping[str, str]) -> Plan:
    """Read the configuration into a plan; raises ``SidecarError`` with every problem in it."""
    text, source = read_config(path, environ)
    return load(text, environ, load_kind=load_kind, known_kinds=known_kinds, source=source)
