"""The health port: from sockets to connections."""

import asyncio
import errno
import resource
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache, partial

from msgspec import Struct

from sidecar.core.plan import ServerPlan
from sidecar.serve.board import Board
from sidecar.serve.connection import Connection
from sidecar.serve.pool import Pool
from sidecar.serve.routes import Ask, Beat, Refusal, decide
from sidecar.serve.sockets import open_sockets

_ACCEPTED_AT_ONCE = 64
"""Connections taken in one turn of the event loop, so that a flood does not keep those that are open waiting."""

_OUT_OF_RESOURCES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
_PAUSE = 1.0
"""Seconds until accepting is tried again when it is out of resources and no connection can make room."""

_DESCRIPTORS_KEPT = 256
"""For everything but the health port's connections: probes, files, and what is accepted in one turn."""

_FEWEST_CONNECTIONS = 16
_HEADS_REMEMBERED = 64
"""Health checks repeat themselves byte by byte, and so few different heads are parsed more than once."""


class Listening(Struct, frozen=True):
    """A health port that is open."""

    port: int
    urls: tuple[str, ...]
    """Where it can be reached from this machine."""
    warnings: tuple[str, ...]


@asynccontextmanager
async def listen(
    plan: ServerPlan,
    board: Board,
    *,
    beat: Callable[[str, bytes], bool] = lambda name, credential: False,  # noqa: ARG005
    look: Callable[[Ask | Beat | Refusal], None] = lambda asked: None,  # noqa: ARG005
    port: int | None = None,
) -> AsyncIterator[Listening]:
    """Answer on the health port until the block is left; every connection is closed by then.

    ``beat`` is called with the probe's name and the credential of a report, and tells whether it is taken. ``look`` is
    shown what is asked, but not every repetition of it. ``port`` takes the place of the plan's; 0 is any free port.
    Raises ``SidecarError`` when the port cannot be had.
    """
    limit, warnings = _make_room(plan.max_connections)
    sockets, more_warnings = await open_sockets(plan.host, plan.port if port is None else port)
    pool = Pool(limit, plan.idle_timeout)

    @lru_cache(_HEADS_REMEMBERED)
    def remembering(head: bytes) -> Ask | Beat | Refusal:
        decision = decide(head, plan.token)
        look(decision)
        return decision

    connect = partial(Connection, board, remembering, beat, pool)
    acceptors = [_Acceptor(listener, pool, connect) for listener in sockets]
    try:
        for acceptor in acceptors:
            acceptor.start()
        yield Listening(
            port=sockets[0].getsockname()[1],
            urls=tuple(_url(listener) for listener in sockets),
            warnings=(*warnings, *more_warnings),
        )
    finally:
        for acceptor in acceptors:
            acceptor.stop()
        pool.close()


class _Acceptor:
    """Takes connections from one listening socket.

    The event loop's own server would answer a lack of descriptors with a pause of a second, in which no health check
    has its answer; this one lets the longest idle connection make room.
    """

    def __init__(self, listener: socket.socket, pool: Pool, connect: Callable[..., Connection]) -> None:
        self._loop = asyncio.get_running_loop()
        self._listener = listener
        self._pool = pool
        self._connect = connect
        self._pause: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to accept."""
        self._loop.add_reader(self._listener, self._accept)

    def stop(self) -> None:
        """Close the listening socket."""
        self._loop.remove_reader(self._listener)
        if self._pause is not None:
            self._pause.cancel()
        self._listener.close()

    def _accept(self) -> None:
        for _ in range(_ACCEPTED_AT_ONCE):
            try:
                sock, address = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno in _OUT_OF_RESOURCES:
                    self._make_room()
                    return
                continue  # accept(2) hands on the network errors of the connection that it would have returned
            sock.setblocking(False)
            self._connect(sock=sock, peer=address[0]).open()

    def _make_room(self) -> None:
        if not self._pool.evict():
            self._loop.remove_reader(self._listener)
            self._pause = self._loop.call_later(_PAUSE, self.start)


def _make_room(connections: int) -> tuple[int, list[str]]:
    """Raise the limit of open files as far as needed and allowed; returns how many connections fit, and warnings."""
    wanted = connections + _DESCRIPTORS_KEPT
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return connections, []
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed == wanted:
        return connections, []
    fitting = max(_FEWEST_CONNECTIONS, allowed - _DESCRIPTORS_KEPT)
    return fitting, [
        f"the health port keeps {fitting} connections, not {connections}: the limit of open files is {hard}"
    ]


def _url(listener: socket.socket) -> str:
    address, port = listener.getsockname()[:2]
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
