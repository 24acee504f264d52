"""A held connection to the gateway's port: a tripwire for a gateway whose process cannot be watched."""

import asyncio
from collections.abc import Callable

import anyio
from msgspec import Struct

from sidecar.core.plan import GatewayPlan


class Patience(Struct, frozen=True):
    """How long connections are held, and when it is no use. Seconds."""

    again: float = 1.0
    """Before another connection is held, whatever happened to the last."""
    short: float = 60.0
    """A connection that has not lived so long says more about the gateway's habits than about its health."""
    losses: int = 3
    """So many short ones in a row, and none is held any more: the gateway lets no idle connection live."""


async def hold(plan: GatewayPlan, on_loss: Callable[[], None], patience: Patience = Patience()) -> None:  # noqa: B008
    """Hold an idle connection and tell its loss at once, then hold another; ends when that is no use.

    A loss proves nothing: servers close connections as they like. While nobody listens, it waits for somebody.
    """
    loop = asyncio.get_running_loop()
    short = 0
    while short < patience.losses:
        began = loop.time()
        if await _held(plan):
            short = short + 1 if loop.time() - began < patience.short else 0
            on_loss()
        await anyio.sleep(patience.again)


async def _held(plan: GatewayPlan) -> bool:
    """Hold one connection until anything happens on it; False if there was none to be had."""
    try:
        reader, writer = await asyncio.open_connection(plan.host, plan.port)
    except OSError:
        return False
    try:
        await reader.read(1)
    except OSError:
        return True
    finally:
        writer.transport.abort()
    return True
