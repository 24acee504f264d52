"""Free ports on loopback."""

import socket

import pytest


def take_port() -> int:
    """A port that nobody has. For the next minute the kernel gives it only to whoever asks for this very port.

    A connection whose first end to be closed was the server's keeps the port in TIME_WAIT, where SO_REUSEADDR, which
    every server sets, can take it, and nobody gets it by chance.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            listener.accept()[0].close()
            assert client.recv(1) == b""
        port: int = address[1]
        return port


@pytest.fixture
def free_port() -> int:
    """A free port."""
    return take_port()
