"""A connected socket on the event loop: what comes is handed on at once, what cannot be sent yet waits."""

import asyncio
import socket
from abc import ABC, abstractmethod
from contextlib import suppress

READ_AT_ONCE = 16 * 1024
"""Bytes."""


class Wire(ABC):
    """Calls ``received`` with each piece that comes, ``drained`` when what waited is sent, and ``lost`` at the end.

    While something waits to be sent nothing is read: who does not take his answers is not asked for more questions. A
    transport of asyncio can do all this, but making one costs more than the rest of a connection that asks once.
    """

    def __init__(self, sock: socket.socket) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = sock
        self._descriptor = sock.fileno()
        """For the loop, which describes a socket in words, for nobody, where it does not know it yet."""
        self._unsent = b""
        self._ends = False
        self.is_open = True

    @abstractmethod
    def received(self, data: bytes) -> None:
        """Take a piece of what the other side says."""

    @abstractmethod
    def drained(self) -> None:
        """Go on: everything is sent."""

    @abstractmethod
    def lost(self) -> None:
        """Take notice that the connection is closed, by whomever."""

    @property
    def is_blocked(self) -> bool:
        """Something waits to be sent."""
        return bool(self._unsent)

    def open(self) -> None:
        """Begin to read. Most often the first piece has come with the connection."""
        self._loop.add_reader(self._descriptor, self._read)
        self._read()

    def write(self, data: bytes) -> None:
        """Send this, or keep what cannot be sent yet; only while nothing waits."""
        self._send(data)
        if self._unsent:
            self._loop.remove_reader(self._descriptor)
            self._loop.add_writer(self._descriptor, self._flush)

    def end(self) -> None:
        """Say that nothing more will come, once everything is sent; the other side may go on."""
        self._ends = True
        if self.is_open and not self._unsent:
            self._shut()

    def close(self) -> None:
        """Close at once; what waits to be sent is dropped."""
        if not self.is_open:
            return
        self.is_open = False
        if self._unsent:
            self._loop.remove_writer(self._descriptor)
        else:
            self._loop.remove_reader(self._descriptor)
        self._socket.close()
        self.lost()

    def _read(self) -> None:
        try:
            data = self._socket.recv(READ_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            data = b""
        if data:
            self.received(data)
        else:
            self.close()

    def _flush(self) -> None:
        self._send(self._unsent)
        if self._unsent or not self.is_open:
            return
        self._loop.remove_writer(self._descriptor)
        self._loop.add_reader(self._descriptor, self._read)
        if self._ends:
            self._shut()
        self.drained()

    def _send(self, data: bytes) -> None:
        try:
            self._unsent = data[self._socket.send(data) :]
        except (BlockingIOError, InterruptedError):
            self._unsent = data
        except OSError:
            self.close()

    def _shut(self) -> None:
        with suppress(OSError):  # the other side has gone already
            self._socket.shutdown(socket.SHUT_WR)
