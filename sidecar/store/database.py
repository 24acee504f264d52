"""The file of the SQLite store, as its thread sees it: opened for each piece of work, and closed again."""

# ruff: noqa: PTH100, PTH102, PTH104, PTH112, PTH120 - a handful of calls of os, which the agent has loaded anyway

import fcntl
import os
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from typing import TypeVar

from sidecar.store.contract import StoreError
from sidecar.store.naming import percent

T = TypeVar("T")

BUSY_AT_MOST = 2.0
"""Seconds to wait for another process that works on the file, such as ``sidecar check``."""

CACHE_KIB = 64
"""How much of the file is held in memory at once, instead of 2 MB: the kernel holds it anyway."""

SCHEMA = (
    """
    CREATE TABLE documents (name TEXT NOT NULL PRIMARY KEY, value BLOB NOT NULL);
    CREATE TABLE entries (number INTEGER PRIMARY KEY AUTOINCREMENT, stream TEXT NOT NULL, value BLOB NOT NULL);
    CREATE INDEX entries_of_stream ON entries (stream, number);
    """,
)
"""What brings the schema from one version to the next: a file's ``user_version`` says how many were applied."""

_OURS = 0x6D677363
"""The ``application_id`` of our files: "mgsc"."""

_BROKEN = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class Database:
    """One file. Nothing is held open between two calls: who moves or removes it moves nothing from under our feet.

    A rollback journal rather than a write-ahead log: one file at rest, no shared memory, and no part in the fault by
    which versions of SQLite before 3.51.3 can spoil a write-ahead log that two processes use. ``synchronous = FULL``
    syncs the journal, the file, and the journal's truncation, which is the commit.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._examined = False

    @property
    def exists(self) -> bool:
        """There is something to read."""
        return os.path.lexists(self.path)

    def read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Read from a file that exists. Raises ``StoreError``."""
        return self._use("read", work)

    def write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do all of this work or nothing; the file is made where there is none. Raises ``StoreError``."""

        def transact(connection: sqlite3.Connection) -> T:
            with _transaction(connection):
                return work(connection)

        return self._use("write", transact, prepare=self._make)

    def _use(self, what: str, work: Callable[[sqlite3.Connection], T], prepare: Callable[[], None] = lambda: None) -> T:
        try:
            prepare()
            with closing(self._open()) as connection:
                return work(connection)
        except (sqlite3.Error, OSError, ValueError) as error:
            if _is_broken(error):
                self._set_aside()
            raise StoreError(f"cannot {what} {self.path}: {_words(error)}") from None

    def _make(self) -> None:
        if self.exists:
            return
        _make_directory(_directory(self.path))
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def _open(self) -> sqlite3.Connection:
        if not stat.S_ISREG(os.lstat(self.path).st_mode):
            raise ValueError("it is no regular file")
        # As a URI, because only there SQLite can be told not to make a file.
        path = "/".join(map(percent, os.fsencode(os.path.abspath(self.path)).split(b"/")))
        uri = f"file://{path}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_AT_MOST, isolation_level=None)
        try:
            connection.execute(f"PRAGMA cache_size = {-CACHE_KIB}")
            connection.execute("PRAGMA journal_mode = TRUNCATE")
            connection.execute("PRAGMA synchronous = FULL")
            _check_version(connection)
            if not self._examined:
                _examine(connection)
                self._examined = True
            if _version(connection) < len(SCHEMA):
                _migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _set_aside(self) -> None:
        """Move a broken file out of the way, and tell. The directory is locked: of two that find it, one moves it."""
        directory = os.open(_directory(self.path), os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX)
            fault = self._fault()
            if fault is None:
                return
            aside = f"{self.path}.broken-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
            # The journal first: beside another file it would be taken for that one's.
            with suppress(FileNotFoundError):
                os.rename(f"{self.path}-journal", f"{aside}-journal")
            os.rename(self.path, aside)
            os.fsync(directory)
        finally:
            os.close(directory)
        raise StoreError(f"{self.path} is broken ({fault}): it is set aside as {aside}, and what it knew is forgotten")

    def _fault(self) -> str | None:
        """Tell what is wrong with the file as it is now."""
        self._examined = False
        try:
            self._open().close()
        except (sqlite3.Error, OSError, ValueError) as error:
            return " ".join(str(error).split()) if _is_broken(error) else None
        return None


def _check_version(connection: sqlite3.Connection) -> None:
    version = _version(connection)
    if version > len(SCHEMA):
        raise ValueError(
            f"its schema has version {version}, and this sidecar knows none after {len(SCHEMA)}: "
            "use the later sidecar that wrote it, or another state.dir"
        )


def _examine(connection: sqlite3.Connection) -> None:
    """Look whose the file is, and through the whole of it."""
    # The tables first: another process may make them, and the owner's mark with them, between the two.
    [tables] = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    [owner] = connection.execute("PRAGMA application_id").fetchone()
    if tables and owner != _OURS:
        raise ValueError("it is the database of another program: set another state.dir")
    [finding] = connection.execute("PRAGMA quick_check(1)").fetchone()
    if finding != "ok":
        raise _BrokenError(finding)


def _version(connection: sqlite3.Connection) -> int:
    [version] = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _migrate(connection: sqlite3.Connection) -> None:
    with _transaction(connection):
        for script in SCHEMA[_version(connection) :]:  # another process may have been faster
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {len(SCHEMA)}")
        connection.execute(f"PRAGMA application_id = {_OURS}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit at the end. What has raised is rolled back when the connection is closed."""
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


class _BrokenError(ValueError):
    """The file is no sound database, although SQLite would still read from it."""


def _is_broken(error: Exception) -> bool:
    return isinstance(error, _BrokenError) or getattr(error, "sqlite_errorcode", 0) & 0xFF in _BROKEN


def _words(error: Exception) -> str:
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    code = getattr(error, "sqlite_errorname", None)
    return f"{error} ({code})" if code else str(error)


def _make_directory(path: str) -> None:
    """Make a directory for its owner alone, and those above it, so that they survive a loss of power (fsync(2))."""
    if os.path.isdir(path):
        return
    above = _directory(path)
    _make_directory(above)
    with suppress(FileExistsError):
        os.mkdir(path, 0o700)
    descriptor = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _directory(path: str) -> str:
    return os.path.dirname(path.rstrip("/")) or "."
