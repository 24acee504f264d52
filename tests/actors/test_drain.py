"""The drain's actor with a real process to drain: what it asks for, what it sends, and when it stops."""

import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
import pytest
from servers.processes import Start, freeze

from sidecar.actors.drain import drain
from sidecar.contract import GatewayPlan
from sidecar.core.drain import DrainStep
from sidecar.core.errors import IllegalTransitionError
from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import DrainPlan
from sidecar.gateway import Gateway
from sidecar.gateway.search import Pace

pytestmark = pytest.mark.anyio

QUICK = DrainPlan(lame_duck=0.0, quiesce=5.0, grace=10.0)


class Asked:
    """Grants every step but those it was told to refuse, and remembers them."""

    def __init__(self, refuse: DrainStep | None = None) -> None:
        self.refuse = refuse
        self.steps: list[DrainStep] = []
        self.details: list[str] = []

    def advance(self, step: DrainStep, detail: str) -> None:
        """Grant or refuse a step."""
        if step is self.refuse:
            raise IllegalTransitionError("called off")
        self.steps.append(step)
        self.details.append(detail)


@asynccontextmanager
async def watched(port: int) -> AsyncIterator[tuple[Gateway, GatewayProcess]]:
    """Watch the gateway on this port, and hand it out when its process is proven."""
    gateway = Gateway(GatewayPlan(port=port), Pace(eager=0.01))
    appeared = anyio.Event()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gateway.watch, lambda *_: appeared.set(), lambda _: None)
        with anyio.fail_after(20):
            await appeared.wait()
        process = gateway.process
        assert process is not None
        yield gateway, process
        tasks.cancel_scope.cancel()


async def drained(port: int, rules: DrainPlan, asked: Asked, before: Callable[[], None] = lambda: None) -> None:
    """Carry out one drain of whoever listens on the port."""
    async with watched(port) as (gateway, process):
        before()
        with anyio.fail_after(30):
            await drain(rules, process, gateway, asked.advance)


async def test_a_gateway_with_nothing_in_flight_is_asked_to_exit(free_port: int, start_listener: Start) -> None:
    """Two steps are asked for, SIGTERM is sent, and the exit ends the drain without a further step."""
    listener, asked = start_listener(free_port), Asked()
    await drained(free_port, QUICK, asked)
    assert asked.steps == [DrainStep.QUIESCE, DrainStep.SIGNAL]
    assert "nothing is in flight" in asked.details[1]
    assert listener.started.wait(timeout=10) == -signal.SIGTERM


async def test_a_refused_step_ends_the_drain_without_a_signal(free_port: int, start_listener: Start) -> None:
    """Called off before the signal: the gateway lives on."""
    listener, asked = start_listener(free_port), Asked(refuse=DrainStep.SIGNAL)
    await drained(free_port, QUICK, asked)
    assert listener.started.poll() is None


async def test_a_signal_that_is_refused_on_old_evidence_ends_the_drain(free_port: int, start_listener: Start) -> None:
    """The actor calls the drain off, so that it is not left hanging; without asking for anything further."""
    listener, asked = start_listener(free_port), Asked(refuse=DrainStep.SIGNAL)
    await drained(free_port, QUICK, asked)
    assert asked.steps == [DrainStep.QUIESCE, DrainStep.CANCEL]
    assert listener.started.poll() is None


async def test_shadow_does_everything_but_the_signal(free_port: int, start_listener: Start) -> None:
    """The drain ends where it would have sent SIGTERM, and says so."""
    listener, asked = start_listener(free_port), Asked()
    await drained(free_port, DrainPlan(shadow=True, lame_duck=0.0), asked)
    assert asked.steps == [DrainStep.QUIESCE, DrainStep.FINISH]
    assert "SIGTERM would have been sent" in asked.details[1]
    assert listener.started.poll() is None


async def test_a_gateway_that_ignores_sigterm_is_killed_when_grace_is_over(
    free_port: int, start_listener: Start
) -> None:
    """SIGKILL follows, asked for as a step of its own."""
    listener, asked = start_listener(free_port), Asked()

    await drained(free_port, DrainPlan(lame_duck=0.0, quiesce=0.0, grace=0.1), asked, lambda: freeze(listener.pid))
    assert asked.steps == [DrainStep.QUIESCE, DrainStep.SIGNAL, DrainStep.ESCALATE]
    assert listener.started.wait(timeout=10) == -signal.SIGKILL


async def test_without_escalation_a_gateway_that_ignores_sigterm_lives(free_port: int, start_listener: Start) -> None:
    """The drain ends and says that the process is still there."""
    listener, asked = start_listener(free_port), Asked()

    rules = DrainPlan(lame_duck=0.0, quiesce=0.0, grace=0.1, escalate=False)
    await drained(free_port, rules, asked, lambda: freeze(listener.pid))
    assert asked.steps[-1] is DrainStep.FINISH
    assert "escalate is false" in asked.details[-1]
    assert listener.started.poll() is None


async def test_a_connection_that_never_ends_has_a_deadline(free_port: int, start_listener: Start) -> None:
    """In-flight work is waited for until ``quiesce`` is over, not for ever, and the signal says what was left."""
    code = f"import socket; s = socket.create_connection(('127.0.0.1', {free_port})); print(flush=True); input()"
    start_listener(free_port)
    asked = Asked()
    async with await anyio.open_process([sys.executable, "-c", code]) as client:
        assert client.stdout is not None
        await client.stdout.receive()
        await drained(free_port, DrainPlan(lame_duck=0.0, quiesce=0.1), asked)
        assert client.stdin is not None
        await client.stdin.send(b"\n")
        await client.wait()
    assert "1 connections are still open" in asked.details[1]


async def test_a_process_that_is_not_the_gateway_any_more_gets_no_signal(free_port: int, start_listener: Start) -> None:
    """The order names a process; another one on the port is left alone."""
    listener, asked = start_listener(free_port), Asked()
    async with watched(free_port) as (gateway, process):
        stranger = GatewayProcess(process.boot_id, process.pid, process.start_ticks + 1, process.started)
        await drain(QUICK, stranger, gateway, asked.advance)
    assert asked.steps == [DrainStep.QUIESCE, DrainStep.SIGNAL, DrainStep.FINISH]
    assert "not known as the gateway" in asked.details[-1]
    assert listener.started.poll() is None
