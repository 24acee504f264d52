"""TCP sockets, as the kernel lists them through netlink (sock_diag(7)).

The kernel filters by state and port before it copies anything, so that asking costs half a millisecond even among
ten thousand other sockets; reading ``/proc/net/tcp`` costs tens. Any user may ask. Where a sandbox offers no
sock_diag (gVisor, a strict seccomp profile) the answers come from ``/proc/net/tcp``.
"""

import errno
import os
import socket
import struct
from collections.abc import Iterator

from msgspec import Struct

from sidecar.linux import procfs, tcptable
from sidecar.linux.tcptable import ESTABLISHED, LISTEN, TcpSocket

# linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_REQUEST_DUMP = 0x001 | 0x300
_NLMSG_ERROR, _NLMSG_DONE = 2, 3

_HEADER = struct.Struct("=IHHII")
"""nlmsghdr: length, type, flags, sequence, port id."""
_REQUEST = struct.Struct("=BBBxI2s2s44x")
"""inet_diag_req_v2: family, protocol, extensions, states, then the socket id, of which only the ports filter."""
_MESSAGE = struct.Struct("=BBxx2s2s16s16s16xIIII")
"""inet_diag_msg: family, state, ports, source, destination, then receive queue, send queue, user, inode."""
_ERROR = struct.Struct("=i")

_SEQUENCE = 1
_BUFFER = 1 << 16
_SOCKETS_AT_MOST = 1 << 17

_UNAVAILABLE = {
    errno.EACCES, errno.EAFNOSUPPORT, errno.ENOENT, errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM,
    errno.EPROTONOSUPPORT, errno.ESOCKTNOSUPPORT,
}  # fmt: skip
"""What a kernel, or a sandbox that plays one, says when it offers no sock_diag for TCP."""


class Listener(Struct, frozen=True):
    """A socket that accepts connections."""

    family: int
    address: str
    port: int
    inode: int
    uid: int
    backlog: int
    """Connections that are complete and wait to be accepted."""
    backlog_limit: int | None
    """How many may wait; further ones are dropped. None where the kernel does not say."""


class Connection(Struct, frozen=True):
    """An open connection, seen from its near end."""

    family: int
    address: str
    port: int
    peer_address: str
    peer_port: int
    inode: int
    """0 while the connection waits to be accepted."""
    uid: int


def listeners(port: int | None = None) -> list[Listener]:
    """List the listening sockets, on one port or on all; raises ``OSError`` if the kernel will not tell."""
    return [
        Listener(
            family=each.family,
            address=each.address,
            port=each.port,
            inode=each.inode,
            uid=each.uid,
            backlog=each.receive_queue,
            backlog_limit=each.send_queue,
        )
        for each in _sockets(LISTEN, port=port or 0)
    ]


def established(port: int) -> list[Connection]:
    """List the open connections to a port of this host; raises ``OSError`` if the kernel will not tell.

    Those that still wait to be accepted are among them, those whose client has hung up are not: nobody waits for
    their answer any more.
    """
    return [_connection(each) for each in _sockets(ESTABLISHED, port=port)]


def in_flight(port: int) -> list[Connection]:
    """List the same without the connections that this process made itself; raises ``OSError`` likewise.

    A connection within one host stands in the kernel's tables twice, once for each end. The far ends that are
    sockets of this process, known by their inodes, name the connections to leave out.
    """
    near = established(port)
    far = _sockets(ESTABLISHED, peer_port=port)
    if not far:
        return near
    own = procfs.socket_inodes(os.getpid())
    ends = {(each.address, each.port) for each in far if each.inode in own}
    return [each for each in near if (each.peer_address, each.peer_port) not in ends]


def _connection(entry: TcpSocket) -> Connection:
    return Connection(
        family=entry.family,
        address=entry.address,
        port=entry.port,
        peer_address=entry.peer_address,
        peer_port=entry.peer_port,
        inode=entry.inode,
        uid=entry.uid,
    )


def _sockets(state: int, *, port: int = 0, peer_port: int = 0) -> list[TcpSocket]:
    """List the sockets in a state with these ports; 0 is any."""
    try:
        return [each for family in (socket.AF_INET, socket.AF_INET6) for each in _dump(family, state, port, peer_port)]
    except OSError as error:
        if error.errno not in _UNAVAILABLE:
            raise OSError(error.errno, f"cannot list sockets through netlink: {error.strerror or error}") from None
    return [each for each in tcptable.sockets(state) if port in (0, each.port) and peer_port in (0, each.peer_port)]


def _dump(family: int, state: int, port: int, peer_port: int) -> list[TcpSocket]:
    ports = port.to_bytes(2, "big"), peer_port.to_bytes(2, "big")
    request = _REQUEST.pack(family, socket.IPPROTO_TCP, 0, 1 << state, *ports)
    header = _HEADER.pack(_HEADER.size + len(request), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, _SEQUENCE, 0)
    # The kernel answers within the system calls, so a socket that does not block never has to wait.
    kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    with socket.socket(socket.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as netlink:
        netlink.sendto(header + request, (0, 0))
        found = []
        for message in _messages(netlink):
            found.append(_parse(message))
            if len(found) > _SOCKETS_AT_MOST:
                raise OSError(errno.E2BIG, f"more than {_SOCKETS_AT_MOST} sockets match")
        return found


def _messages(netlink: socket.socket) -> Iterator[memoryview]:
    """Cut the answer into its messages, until the kernel says that it is done."""
    while True:
        answer = memoryview(netlink.recv(_BUFFER))
        if len(answer) < _HEADER.size:
            raise OSError(errno.EPROTO, "the answer is cut short")
        while len(answer) >= _HEADER.size:
            length, kind, _, sequence, _ = _HEADER.unpack_from(answer)
            if not _HEADER.size <= length <= len(answer) or sequence != _SEQUENCE:
                raise OSError(errno.EPROTO, "the answer is not the one to the question")
            payload = answer[_HEADER.size : length]
            if kind == _NLMSG_DONE:
                return
            if kind == _NLMSG_ERROR:
                number = -_ERROR.unpack_from(payload)[0]
                raise OSError(number, os.strerror(number))
            yield payload
            answer = answer[(length + 3) & ~3 :]


def _parse(message: memoryview) -> TcpSocket:
    family, _, port, peer_port, source, destination, receive, send, uid, inode = _MESSAGE.unpack_from(message)
    size = 4 if family == socket.AF_INET else 16
    return TcpSocket(
        family=family,
        address=tcptable.readable(family, source[:size]),
        port=int.from_bytes(port, "big"),
        peer_address=tcptable.readable(family, destination[:size]),
        peer_port=int.from_bytes(peer_port, "big"),
        receive_queue=receive,
        send_queue=send,
        uid=uid,
        inode=inode,
    )
