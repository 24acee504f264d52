"""The health port: where it listens, what it says when it cannot, and how it closes."""

import errno
import os
import resource
import socket
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path

import anyio
import pytest
from serve.client import ask, connected, read_reply, request
from serve.situations import ready

from sidecar.core.errors import SidecarError
from sidecar.core.plan import ServerPlan
from sidecar.serve.listener import listen

pytestmark = pytest.mark.anyio


@pytest.fixture
def open_files():
    """Put the limit of open files back afterwards."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_both_families_are_served_on_one_port():
    """Without a host, IPv4 and IPv6 are answered on the same port, also when it was chosen freely."""
    async with listen(ServerPlan(max_connections=64), ready().board, port=0) as listening:
        assert listening.urls == (f"http://127.0.0.1:{listening.port}", f"http://[::1]:{listening.port}")
        assert listening.warnings == ()
        for host in ("127.0.0.1", "::1"):
            assert (await ask(listening.port, host=host)).status == 200


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]"), ("127.0.0.9", "127.0.0.9")])
async def test_one_host_is_served_alone(host, shown):
    """With a host, nothing but this address is bound."""
    async with listen(ServerPlan(host=host), ready().board, port=0) as listening:
        assert listening.urls == (f"http://{shown}:{listening.port}",)
        assert (await ask(listening.port, host=host)).status == 200
        with pytest.raises(OSError, match="Connect call failed"):
            await ask(listening.port, host="127.0.0.2")


async def test_a_name_is_resolved():
    """A host may be a name; every address it has is bound."""
    async with listen(ServerPlan(host="localhost"), ready().board, port=0) as listening:
        assert (await ask(listening.port, host="127.0.0.1")).status == 200


@pytest.mark.parametrize("number", [errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL])
async def test_without_ipv6_there_is_ipv4_and_a_warning(monkeypatch, number):
    """A machine without IPv6, compiled out or disabled, is served on IPv4 alone, and the operator is told."""

    class WithoutIPv6(socket.socket):
        def __init__(self, family=-1, *args, **more):
            if family == socket.AF_INET6 and number == errno.EAFNOSUPPORT:
                raise OSError(number, "Address family not supported by protocol")
            super().__init__(family, *args, **more)

        def bind(self, address):
            if self.family == socket.AF_INET6:
                raise OSError(number, "Cannot assign requested address")
            super().bind(address)

    with monkeypatch.context() as patched:
        patched.setattr("sidecar.serve.sockets.socket.socket", WithoutIPv6)
        context = listen(ServerPlan(max_connections=64), ready().board, port=0)
        listening = await context.__aenter__()
    try:
        assert listening.urls == (f"http://127.0.0.1:{listening.port}",)
        assert listening.warnings == ("there is no IPv6 on this machine: the health port answers on IPv4 alone",)
        assert (await ask(listening.port)).status == 200
    finally:
        await context.__aexit__(None, None, None)


@pytest.mark.parametrize("host", [None, "127.0.0.1"])
async def test_a_port_that_is_taken_is_named(free_port, host):
    """When another program has the port, the error names it and says what to do."""
    said = "another program listens there already; stop it, or choose another port"
    with socket.create_server(("127.0.0.1", free_port)), pytest.raises(SidecarError, match=said) as caught:
        async with listen(ServerPlan(host=host, port=free_port), ready().board):
            pass
    assert f"port {free_port}" in str(caught.value)


async def test_nothing_stays_bound_when_one_family_is_taken(free_port):
    """When only IPv6 is taken, the IPv4 socket that was opened already is closed again."""
    with socket.create_server(("::1", free_port), family=socket.AF_INET6):
        with pytest.raises(SidecarError):
            async with listen(ServerPlan(port=free_port), ready().board):
                pass
        with socket.create_server(("127.0.0.1", free_port)):
            pass


async def test_an_address_of_another_machine_is_refused():
    """An address that this machine does not have is named, with what to do (192.0.2.0/24 is nobody's, RFC 5737)."""
    with pytest.raises(
        SidecarError, match=r"cannot listen on 192\.0\.2\.1, port 9000: this machine has no such address"
    ):
        async with listen(ServerPlan(host="192.0.2.1"), ready().board):
            pass


@pytest.mark.parametrize("host", ["no-such-name.invalid", "a" * 70, "."])
async def test_a_name_without_an_address_is_refused(host):
    """A host that does not resolve is an error for people."""
    with pytest.raises(SidecarError, match="has no address"):
        async with listen(ServerPlan(host=host), ready().board):
            pass


async def test_every_connection_is_closed_in_the_end(free_port):
    """After the block the port is free, and idle, half-sent and unread connections are all closed."""
    async with AsyncExitStack() as clients:
        async with listen(ServerPlan(host="127.0.0.1", port=free_port), ready().board):
            readers = []
            for said in (b"", b"GET /health HTTP", request(), request() * 50_000):
                reader, writer = await clients.enter_async_context(connected(free_port))
                writer.write(said)
                readers.append(reader)
            await read_reply(readers[2])
        with socket.create_server(("127.0.0.1", free_port)):
            for reader in readers:
                with suppress(ConnectionResetError):
                    await reader.read()


async def test_a_cancelled_program_closes_the_port_too(free_port):
    """Cancellation cuts the block short, not the closing: at its end no descriptor of the server is left."""
    before = _open_descriptors()
    async with AsyncExitStack() as clients:
        with anyio.CancelScope() as scope:
            async with listen(ServerPlan(host="127.0.0.1", port=free_port), ready().board):
                reader, writer = await clients.enter_async_context(connected(free_port))
                writer.write(request())
                await read_reply(reader)
                scope.cancel()
                await anyio.sleep_forever()
        assert _open_descriptors() == before + 1, "the client's own"
        assert await reader.read() == b""
    with socket.create_server(("127.0.0.1", free_port)):
        pass


def _open_descriptors():
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


@pytest.mark.usefixtures("open_files")
async def test_the_limit_of_open_files_is_raised_as_far_as_needed():
    """The soft limit is raised for the connections that the plan allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    async with listen(ServerPlan(max_connections=400), ready().board, port=0) as listening:
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (656, hard)
        assert listening.warnings == ()


NARROW = """
import asyncio, resource
from serve.situations import ready
from sidecar.core.plan import ServerPlan
from sidecar.serve.listener import listen

async def main():
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, 300))
    async with listen(ServerPlan(host="127.0.0.1"), ready().board, port=0) as listening:
        print(*listening.warnings)

asyncio.run(main())
"""


async def test_fewer_connections_than_planned_are_told():
    """Where the hard limit does not allow what the plan wants, the operator is told how many connections there are."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = await anyio.run_process([sys.executable, "-c", NARROW], env=environment)
    assert ended.stdout.decode().strip() == (
        "the health port keeps 44 connections, not 4096: the limit of open files is 300"
    )
