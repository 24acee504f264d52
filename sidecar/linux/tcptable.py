"""TCP sockets, as the text tables ``/proc/net/tcp`` and ``/proc/net/tcp6`` list them (proc(5)).

The way without netlink, for kernels and sandboxes that lack it: dearer, because every socket of the host is
formatted and parsed.
"""

import socket
import struct

from msgspec import Struct

ESTABLISHED = 1
LISTEN = 10
"""States as the kernel numbers them (include/net/tcp_states.h)."""


class TcpSocket(Struct, frozen=True):
    """One entry of the kernel's tables."""

    family: int
    address: str
    port: int
    peer_address: str
    peer_port: int
    receive_queue: int
    """Of a listener: the connections that wait to be accepted."""
    send_queue: int | None
    """Of a listener: how many may wait. None where the table does not say."""
    uid: int
    inode: int
    """0 while no process holds the socket."""


def readable(family: int, packed: bytes) -> str:
    """Write an address for people. An IPv4 address inside IPv6 becomes plain IPv4, so that both ends compare equal."""
    return socket.inet_ntop(family, packed).removeprefix("::ffff:")


def sockets(state: int) -> list[TcpSocket]:
    """List every socket in this state; raises ``OSError`` if there are no tables either."""
    from pathlib import Path  # noqa: PLC0415 - 0.6 MB, for a kernel without sock_diag only

    tables = [(socket.AF_INET, Path("/proc/net/tcp")), (socket.AF_INET6, Path("/proc/net/tcp6"))]
    return [
        _parse(family, fields)
        for family, table in tables
        if family == socket.AF_INET or table.exists()
        for fields in map(str.split, table.read_text("ascii").splitlines()[1:])
        if int(fields[3], 16) == state
    ]


def _parse(family: int, fields: list[str]) -> TcpSocket:
    address, port = _endpoint(family, fields[1])
    peer_address, peer_port = _endpoint(family, fields[2])
    return TcpSocket(
        family=family,
        address=address,
        port=port,
        peer_address=peer_address,
        peer_port=peer_port,
        receive_queue=int(fields[4].partition(":")[2], 16),
        send_queue=None,
        uid=int(fields[7]),
        inode=int(fields[9]),
    )


def _endpoint(family: int, text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    # Addresses stand there as 32-bit numbers of the machine's own byte order.
    words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
    return readable(family, struct.pack(f"={len(words)}I", *words)), int(port, 16)
