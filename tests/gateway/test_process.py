"""A process is watched and signalled through its pidfd, and no other ever is."""

import errno
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from msgspec.structs import replace
from servers.processes import Listening, Start

from sidecar.contract import GatewayProcess
from sidecar.gateway.process import GoneError, NotProvenError, WatchedProcess
from sidecar.linux import procfs

PIDFD_SEND_SIGNAL, PIDFD_OPEN = 424, 434
"""System calls by their numbers, the same on every architecture."""

REFUSED = """
import asyncio, ctypes, signal, struct, sys
from sidecar.contract import GatewayProcess
from sidecar.gateway.process import NotProvenError, WatchedProcess
from sidecar.linux import procfs

pid, call, refusal = map(int, sys.argv[1:])
stat = procfs.stat(pid)
identity = GatewayProcess(procfs.boot_id(), pid, stat.start_ticks, stat.started)

# seccomp(2): load the number of the system call; if it is this one, refuse it; else allow it.
rules = struct.pack("HBBI" * 4, 0x20, 0, 0, 0, 0x15, 0, 1, call, 0x06, 0, 0, 0x50000 | refusal, 0x06, 0, 0, 0x7FFF0000)
program = struct.pack("HxxxxxxP", 4, ctypes.cast(ctypes.c_char_p(rules), ctypes.c_void_p).value)
libc = ctypes.CDLL(None)
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
assert libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
assert libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program) == 0

async def signal_it():
    WatchedProcess.open(identity, lambda: None).send(signal.SIGTERM)

try:
    asyncio.run(signal_it())
except NotProvenError as error:
    print(error)
"""


def identity(pid: int) -> GatewayProcess:
    """Identify a process as discovery does."""
    stat = procfs.stat(pid)
    return GatewayProcess(procfs.boot_id(), pid, stat.start_ticks, stat.started)


def open_descriptors() -> int:
    """Count the descriptors that this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def listening(free_port: int, start_listener: Start) -> Listening:
    """Start a process to watch."""
    return start_listener(free_port)


@pytest.fixture
def target(listening: Listening) -> GatewayProcess:
    """Identify the process to watch."""
    return identity(listening.pid)


@pytest.fixture
def zombie() -> Iterator[GatewayProcess]:
    """Leave a process behind that has exited, and whose parent has not yet asked for its exit status."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        yield identity(process.pid)


@pytest.mark.anyio
async def test_an_exit_is_told_once(listening: Listening, target: GatewayProcess) -> None:
    """The kernel's word comes as an event, and is passed on a single time."""
    told, exited = [], anyio.Event()

    def on_exit() -> None:
        told.append(watched.exited)
        exited.set()

    watched = WatchedProcess.open(target, on_exit)
    assert not watched.exited
    listening.kill()
    with anyio.fail_after(10):
        await exited.wait()
    await anyio.lowlevel.checkpoint()
    watched.close()
    assert told == [True]


@pytest.mark.anyio
async def test_a_signal_reaches_the_process(listening: Listening, target: GatewayProcess) -> None:
    """What is proven is signalled."""
    exited = anyio.Event()
    watched = WatchedProcess.open(target, exited.set)
    watched.send(signal.SIGTERM)
    with anyio.fail_after(10):
        await exited.wait()
    watched.close()
    assert listening.started.wait(10) == -signal.SIGTERM


@pytest.mark.anyio
async def test_a_reused_pid_is_refused_and_not_signalled(listening: Listening, target: GatewayProcess) -> None:
    """A process with the right pid but another start time is somebody else."""
    earlier = replace(target, start_ticks=target.start_ticks - 1)
    with pytest.raises(GoneError, match=r"cannot watch .* its pid was reused"):
        WatchedProcess.open(earlier, lambda: None)
    pidfd = os.pidfd_open(target.pid)
    try:
        with pytest.raises(GoneError, match=r"cannot signal .* its pid was reused"):
            WatchedProcess(earlier, pidfd).send(signal.SIGTERM)
    finally:
        os.close(pidfd)
    # A deadly signal that had been sent would have struck before this answer.
    assert listening.ask("still there?") == "still there?"


@pytest.mark.anyio
async def test_a_zombie_is_refused(zombie: GatewayProcess) -> None:
    """The kernel would take a signal for a zombie in silence; it must not count as sent."""
    with pytest.raises(GoneError, match="it has exited"):
        WatchedProcess.open(zombie, lambda: None)
    pidfd = os.pidfd_open(zombie.pid)
    try:
        watched = WatchedProcess(zombie, pidfd)
        assert watched.exited
        with pytest.raises(GoneError, match="it has exited"):
            watched.send(signal.SIGTERM)
    finally:
        os.close(pidfd)


@pytest.mark.anyio
async def test_a_process_that_is_gone_is_refused(listening: Listening, target: GatewayProcess) -> None:
    """Once its parent has collected it, nothing is left to watch or to signal."""
    watched = WatchedProcess.open(target, lambda: None)
    listening.kill()
    listening.started.wait(10)
    with pytest.raises(GoneError, match="it has exited"):
        watched.send(signal.SIGTERM)
    watched.close()
    with pytest.raises(GoneError, match="it has exited"):
        WatchedProcess.open(target, lambda: None)


@pytest.mark.anyio
async def test_a_descriptor_is_not_left_open(target: GatewayProcess) -> None:
    """Neither a refusal nor a watch that was closed keeps a descriptor."""
    before = open_descriptors()
    earlier = replace(target, start_ticks=target.start_ticks - 1)
    for _ in range(3):
        with pytest.raises(NotProvenError):
            WatchedProcess.open(earlier, lambda: None)
        WatchedProcess.open(target, partial(pytest.fail, "it has not exited")).close()
    assert open_descriptors() == before


@pytest.mark.parametrize(
    ("call", "refusal", "words"),
    [
        (PIDFD_SEND_SIGNAL, errno.EPERM, "cannot signal process {}: it belongs to another user; run the sidecar as"),
        (PIDFD_SEND_SIGNAL, errno.EINVAL, "cannot signal process {}: Invalid argument"),
        (PIDFD_OPEN, errno.ENOSYS, "cannot watch process {}: pidfd_open: Function not implemented"),
    ],
)
def test_what_the_kernel_refuses_is_said_in_words(call: int, refusal: int, words: str, target: GatewayProcess) -> None:
    """Another user's process, another pid namespace, an old kernel: nothing is signalled, and the reason is clear."""
    said = subprocess.run(
        [sys.executable, "-c", REFUSED, str(target.pid), str(call), str(refusal)],
        stdout=subprocess.PIPE, text=True, check=True, env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ).stdout  # fmt: skip
    assert said.startswith(words.format(target.pid))
