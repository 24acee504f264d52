"""A way to a server on which one message can be stopped: before it arrives, or when it has been carried out."""

import re
import select
import socket
import threading
from contextlib import suppress
from typing import Self

from servers.deployment import WITHIN

_WHOLE = 1 << 20
"""Bytes: a message comes in one piece."""


class Stop:
    """Stops the first message that fits a pattern, until a test has seen that it has come."""

    def __init__(self, pattern: bytes, *, carried_out: bool) -> None:
        self.pattern = re.compile(pattern, re.DOTALL)
        self.carried_out = carried_out
        self._come = threading.Event()
        self._decided = threading.Event()
        self._lost = False

    def has_come(self) -> None:
        """Wait for the message."""
        assert self._come.wait(WITHIN), f"nothing came that fits {self.pattern.pattern!r}"

    def lose(self) -> None:
        """Let it, or its reply where it has been carried out, be lost with the connection."""
        self._lost = True
        self._decided.set()

    def pass_on(self) -> None:
        """Let it go on, and every other from now on."""
        self._decided.set()

    def goes_on(self) -> bool:
        """Tell that the message has come, and wait for what is decided about it."""
        self._come.set()
        self._decided.wait()
        return not self._lost


class Valve:
    """Passes everything on between clients and a server on loopback, but what is to be stopped."""

    def __init__(self, port: int) -> None:
        self._server = ("127.0.0.1", port)
        self._stop: Stop | None = None
        self._stops: list[Stop] = []
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)

    def __enter__(self) -> Self:
        self._accepting.start()
        return self

    def __exit__(self, *_: object) -> None:
        for stop in self._stops:
            stop.lose()
        for each in (self._listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in (self._accepting, *self._threads):
            thread.join(WITHIN)
        self._listener.close()

    def stop(self, pattern: bytes, *, carried_out: bool = False) -> Stop:
        """Have the next message stopped that fits this pattern, instead of any other."""
        self._stop = Stop(pattern, carried_out=carried_out)
        self._stops.append(self._stop)
        return self._stop

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._server)
                self._sockets += [client, server]
                self._threads.append(threading.Thread(target=self._pass_on, args=[client, server]))
                self._threads[-1].start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        with client, server, suppress(OSError):
            while True:
                for one in select.select([client, server], [], [])[0]:
                    other = server if one is client else client
                    data = one.recv(_WHOLE)
                    if not data or not (one is server or self._may_go(data, server)):
                        return
                    other.sendall(data)

    def _may_go(self, data: bytes, server: socket.socket) -> bool:
        stop = self._stop
        if stop is None or not stop.pattern.search(data):
            return True
        self._stop = None
        if not stop.carried_out:
            return stop.goes_on()
        server.sendall(data)
        server.recv(_WHOLE)
        stop.goes_on()
        return False
