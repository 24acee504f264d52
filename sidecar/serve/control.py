"""The control socket: how an operator on this machine speaks to the running sidecar. It is never on a network."""

import asyncio
import errno
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import anyio
import anyio.to_thread

from sidecar.serve.orders import ORDER_AT_MOST, Answer, AnyOrder, read_order, write_line
from sidecar.serve.socketfile import claim, release

AT_ONCE = 16
"""Connections served at once. Further ones wait in the kernel, which keeps as many, and refuses the rest."""

WITHIN = 5.0
"""Seconds to send the order, and again to take the answer."""

_CREDENTIALS = struct.Struct("3i")
"""``struct ucred`` of unix(7): pid, uid, gid."""

_PAUSE = 1.0
"""Seconds until accepting is tried again when descriptors have run out."""

CarryOut = Callable[[AnyOrder, str], Awaitable[Answer]]
"""Called with the order, and with who gives it."""


@asynccontextmanager
async def control_socket(path: str) -> AsyncIterator[socket.socket]:
    """Listen at this path until the block is left; raises ``SidecarError`` when the socket cannot be had."""
    listener, inode = await anyio.to_thread.run_sync(claim, path, AT_ONCE)
    try:
        yield listener
    finally:
        listener.close()
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(release, path, inode)


@asynccontextmanager
async def take_orders(listener: socket.socket | None, carry_out: CarryOut) -> AsyncIterator[None]:
    """Take orders from this socket, if there is one, until the block is left."""
    async with anyio.create_task_group() as tasks:
        if listener is not None:
            tasks.start_soon(_accept, listener, carry_out, name="control socket")
        yield
        tasks.cancel_scope.cancel()


async def _accept(listener: socket.socket, carry_out: CarryOut) -> None:
    loop = asyncio.get_running_loop()
    slots = anyio.Semaphore(AT_ONCE)
    async with anyio.create_task_group() as tasks:

        async def serve(peer: socket.socket) -> None:
            try:
                with peer, suppress(OSError):
                    await _serve(peer, carry_out)
            finally:
                slots.release()

        while True:
            await slots.acquire()
            try:
                peer, _ = await loop.sock_accept(listener)
            except OSError as error:
                slots.release()
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    await anyio.sleep(_PAUSE)
                continue
            tasks.start_soon(serve, peer, name="control connection")


async def _serve(peer: socket.socket, carry_out: CarryOut) -> None:
    """Take one order and answer it."""
    by, welcome = _who(peer)
    line = None
    with anyio.move_on_after(WITHIN):
        line = await _read_line(peer)  # whoever it is: closed with input unread, he would lose the answer
    if line is None:
        reply = _no(f"no order came within {WITHIN:g} s")
    elif not welcome:
        reply = _no(f"{by} may not give orders here: only root and the sidecar's own user may")
    else:
        reply = await _obey(line, by, carry_out)
    with anyio.move_on_after(WITHIN):
        await asyncio.get_running_loop().sock_sendall(peer, reply)


async def _obey(line: bytes, by: str, carry_out: CarryOut) -> bytes:
    try:
        order = read_order(line)
    except ValueError as error:
        return _no(str(error))
    try:
        return write_line(await carry_out(order, by))
    except Exception as error:  # noqa: BLE001 - whatever befalls one order, the sidecar goes on watching
        return _no(f"cannot carry the order out: {type(error).__name__}: {error}")


def _no(why: str) -> bytes:
    return write_line(Answer(done=False, message=why))


async def _read_line(peer: socket.socket) -> bytes:
    """Read to the end of the line, or as much as an order may have."""
    loop, data = asyncio.get_running_loop(), b""
    while not data.endswith(b"\n") and len(data) <= ORDER_AT_MOST:
        received = await loop.sock_recv(peer, ORDER_AT_MOST)
        if not received:
            break
        data += received
    return data[: ORDER_AT_MOST + 1]


def _who(peer: socket.socket) -> tuple[str, bool]:
    """Ask the kernel who has connected, and tell whether he may give orders."""
    _, uid, _ = _CREDENTIALS.unpack(peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size))
    return "root" if uid == 0 else f"user {uid}", uid in (0, os.geteuid())
