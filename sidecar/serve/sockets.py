"""Opening the health port's sockets."""

import asyncio
import errno
import socket
from collections.abc import Sequence

from sidecar.core.errors import SidecarError

_Address = tuple[socket.AddressFamily, tuple[str | int, ...]]
"""A family, and a socket address of it without its port in the second place."""

_EVERYWHERE: tuple[_Address, ...] = (
    (socket.AF_INET, ("0.0.0.0",)),  # noqa: S104 - those who ask for the health are on other machines
    (socket.AF_INET6, ("::",)),
)
_ALONE = "there is no IPv6 on this machine: the health port answers on IPv4 alone"
_NO_IPV6 = (errno.EAFNOSUPPORT, errno.EPROTONOSUPPORT, errno.EADDRNOTAVAIL)

_BACKLOG = 4096
"""Connections that may wait in the kernel, which allows no more than ``net.core.somaxconn``."""

_PORTS_TRIED = 16

_ADVICE = {
    errno.EADDRINUSE: "another program listens there already; stop it, or choose another port with SIDECAR_PORT",
    errno.EACCES: "it needs privileges; choose a port above 1023 with SIDECAR_PORT",
    errno.EADDRNOTAVAIL: "this machine has no such address; correct server.host, or leave it out to listen on all",
}


async def open_sockets(host: str | None, port: int) -> tuple[list[socket.socket], list[str]]:
    """Listen on ``port`` at ``host``, or at every address of both families.

    Port 0 is any free port, the same for all addresses. Returns the sockets, and warnings for the operator. Raises
    ``SidecarError``.
    """
    warnings: list[str] = []
    if host is not None:
        addresses = await _resolve(host)
    elif _has_ipv6():
        addresses = list(_EVERYWHERE)
    else:
        addresses = list(_EVERYWHERE[:1])
        warnings.append(_ALONE)
    try:
        return _open_on_one_port(addresses, port), warnings
    except OSError as error:
        where = f"port {port}" if host is None else f"{host}, port {port}"
        why = _ADVICE.get(error.errno or 0, error.strerror or str(error))
        raise SidecarError(f"cannot listen on {where}: {why}") from error


async def _resolve(host: str) -> list[_Address]:
    try:
        found = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except (socket.gaierror, UnicodeError):  # no address, but a name
        try:
            found = await asyncio.get_running_loop().getaddrinfo(host, 0, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise SidecarError(f"cannot listen on {host!r}: the name has no address ({error})") from error
    return [(family, (address[0], *address[2:])) for family, _, _, _, address in found]


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError as error:
        if error.errno in _NO_IPV6:
            return False
        raise
    return True


def _open_on_one_port(addresses: Sequence[_Address], port: int) -> list[socket.socket]:
    """Open all addresses on the same port; a free port of the first may be taken in another family."""
    for _ in range(_PORTS_TRIED - 1):
        try:
            return _open_all(addresses, port)
        except OSError as error:
            if port or error.errno != errno.EADDRINUSE:
                raise
    return _open_all(addresses, port)


def _open_all(addresses: Sequence[_Address], port: int) -> list[socket.socket]:
    opened: list[socket.socket] = []
    try:
        for family, (name, *rest) in addresses:
            opened.append(_open(family, (name, port, *rest)))
            port = opened[0].getsockname()[1]
    except OSError:
        for listener in opened:
            listener.close()
        raise
    return opened


def _open(family: socket.AddressFamily, address: tuple[str | int, ...]) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # every connection inherits it
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        listener.listen(_BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener
