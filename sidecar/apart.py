"""Somebody else's probe, in tasks of its own: one that swallows its cancellation keeps nobody waiting."""

import asyncio
from typing import Any

from sidecar.contract import Evidence, Outcome, Probe, ProbeFailure, Run, Setting
from sidecar.underway import mark_seen

PATIENCE = 0.5
"""Seconds that a look which was cut off has to end, as far as the next one's deadline allows."""


class Apart(Probe[Any]):
    """Looks as another probe does, and ends when it is cut off, whatever that one does. At most one look goes on."""

    def __init__(self, spec: Any, setting: Setting, probe: Probe[Any]) -> None:
        super().__init__(spec, setting)
        self._probe = probe
        self._patience = min(PATIENCE, setting.timeout / 2)
        self._look: asyncio.Task[None] | None = None

    async def observe(self, run: Run) -> None:
        """Look, unless the look before still goes on."""
        if not await self._has_ended():
            raise ProbeFailure(
                "the look before has ended",
                "it goes on past its deadline: the probe swallows its cancellation",
                otherwise=Outcome.UNKNOWN,
                evidence=Evidence.OBSERVER,
            )
        self._look = asyncio.create_task(self._probe.observe(run))
        await _outcome(self._look)

    def beat(self, credential: bytes) -> bool:
        """Hand the report on."""
        return self._probe.beat(credential)

    async def aclose(self) -> None:
        """Let the probe let go of what it holds, if it does in time."""
        await self._has_ended()
        await _outcome(asyncio.create_task(self._probe.aclose()))

    async def _has_ended(self) -> bool:
        if self._look is not None:
            await asyncio.wait([self._look], timeout=self._patience)
        return self._look is None or self._look.done()


async def _outcome(task: "asyncio.Task[None]") -> None:
    """Wait for a task and raise what it raises. Cut off, cancel it, and do not wait for what comes of that."""
    task.add_done_callback(mark_seen)
    try:
        await asyncio.wait([task])
    finally:
        task.cancel()
    if task.cancelled():
        raise RuntimeError("it has cancelled itself")
    task.result()
