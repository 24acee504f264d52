"""The held connection, on real sockets."""

import asyncio

import anyio
import pytest

from sidecar.contract import GatewayPlan
from sidecar.gateway.held import Patience, hold

pytestmark = pytest.mark.anyio

QUICK = Patience(again=0.01, short=60.0, losses=3)


class Losses:
    """Counts what is told, for a test to wait for."""

    def __init__(self) -> None:
        self.count = 0
        self.event = anyio.Event()

    def tell(self) -> None:
        """Note a loss."""
        self.count += 1
        self.event.set()


async def test_the_loss_of_the_connection_is_told_at_once() -> None:
    """The gateway goes, and its connection with it: that is told without a probe being due."""
    accepted: list[asyncio.StreamWriter] = []
    arrived = anyio.Event()

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        accepted.append(writer)
        arrived.set()

    losses = Losses()
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server, anyio.create_task_group() as tasks:
        plan = GatewayPlan(port=server.sockets[0].getsockname()[1])
        tasks.start_soon(hold, plan, losses.tell, QUICK)
        with anyio.fail_after(20):
            await arrived.wait()
            assert losses.count == 0
            accepted[0].transport.abort()
            await losses.event.wait()
        tasks.cancel_scope.cancel()
        for writer in accepted:
            writer.transport.abort()


async def test_a_gateway_that_lets_no_idle_connection_live_is_left_in_peace() -> None:
    """Who closes every connection at once is tried three times, and no storm follows."""
    accepted = 0

    async def refuse(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal accepted
        accepted += 1
        writer.close()
        await writer.wait_closed()

    losses = Losses()
    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        plan = GatewayPlan(port=server.sockets[0].getsockname()[1])
        with anyio.fail_after(20):
            await hold(plan, losses.tell, QUICK)
    assert (accepted, losses.count) == (3, 3)


async def test_while_nobody_listens_it_waits_and_tells_nothing(free_port: int) -> None:
    """A connection that could not be made was not lost."""
    losses = Losses()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(hold, GatewayPlan(port=free_port), losses.tell, QUICK)
        arrived = anyio.Event()

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set()
            writer.transport.abort()

        async with await asyncio.start_server(accept, "127.0.0.1", free_port):
            with anyio.fail_after(20):
                await arrived.wait()
                await losses.event.wait()
        tasks.cancel_scope.cancel()
    assert losses.count >= 1
