"""The gateway is found, followed through exits and replacements, and never confused with another."""

import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace
from servers.processes import Start, freeze

from sidecar.contract import GatewayPlan, GatewayProcess
from sidecar.core.errors import SidecarError
from sidecar.gateway import Gateway, GoneError, NotProvenError
from sidecar.gateway.search import Pace

pytestmark = pytest.mark.anyio

FAST = Pace(eager=0.01, doubtful=0.02, settled=0.02)
"""So that a test does not wait for what production can."""

CONNECT_TWICE = """
import socket, sys
held = [socket.create_connection(("127.0.0.1", int(sys.argv[1]))) for _ in range(2)]
print(len(held), flush=True)
input()
"""


class Told:
    """What a watch has told, in order, for a test to wait for."""

    def __init__(self) -> None:
        self._send, self._receive = anyio.create_memory_object_stream[tuple[str, Any]](100)

    def appeared(self, process: GatewayProcess | None, reason: str | None) -> None:
        """Note who appeared."""
        assert (process is None) != (reason is None)
        self._send.send_nowait(("appeared", process) if process else ("unproven", reason))

    def gone(self, process: GatewayProcess) -> None:
        """Note who is gone."""
        self._send.send_nowait(("gone", process))

    async def next(self) -> tuple[str, Any]:
        """Wait for the next word."""
        with anyio.fail_after(20):
            return await self._receive.receive()

    async def next_appeared(self) -> GatewayProcess:
        """Wait for a proven process."""
        word, process = await self.next()
        assert word == "appeared", process
        return process

    def close(self) -> None:
        """Be sure that nothing else was told."""
        assert self._receive.statistics().current_buffer_used == 0, "something was told that nobody expected"
        self._send.close()
        self._receive.close()


@asynccontextmanager
async def watching(plan: GatewayPlan) -> AsyncIterator[tuple[Gateway, Told]]:
    """Watch with a quick pace while the test goes on."""
    gateway, told = Gateway(plan, FAST), Told()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gateway.watch, told.appeared, told.gone)
        yield gateway, told
        tasks.cancel_scope.cancel()
    assert gateway.process is None
    told.close()


async def test_a_gateway_is_found_when_it_starts_and_its_exit_is_told(free_port: int, start_listener: Start) -> None:
    """A restart is an exit and another process, each told once."""
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        for _ in range(2):
            assert gateway.process is None
            listening = start_listener(free_port)
            appeared = await told.next_appeared()
            assert appeared.pid == listening.pid
            assert gateway.process == appeared
            listening.kill()
            assert await told.next() == ("gone", appeared)


async def test_a_gateway_that_goes_into_the_background_is_followed(free_port: int, start_listener: Start) -> None:
    """The parent's exit is told, and the child that it left the listener to is the gateway from then on."""
    async with watching(GatewayPlan(port=free_port)) as (_, told):
        listening = start_listener(free_port)
        parent = await told.next_appeared()
        child = listening.ask("daemonise")["pid"]
        assert await told.next() == ("gone", parent)
        assert (await told.next_appeared()).pid == child


async def test_a_gateway_that_loses_its_port_to_another_is_replaced(free_port: int, start_listener: Start) -> None:
    """The old process lives on, so it is not gone, but nothing is sent to it any more."""
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        old = start_listener(free_port)
        before = await told.next_appeared()
        old.ask("quiet")
        new = start_listener(free_port)
        after = await told.next_appeared()
        assert (before.pid, after.pid) == (old.pid, new.pid)
        with pytest.raises(NotProvenError, match="not known as the gateway any more"):
            gateway.send(before, signal.SIGTERM)
        assert old.ask("still there?") == "still there?"


async def test_a_gateway_that_only_stops_listening_stays_the_gateway(free_port: int, start_listener: Start) -> None:
    """A server that drains closes its listener first; its exit is still awaited, and it can still be signalled."""
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        listening = start_listener(free_port)
        process = await told.next_appeared()
        listening.ask("quiet")
        gateway.send(process, signal.SIGKILL)
        assert await told.next() == ("gone", process)


