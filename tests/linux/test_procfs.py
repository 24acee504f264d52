"""What ``/proc`` tells about real processes."""

import os
import socket
import subprocess
import sys
import threading
import time
import warnings

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.processes import freeze

from sidecar.linux import procfs

NOBODY = 65534

NAME = "a) Z (1 2 3"
CHILD = """
import pathlib, socket, sys
pathlib.Path("/proc/self/comm").write_text(sys.argv[1])
pair = socket.socketpair()
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def child():
    """Start a process with a strange name that holds two sockets and lives until the end of the test."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD, NAME],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "GREETING": "hello = world", "EMPTY": ""},
    ) as process:
        assert process.stdout.readline() == b"ready\n"
        yield process
        process.kill()


def await_exit(pid):
    """Wait until the process has ended, without collecting it."""
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)


def await_sleep(pid):
    """Wait until the process waits for its input: it uses no more then than it does now."""
    while procfs.stat(pid).state != "S":
        time.sleep(0.001)


def is_refused(question, pid):
    """Ask as another user whether the kernel refuses the answer."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the child only asks, and uses no thread
        asking = os.fork()
    if asking == 0:
        try:
            if os.geteuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            question(pid)
        except PermissionError as error:
            os._exit(0 if f"process {pid} belongs to another user" in str(error) else 1)
        finally:
            os._exit(1)
    return os.waitpid(asking, 0)[1] == 0


def test_this_boot_has_a_name():
    """The name is a UUID, and the same whenever it is asked for."""
    assert len(procfs.boot_id()) == 36
    assert procfs.boot_id() == procfs.boot_id()


def test_who_a_process_is(child):
    """The parent is known, and the start lies between the boot and now."""
    stat = procfs.stat(child.pid)
    assert (stat.pid, stat.ppid, stat.exited) == (child.pid, os.getpid(), False)
    assert 0 < stat.started <= time.clock_gettime(time.CLOCK_BOOTTIME)
    again = procfs.stat(child.pid)
    assert (stat.start_ticks, stat.started) == (again.start_ticks, again.started)


def test_what_a_process_uses(child):
    """Memory, threads and processor time are what others read, too."""
    await_sleep(child.pid)
    stat, other = procfs.stat(child.pid), psutil.Process(child.pid)
    times = other.cpu_times()
    assert (procfs.resident(child.pid), stat.threads) == (other.memory_info().rss, 1)
    assert stat.processor == pytest.approx(times.user + times.system)
    assert procfs.stat(os.getpid()).threads == threading.active_count()


def test_a_name_with_parentheses_and_spaces(child):
    """A process may call itself anything, even what looks like the fields that follow its name."""
    stat = procfs.stat(child.pid)
    assert (stat.comm, stat.ppid, stat.exited) == (NAME, os.getpid(), False)


@given(comm=st.binary(max_size=15), pid=st.integers(1, 2**22), ppid=st.integers(0, 2**22), ticks=st.integers(0, 2**63))
def test_any_name_is_read_rightly(comm, pid, ppid, ticks):
    """Whatever the name, the fields around it keep their places."""
    fields = b" ".join([b"S", b"%d" % ppid, *[b"0"] * 17, b"%d" % ticks, *[b"0"] * 30])
    stat = procfs._parse_stat(b"%d (%b) %b\n" % (pid, comm, fields))
    assert (stat.pid, stat.ppid, stat.start_ticks, stat.state) == (pid, ppid, ticks, "S")
    assert stat.comm == comm.decode("utf-8", "replace")


def test_a_zombie_has_exited(child):
    """A process that has ended but was not collected is still there to see, and known to have ended."""
    child.kill()
    await_exit(child.pid)
    assert (procfs.stat(child.pid).state, procfs.stat(child.pid).exited) == ("Z", True)


def test_a_stopped_process(child):
    """A process stopped by a signal has not exited."""
    freeze(child.pid)
    assert (procfs.stat(child.pid).state, procfs.stat(child.pid).exited) == ("T", False)


@pytest.mark.parametrize(
    "question",
    [procfs.stat, procfs.resident, procfs.environment, procfs.open_files, procfs.socket_inodes],
    ids=lambda each: each.__name__,
)
def test_a_process_that_is_gone(child, question):
    """Every question about it has the same answer."""
    child.kill()
    child.wait()
    with pytest.raises(ProcessLookupError, match=f"process {child.pid} is gone"):
        question(child.pid)


@pytest.mark.parametrize("question", [procfs.environment, procfs.socket_inodes], ids=lambda each: each.__name__)
def test_a_process_of_another_user(start_listener, free_port, question):
    """What the kernel keeps from us is told apart from a process that is gone."""
    hidden = start_listener(free_port, "--undumpable")
    assert is_refused(question, hidden.pid)


def test_its_environment(child):
    """The variables are those it was started with."""
    environment = procfs.environment(child.pid)
    assert (environment["GREETING"], environment["EMPTY"]) == ("hello = world", "")


def test_its_sockets(child):
    """Both ends of the pair are among them, and a pipe is not."""
    assert len(procfs.socket_inodes(child.pid)) == 2


def test_our_own_sockets():
    """An inode is the one that ``fstat`` gives."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert {os.fstat(each.fileno()).st_ino for each in (ours, theirs)} <= procfs.socket_inodes(os.getpid())


def test_its_open_files(child):
    """Three standard streams and two sockets."""
    assert procfs.open_files(child.pid) == len(os.listdir(f"/proc/{child.pid}/fd")) == 5  # noqa: PTH208


def test_every_process_is_listed(child):
    """The child is, and so are we."""
    assert {child.pid, os.getpid()} <= set(procfs.pids())
