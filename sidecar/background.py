"""A task beside a block."""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import anyio


@asynccontextmanager
async def in_background(work: Callable[[], Coroutine[Any, Any, None]], name: str) -> AsyncIterator[None]:
    """Run ``work`` as long as the block lasts.

    What the block raises comes out as it is: a task group alone would wrap it, and nobody further out would know it.
    """
    raised: Exception | None = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work, name=name)
        try:
            yield
        except Exception as error:  # noqa: BLE001 - it goes on, a few lines below
            raised = error
        tasks.cancel_scope.cancel()
    if raised is not None:
        raise raised