async def test_a_doubt_is_told_once_and_ends_with_proof(free_port: int, start_listener: Start) -> None:
    """While two share the port nobody is the gateway; when one of them ends, the other is."""
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        one = start_listener(free_port, "--reuse-port")
        first = await told.next_appeared()
        other = start_listener(free_port, "--reuse-port")
        word, reason = await told.next()
        assert word == "unproven"
        assert "several processes" in reason
        assert gateway.process is None
        with pytest.raises(NotProvenError):
            gateway.send(first, signal.SIGTERM)
        one.kill()
        assert (await told.next_appeared()).pid == other.pid


async def test_a_signal_goes_to_the_very_process_it_was_meant_for(free_port: int, start_listener: Start) -> None:
    """A drain that was decided for one process never strikes its successor."""
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        listening = start_listener(free_port)
        process = await told.next_appeared()
        with pytest.raises(NotProvenError):
            gateway.send(replace(process, start_ticks=process.start_ticks - 1), signal.SIGTERM)
        assert listening.ask("still there?") == "still there?"
        gateway.send(process, signal.SIGTERM)
        await told.next()
        with pytest.raises(NotProvenError):
            gateway.send(process, signal.SIGTERM)
        assert listening.started.wait(10) == -signal.SIGTERM


async def test_an_exit_that_the_loop_has_not_seen_yet_already_forbids_a_signal(
    free_port: int, start_listener: Start
) -> None:
    """Between a process's end and the moment that is told, its zombie would take a signal in silence."""
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        listening = start_listener(free_port)
        process = await told.next_appeared()
        listening.kill()
        os.waitid(os.P_PID, listening.pid, os.WEXITED | os.WNOWAIT)  # noqa: ASYNC222 - the loop must not see it yet
        with pytest.raises(GoneError, match="it has exited"):
            gateway.send(process, signal.SIGTERM)
        assert await told.next() == ("gone", process)


async def test_an_exit_is_told_even_without_a_free_descriptor(free_port: int, start_listener: Start) -> None:
    """Thousands of idle connections may take every descriptor: what is known is kept, and the rest said in words."""
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        listening = start_listener(free_port)
        process = await told.next_appeared()
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (0, limit[1]))
            with pytest.raises(SidecarError, match="cannot count the connections in flight"):
                gateway.in_flight()
            listening.kill()
            assert await told.next() == ("gone", process)
            word, reason = await told.next()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limit)
        assert word == "unproven"
        assert "cannot ask who listens" in reason
        assert "Too many open files" in reason
        again = start_listener(free_port)
        assert (await told.next_appeared()).pid == again.pid


async def test_any_number_may_wait_for_the_gateway_to_go(free_port: int, start_listener: Start) -> None:
    """Every waiter returns at the exit."""
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        listening = start_listener(free_port)
        await told.next_appeared()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as waiters:
                for _ in range(3):
                    waiters.start_soon(gateway.wait_gone)
                await anyio.lowlevel.checkpoint()
                listening.kill()
        await told.next()


async def test_an_unproven_gateway_is_gone_when_nobody_serves(free_port: int, start_listener: Start) -> None:
    """Without a process to watch, the listener and the connections that are left tell."""
    async with watching(GatewayPlan(port=free_port)) as (gateway, told):
        pair = [start_listener(free_port, "--reuse-port") for _ in range(2)]
        while gateway.process is not None or (await told.next())[0] != "unproven":
            await anyio.lowlevel.checkpoint()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as waiters:
                waiters.start_soon(gateway.wait_gone)
                for listening in pair:
                    freeze(listening.pid)  # neither can be proven alone before the other is dead
                for listening in pair:
                    listening.kill()
        tail = []
        while told._receive.statistics().current_buffer_used:
            tail.append(await told.next())
        assert all(word in ("appeared", "gone") for word, _ in tail)


async def test_our_own_connections_are_not_in_flight(free_port: int, start_listener: Start) -> None:
    """What the probes themselves have open keeps nobody from draining."""
    start_listener(free_port)
    gateway = Gateway(GatewayPlan(port=free_port), FAST)
    assert gateway.in_flight() == 0
    with socket.create_connection(("127.0.0.1", free_port)):
        assert gateway.in_flight() == 0
        command = [sys.executable, "-c", CONNECT_TWICE, str(free_port)]
        async with await anyio.open_process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as client:
            assert (await client.stdout.receive()).startswith(b"2")
            assert gateway.in_flight() == 2
            client.kill()
