"""Asking a health port over one connection that is kept alive, at little cost to the machine that is measured."""

import socket
from typing import NamedTuple, Self

WITHIN = 10.0
"""Seconds for one answer; a machine that needs longer cannot be measured on."""


class Answer(NamedTuple):
    """What a health port said."""

    status: int
    body: bytes


class Client:
    """One connection. Raises ``OSError`` when there is none to be had, or when it is lost."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), WITHIN)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, path: str) -> Answer:
        """Ask, and wait for the whole answer."""
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head, _, body = self._receive().partition(b"\r\n\r\n")
        length = int(next(line[16:] for line in head.split(b"\r\n") if line.startswith(b"Content-Length: ")))
        while len(body) < length:
            body += self._receive()
        return Answer(int(head[9:12]), body)

    def _receive(self) -> bytes:
        data = self._socket.recv(65536)
        if not data:
            raise ConnectionResetError("the health port has closed the connection")
        return data


def ask(port: int, path: str) -> Answer:
    """Ask once, over a connection of its own."""
    with Client(port) as client:
        return client.ask(path)
