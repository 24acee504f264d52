"""Free ports on loopback."""

import socket

import pytest


def take_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def free_port() -> int:
    """A free port."""
    return take_port()
