"""Servers that accept and then hang."""

import socket
from collections.abc import Iterator

import pytest


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Listen, but never accept: the kernel completes the connections, and nobody ever answers on them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]
