"""The sidecar's eyes inside somebody's own program."""

from __future__ import annotations

import asyncio
import os
from contextlib import aclosing
from typing import TYPE_CHECKING, Self

import anyio
import anyio.to_thread
from msgspec.structs import replace

from sidecar.agent import Agent, load_plan
from sidecar.clock import boottime
from sidecar.core.rules import ReleaseMode
from sidecar.core.snapshot import Snapshot, health_at
from sidecar.core.state import DeploymentStatus, Health
from sidecar.store import open_store

if TYPE_CHECKING:
    from types import TracebackType

    from sidecar.core.events import Event
    from sidecar.core.plan import Plan

_MARGIN = 1.0
"""Seconds that a verdict may come after its probe's deadline: the loop is somebody else's, and may be busy."""


class DeploymentHealthChecker:
    """Probes a deployment as long as the ``async with`` block lasts, and answers from what it knows.

    It only looks: it opens no port, obeys no signal and drains nothing, whatever the configuration says. It runs on
    asyncio, in a task of its own: the block may be entered in one task and left in another, and nothing that befalls
    the sidecar cancels the program. Should its task ever end by itself, readiness says False once the evidence is too
    old, and the error is raised when the block is left.
    """

    def __init__(self, config: str | None = None) -> None:
        """Take the configuration's path; without one ``conf/sidecar.toml`` if it is there, else the embedded default.

        It is read when the block is entered.
        """
        self._config = config
        self._entered = False
        self._task: asyncio.Task[None] | None = None
        self._snapshot: Snapshot | None = None
        self._stop: asyncio.Event
        self._all_seen: asyncio.Event

    async def __aenter__(self) -> Self:
        """Begin to probe; returns when every probe without an ``initial_delay`` has reported once.

        A probe that hangs reports at its deadline, so this takes little longer than the longest ``timeout``. Raises
        ``SidecarError`` with every problem of the configuration.
        """
        if self._entered:
            raise RuntimeError("cannot enter a DeploymentHealthChecker that is entered already: make another one")
        loop = asyncio.get_running_loop()
        self._entered = True
        try:
            plan = await anyio.to_thread.run_sync(load_plan, self._config, os.environ)
            self._stop, self._all_seen = asyncio.Event(), asyncio.Event()
            self._task = loop.create_task(self._probe(plan), name="sidecar")
            with anyio.move_on_after(max(probe.timeout for probe in plan.probes) + _MARGIN):
                await self._all_seen.wait()
            if self._task.done():
                await self._task  # it raises why
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop probing, and let go of every connection."""
        if not self._entered:
            raise RuntimeError("cannot leave a DeploymentHealthChecker that was not entered")
        await self._end()

    async def check_startup(self) -> bool:
        """Tell whether everything that has to pass once has passed."""
        return self._health().started

    async def check_readiness(self) -> bool:
        """Tell whether traffic should come; False also when the evidence is too old to say so."""
        return self._health().ready

    async def check_liveness(self) -> bool:
        """Tell whether the gateway is alive: False only when it is confirmed dead or hung."""
        return self._health().live

    def get_deployment_status(self) -> DeploymentStatus:
        """Give the status in one word."""
        return self._health().status

    def _health(self) -> Health:
        if self._snapshot is None:
            raise RuntimeError("cannot check: use `async with DeploymentHealthChecker() as checker`")
        return health_at(self._snapshot, boottime())

    async def _probe(self, plan: Plan) -> None:
        looking_only = replace(
            plan, drain=replace(plan.drain, enabled=False), release=replace(plan.release, mode=ReleaseMode.OFF)
        )
        try:
            store = open_store(plan.state, plan.server.port)
            agent = Agent(looking_only, store=store, publish=self._publish, tell=_ignore)
            async with aclosing(store), agent.running():
                await self._stop.wait()
        finally:
            self._all_seen.set()

    async def _end(self) -> None:
        task, self._task = self._task, None
        try:
            if task is not None:
                self._stop.set()
                with anyio.CancelScope(shield=True):
                    await task
        finally:
            self._entered, self._snapshot = False, None

    def _publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if all(view.check.verdict is not None or view.plan.initial_delay for view in snapshot.checks):
            self._all_seen.set()


def _ignore(event: Event) -> None:
    """Drop an event: the program that asks has a log of its own."""
