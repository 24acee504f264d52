"""What the kernel tells about real sockets, through netlink and through its text tables."""

import errno
import os
import socket
import struct
import subprocess
import sys
from contextlib import ExitStack, suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.linux import sockdiag, tcptable

UNUSED_NETLINK_PROTOCOL = 31


@pytest.fixture(params=["netlink", "tables"])
def way(request, monkeypatch):
    """Ask in both ways: the second time the kernel is made to refuse, by the number of a protocol that it lacks."""
    if request.param == "tables":
        monkeypatch.setattr(sockdiag, "_NETLINK_SOCK_DIAG", UNUSED_NETLINK_PROTOCOL)
    return request.param


@pytest.fixture
def opened():
    """Close what a test has opened."""
    with ExitStack() as stack:
        yield stack.enter_context


def listen(opened, host="127.0.0.1", backlog=10, **options):
    """Listen on a free port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = opened(socket.create_server((host, 0), family=family, backlog=backlog, **options))
    return listener, listener.getsockname()[1]


def inode(sock):
    """The number by which the kernel knows a socket."""
    return os.fstat(sock.fileno()).st_ino


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::"])
def test_a_listener(opened, way, host):
    """It is found by its port, with its owner and the inode that its process holds."""
    listener, port = listen(opened, host)
    (found,) = sockdiag.listeners(port)
    assert (found.family, found.address, found.port) == (listener.family, host, port)
    assert (found.inode, found.uid, found.backlog) == (inode(listener), os.geteuid(), 0)
    assert found.backlog_limit == (10 if way == "netlink" else None)


@pytest.mark.usefixtures("way")
def test_every_listener(opened, free_port):
    """Without a port all are told; with the port of nobody, none."""
    (_, one), (_, other) = listen(opened), listen(opened, "::1")
    assert {one, other} <= {each.port for each in sockdiag.listeners()}
    assert sockdiag.listeners(free_port) == []


@pytest.mark.usefixtures("way")
def test_the_listen_queue(opened):
    """Connections that nobody has accepted are counted."""
    listener, port = listen(opened)
    for _ in range(3):
        opened(socket.create_connection(("127.0.0.1", port)))
    assert [each.backlog for each in sockdiag.listeners(port)] == [3]
    opened(listener.accept()[0])
    assert [each.backlog for each in sockdiag.listeners(port)] == [2]


@pytest.mark.usefixtures("way")
def test_connections(opened):
    """The accepted is told by its inode; the one that waits has none yet; connections to other ports are left out."""
    listener, port = listen(opened)
    clients = [opened(socket.create_connection(("127.0.0.1", port))) for _ in range(2)]
    accepted = opened(listener.accept()[0])
    _, other = listen(opened)
    opened(socket.create_connection(("127.0.0.1", other)))
    found = sockdiag.established(port)
    assert {(each.address, each.port, each.peer_address) for each in found} == {("127.0.0.1", port, "127.0.0.1")}
    assert {each.peer_port for each in found} == {each.getsockname()[1] for each in clients}
    assert {each.inode for each in found} == {inode(accepted), 0}


@pytest.mark.usefixtures("way")
def test_ipv4_on_a_listener_of_both_families(opened):
    """The addresses are written as IPv4, as they stand at the other end."""
    _, port = listen(opened, "::", dualstack_ipv6=True)
    opened(socket.create_connection(("127.0.0.1", port)))
    opened(socket.create_connection(("::1", port)))
    found = {(each.family, each.peer_address) for each in sockdiag.established(port)}
    assert found == {(socket.AF_INET6, "127.0.0.1"), (socket.AF_INET6, "::1")}


@pytest.mark.usefixtures("way")
def test_a_client_that_has_hung_up(opened):
    """Nobody waits for an answer: the connection does not count any more, though the server still holds it."""
    listener, port = listen(opened)
    client = socket.create_connection(("127.0.0.1", port))
    accepted = opened(listener.accept()[0])
    client.close()
    assert accepted.recv(1) == b""
    assert sockdiag.established(port) == []


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_our_own_connections_are_not_in_flight(opened, host):
    """Those that others made are."""
    listener, port = listen(opened, "::", dualstack_ipv6=True)
    opened(socket.create_connection((host, port)))
    assert sockdiag.in_flight(port) == []
    code = "import socket, sys; held = socket.create_connection(sys.argv[1:]); print('ready', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code, host, str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"ready\n"
        for _ in range(2):
            opened(listener.accept()[0])
        assert len(sockdiag.established(port)) == 2
        assert len(sockdiag.in_flight(port)) == 1
        other.kill()


@pytest.mark.usefixtures("way")
def test_hundreds_of_connections(opened):
    """An answer of several parts is read whole."""
    _, port = listen(opened, backlog=400)
    clients = [opened(socket.create_connection(("127.0.0.1", port))) for _ in range(400)]
    ours = {each.getsockname()[1] for each in clients}
    assert ours <= {each.peer_port for each in sockdiag.established(port)}
    assert ours.isdisjoint(each.peer_port for each in sockdiag.in_flight(port))


def test_both_ways_tell_the_same(opened):
    """But for the limit of the queue, which stands in no table."""
    _, port = listen(opened, "::", dualstack_ipv6=True)
    for host in ("127.0.0.1", "::1"):
        opened(socket.create_connection((host, port)))
    for state in (tcptable.LISTEN, tcptable.ESTABLISHED):
        by_netlink = {
            (each.family, each.address, each.port, each.peer_address, each.peer_port, each.inode, each.uid)
            for each in sockdiag._sockets(state, port=port)
        }
        by_table = {
            (each.family, each.address, each.port, each.peer_address, each.peer_port, each.inode, each.uid)
            for each in tcptable.sockets(state)
            if each.port == port
        }
        assert by_netlink == by_table != set()


def test_an_error_of_the_kernel():
    """What the kernel refuses is told with its reason."""
    with pytest.raises(OSError, match="Invalid argument") as caught:
        sockdiag._dump(255, tcptable.LISTEN, 0, 0)
    assert caught.value.errno == errno.EINVAL


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "cut short"),
        (b"\x10\0\0\0", "cut short"),
        (struct.pack("=IHHII", 8, 20, 2, 1, 0), "not the one"),
        (struct.pack("=IHHII", 4000, 20, 2, 1, 0), "not the one"),
        (struct.pack("=IHHII", 16, 20, 2, 2, 0), "not the one"),
        (struct.pack("=IHHIIi", 20, 2, 2, 1, 0, -errno.EPERM), "not permitted"),
    ],
)
def test_an_answer_that_makes_no_sense(opened, answer, words):
    """Lengths and sequence numbers are checked, and an error is told as one."""
    theirs, ours = map(opened, socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM))
    theirs.send(answer)
    with pytest.raises(OSError, match=words):
        list(sockdiag._messages(ours))


@given(answer=st.binary(max_size=200))
def test_no_answer_hangs_the_reader(answer):
    """Whatever comes, reading it ends, with an ``OSError`` at worst."""
    theirs, ours = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    with theirs, ours:
        ours.setblocking(False)
        theirs.send(answer)
        with suppress(OSError):
            assert len(list(sockdiag._messages(ours))) <= len(answer) // 16
