"""The sidecar's eyes inside somebody's own program."""

from __future__ import annotations

import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Self

import anyio
from msgspec.structs import replace

from sidecar.agent import Agent, load_plan
from sidecar.clock import boottime
from sidecar.core.snapshot import Snapshot, health_at
from sidecar.core.state import DeploymentStatus, Health

if TYPE_CHECKING:
    from types import TracebackType

    from sidecar.core.events import Event


class DeploymentHealthChecker:
    """Probes a deployment as long as the ``async with`` block lasts, and answers from what it knows.

    It only looks: it opens no port, obeys no signal and drains nothing, whatever the configuration says.
    """

    def __init__(self, config: str | None = None) -> None:
        """Read the configuration: this file, else ``conf/sidecar.toml`` if it is there, else the embedded default.

        Raises ``SidecarError`` with every problem in it.
        """
        plan = load_plan(config, os.environ)
        self._plan = replace(plan, drain=replace(plan.drain, enabled=False))
        self._stack: AsyncExitStack | None = None
        self._snapshot: Snapshot | None = None
        self._all_seen: anyio.Event

    async def __aenter__(self) -> Self:
        """Begin to probe; returns when every probe has reported once, which its deadline bounds."""
        self._all_seen = anyio.Event()
        agent = Agent(self._plan, publish=self._publish, tell=_ignore)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(agent.running())
            await self._all_seen.wait()
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        """Stop probing."""
        if self._stack is None:
            raise RuntimeError("cannot leave a DeploymentHealthChecker that was not entered")
        stack, self._stack = self._stack, None
        return await stack.__aexit__(kind, error, trace)

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
        if self._stack is None or self._snapshot is None:
            raise RuntimeError("cannot check: use `async with DeploymentHealthChecker() as checker`")
        return health_at(self._snapshot, boottime())

    def _publish(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        if all(view.check.verdict is not None for view in snapshot.checks):
            self._all_seen.set()


def _ignore(event: Event) -> None:
    """Drop an event: the program that asks has a log of its own."""
