"""A PostgreSQL primary, and a standby that streams from it."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from servers.postgres import UNPRIVILEGED, PostgresServer, initialise, server_directory

_SETTINGS = {"max_connections": 12, "max_wal_senders": 4, "wal_receiver_status_interval": "1s"}


class PostgresPair(NamedTuple):
    """Both are up, and the stream is as well."""

    primary: PostgresServer
    standby: PostgresServer


@pytest.fixture(scope="session")
def postgres_pair(postgres_binaries: Path) -> Iterator[PostgresPair]:
    """Share a pair that is always up: for tests that leave it as it is."""
    with _pair(postgres_binaries) as pair:
        yield pair


@pytest.fixture
def own_postgres_pair(postgres_binaries: Path) -> Iterator[PostgresPair]:
    """Start a pair of the test's own, to be stopped or promoted."""
    with _pair(postgres_binaries) as pair:
        yield pair


@contextmanager
def _pair(binaries: Path) -> Iterator[PostgresPair]:
    with server_directory() as first, server_directory() as second:
        initialise(binaries, first)
        primary = PostgresServer(binaries, first, settings=_SETTINGS)
        try:
            _copy(binaries, primary, second)
            says = "started streaming WAL from primary"
            standby = PostgresServer(binaries, second, settings=_SETTINGS, says=says)
            yield PostgresPair(primary, standby)
            standby.stop()
        finally:
            primary.stop()


def _copy(binaries: Path, primary: PostgresServer, directory: Path) -> None:
    """Make a standby's data of a running primary (PostgreSQL documentation, ``pg_basebackup``)."""
    subprocess.run(
        [
            *(binaries / "pg_basebackup", "-D", directory / "data", "--write-recovery-conf", "--no-sync"),
            *("--checkpoint=fast", "-h", primary.directory, "-p", str(primary.port), "-U", "postgres"),
        ],
        check=True,
        cwd=directory,
        **UNPRIVILEGED,
    )
