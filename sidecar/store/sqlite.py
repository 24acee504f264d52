"""The store in a file of the local disk, by SQLite."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from sidecar.store.contract import Store, StoreError
from sidecar.store.thread import Worker

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable

    from sidecar.store.database import Database

T = TypeVar("T")

DOCUMENTS_AT_MOST = 10_000
"""So many documents are given at once."""

WITHIN = 5.0
"""Seconds for each call: a disk that hangs must hold up nobody."""


class SqliteStore(Store):
    """One file, used in a thread of its own. It is made when there is something to keep.

    What a call has written when it returns survives a loss of power, as far as the disk keeps its promises.
    """

    lasting = True

    def __init__(self, path: str, unfit: str | None, within: float = WITHIN) -> None:
        self.shared = unfit is None
        self.unfit = unfit
        self._path = path
        self._within = within
        self._worker = Worker("store")
        self._database: Database | None = None

    async def get(self, name: str) -> bytes | None:
        """Give a document."""
        return await self._read(partial(_get, name=name), None)

    async def put(self, name: str, value: bytes) -> None:
        """Put a document."""
        await self._write(partial(_put, name=name, value=value))

    async def remove(self, *names: str) -> None:
        """Remove documents."""
        await self._clear(partial(_remove, names=names))

    async def claim(self, name: str, value: bytes) -> bytes:
        """Put a document where there is none, and give the one that stands there."""
        return await self._write(partial(_claim, name=name, value=value))

    async def documents(self, prefix: str) -> dict[str, bytes]:
        """Give documents."""
        return await self._read(partial(_documents, prefix=prefix), {})

    async def append(self, stream: str, values: list[bytes], keep: int) -> None:
        """Put entries at a stream's end."""
        await self._write(partial(_append, stream=stream, values=values, keep=keep))

    async def read(self, stream: str, limit: int) -> list[tuple[int, bytes]]:
        """Give a stream's oldest entries."""
        return await self._read(partial(_entries, stream=stream, limit=limit), [])

    async def drop(self, stream: str, numbers: list[int]) -> None:
        """Remove entries of a stream."""
        await self._clear(partial(_drop, stream=stream, numbers=numbers))

    async def aclose(self) -> None:
        """Let the thread end."""
        self._worker.end()

    async def _read(self, work: Callable[[sqlite3.Connection], T], nothing: T) -> T:
        return await self._call(lambda: self._there().read(work) if os.path.lexists(self._path) else nothing)

    async def _write(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await self._call(lambda: self._there().write(work))

    async def _clear(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Remove something: for that, no file need be made."""
        await self._call(lambda: self._there().write(work) if os.path.lexists(self._path) else None)

    async def _call(self, function: Callable[[], T]) -> T:
        try:
            return await self._worker.run(function, self._within)
        except TimeoutError:
            raise StoreError(f"cannot use {self._path}: the disk has not answered within {self._within:g} s") from None

    def _there(self) -> Database:
        from sidecar.store.database import Database  # noqa: PLC0415 - SQLite is 1 MB: only where there is a file

        if self._database is None:
            self._database = Database(self._path)
        return self._database


def _get(connection: sqlite3.Connection, name: str) -> bytes | None:
    row = connection.execute("SELECT value FROM documents WHERE name = ?", (name,)).fetchone()
    return row[0] if row else None


def _put(connection: sqlite3.Connection, name: str, value: bytes) -> None:
    connection.execute("INSERT OR REPLACE INTO documents VALUES (?, ?)", (name, value))


def _remove(connection: sqlite3.Connection, names: tuple[str, ...]) -> None:
    connection.executemany("DELETE FROM documents WHERE name = ?", [(name,) for name in names])


def _claim(connection: sqlite3.Connection, name: str, value: bytes) -> bytes:
    connection.execute("INSERT OR IGNORE INTO documents VALUES (?, ?)", (name, value))
    [standing] = connection.execute("SELECT value FROM documents WHERE name = ?", (name,)).fetchone()
    return bytes(standing)


def _documents(connection: sqlite3.Connection, prefix: str) -> dict[str, bytes]:
    rows = connection.execute(
        "SELECT name, value FROM documents WHERE name >= ? AND name < ? ORDER BY name LIMIT ?",
        (prefix, prefix + chr(0x10FFFF), DOCUMENTS_AT_MOST),
    )
    return dict(rows.fetchall())


def _append(connection: sqlite3.Connection, stream: str, values: list[bytes], keep: int) -> None:
    connection.executemany("INSERT INTO entries (stream, value) VALUES (?, ?)", [(stream, value) for value in values])
    connection.execute(
        "DELETE FROM entries WHERE stream = ?1 AND number <="
        " (SELECT number FROM entries WHERE stream = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
        (stream, keep),
    )


def _entries(connection: sqlite3.Connection, stream: str, limit: int) -> list[tuple[int, bytes]]:
    rows = connection.execute(
        "SELECT number, value FROM entries WHERE stream = ? ORDER BY number LIMIT ?", (stream, limit)
    )
    return rows.fetchall()


def _drop(connection: sqlite3.Connection, stream: str, numbers: list[int]) -> None:
    connection.executemany(
        "DELETE FROM entries WHERE stream = ? AND number = ?", [(stream, number) for number in numbers]
    )
