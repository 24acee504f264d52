"""Real Redis and PostgreSQL servers for the benchmark: those that the tests run on."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from servers.postgres import PostgresServer, initialise, postgres_binaries, server_directory
from servers.redis import RedisServer

__all__ = ["PostgresServer", "RedisServer", "running_postgres", "running_redis"]


@contextmanager
def running_redis(directory: Path) -> Iterator[RedisServer]:
    """Start a Redis server (Valkey), and kill it in the end."""
    server = RedisServer(directory)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def running_postgres() -> Iterator[PostgresServer]:
    """Start a PostgreSQL server with data of its own, and stop it in the end."""
    finding = contextmanager(postgres_binaries.__wrapped__)  # what pytest makes of the function is of no use here
    with finding() as binaries, server_directory() as directory:
        initialise(binaries, directory)
        server = PostgresServer(binaries, directory)
        try:
            yield server
        finally:
            server.stop()
