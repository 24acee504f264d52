"""A TCP connection, and what is said of it when it fails."""

import asyncio
import errno
import socket
from typing import TypeAlias

from sidecar.contract import Evidence, Outcome, ProbeFailure, Run
from sidecar.exchange.address import Address, literal_family
from sidecar.unreached import unconnected, unresolved

PIECE = 64 * 1024
"""Bytes taken from the socket at once."""

_Place: TypeAlias = tuple[int, tuple[object, ...]]
"""Address family and socket address."""

_PATIENCE = 0.5
"""Seconds for one address while others are left: a family without a route must not eat the whole deadline. RFC 8305
starts the next attempt beside the first after 250 ms; one after the other needs no task."""
_PLACES_AT_MOST = 8


class Stream:
    """A connected TCP socket. ``OSError`` passes through; ``failure`` words it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        await self._loop.sock_sendall(self._sock, data)

    async def receive(self) -> bytes:
        """Wait for the next piece; empty at the end."""
        return await self._loop.sock_recv(self._sock, PIECE)

    def send_if_possible(self, data: bytes) -> None:
        """Send what fits, now; a goodbye that cannot be sent is left unsaid."""
        try:
            self._sock.send(data)
        except OSError:
            return

    def stale(self) -> bool:
        """Tell whether a kept connection is of no more use: closed by the other side, or it sent what nobody asked."""
        return self.pending() is not None

    def pending(self) -> bytes | None:
        """Look at the next byte that has arrived, leaving it there: empty at the end, None if there is nothing yet."""
        try:
            return self._sock.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return None
        except OSError:
            return b""

    def close(self) -> None:
        """Close in the ordinary way, not by a reset (``SO_LINGER`` 0): servers log resets as errors of a client.

        The TIME_WAIT stays with whoever closes first. ``Connection: close`` asks the server to; where we are quicker
        it is ours, costs no memory worth naming, and on loopback the kernel reuses the port after a second.
        """
        self._sock.close()


async def dial(address: Address, run: Run) -> Stream:
    """Connect, trying one address after the other. Raises ``ProbeFailure``."""
    places = await _places(address, run)
    errors: list[OSError] = []
    for number, place in enumerate(places, 1):
        try:
            async with asyncio.timeout(_PATIENCE if number < len(places) else None):
                sock = await _connected(*place)
        except TimeoutError:
            errors.append(TimeoutError(errno.ETIMEDOUT, "no answer"))
        except OSError as error:
            errors.append(error)
        else:
            run.phase("connect")
            return Stream(sock)
    # Refused by one family says more than "there is no such family here" does of the other.
    told = next((error for error in errors if error.errno == errno.ECONNREFUSED), errors[0])
    raise failure(told, f"a connection to {address.where} is accepted")


def failure(error: OSError, rule: str) -> ProbeFailure:
    """Say what an error of the network proves: something about the other side, or only about this one."""
    if error.errno:
        return unconnected(error.errno, rule)
    return ProbeFailure(rule, str(error), otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)


async def _connected(family: int, place: tuple[object, ...]) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        await asyncio.get_running_loop().sock_connect(sock, place)
    except BaseException:
        sock.close()
        raise
    return sock


async def _places(address: Address, run: Run) -> list[_Place]:
    """Literal addresses and localhost (RFC 6761, 6.3) need no resolver, and thus no thread."""
    host, port = address.host, address.port
    if host == "localhost":
        return [(socket.AF_INET, ("127.0.0.1", port)), (socket.AF_INET6, ("::1", port))]
    if family := literal_family(host):
        return [(family, (host, port))]
    loop = asyncio.get_running_loop()
    try:
        # As bytes: a str would pass through the IDNA codec and load its tables.
        found = await loop.getaddrinfo(host.encode(), port, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        raise unresolved(error, f"the name {host} has an address") from None
    run.phase("dns")
    return [(family, place) for family, _, _, _, place in found[:_PLACES_AT_MOST]]
