"""The file of a store survives: a kill, a loss of power, a full disk, other versions; and broken it is set aside."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from sidecar.store import database
from sidecar.store.contract import StoreError
from sidecar.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent


def written_until_killed(path: Path, last: int, writes: int) -> list[int]:
    """Let a process write, kill it after so many writes, and tell which it has been told to be done."""
    with subprocess.Popen([sys.executable, HERE / "writer.py", path, str(last)], stdout=subprocess.PIPE) as writer:
        lines = [writer.stdout.readline() for _ in range(writes)]
        writer.kill()
        return [int(line) for line in [*lines, *writer.stdout]]


async def test_a_process_killed_while_it_writes_loses_nothing_that_was_acknowledged(path) -> None:
    """Killed with SIGKILL again and again, at any point, and what it has left is used by the next."""
    last, acknowledged = 0, []
    for round_ in range(20):
        acknowledged += written_until_killed(path, last, round_ % 4 + 1)
        told = acknowledged[-1]
        after = SqliteStore(str(path), None)
        last = int(await after.get("last"))
        entries = [int(value) for _, value in await after.read("numbers", 100)]
        assert told <= last <= told + 1
        assert told <= entries[-1] <= told + 1
        assert {number for number in acknowledged if number > entries[0]} <= set(entries)
        assert (entries == sorted(set(entries)), len(entries)) == (True, min(20, len(entries)))
        assert int(await after.get(f"claim/{told % 50}")) <= told
        await after.aclose()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


async def test_what_an_interrupted_write_has_left_is_undone(sqlite_store, path, tmp_path) -> None:
    """Here half of it is in the file, and the journal beside it knows what stood there."""
    for number in range(20):
        await sqlite_store.put(f"document/{number}", b"before" * 500)
    crashed = tmp_path / "crashed.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as interrupted:
        interrupted.execute("PRAGMA cache_size = 1")  # so that it is written before it is committed
        interrupted.execute("BEGIN IMMEDIATE")
        interrupted.execute("UPDATE documents SET value = ?", (b"after!" * 500,))
        shutil.copy(path, crashed)
        shutil.copy(f"{path}-journal", f"{crashed}-journal")
    assert b"after!" in crashed.read_bytes()
    survivor = SqliteStore(str(crashed), None)
    assert {await survivor.get(f"document/{number}") for number in range(20)} == {b"before" * 500}
    await survivor.aclose()


@pytest.mark.parametrize("limit", [30_000, 50_000, 70_000])
async def test_a_full_disk_is_told_and_spoils_nothing(path, limit: int) -> None:
    """What was written before stays, and when there is room again, it is used."""
    done = await anyio.run_process([sys.executable, str(HERE / "filler.py"), str(path), str(limit)])
    found = json.loads(done.stdout)
    assert found["refusal"].startswith(f"cannot write {path}: ")
    assert "SQLITE_" in found["refusal"]
    assert found["lost"] == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def spoil(path: Path, how: str) -> None:
    """Do to the file what disks and people do."""
    whole = path.read_bytes()
    if how == "no database":
        path.write_bytes(b"spoilt " * 1000)
    elif how == "cut off":
        path.write_bytes(whole[: len(whole) // 2])
    else:
        path.write_bytes(whole[:4096] + os.urandom(len(whole) - 4096))


@pytest.mark.parametrize("how", ["no database", "cut off", "overwritten"])
async def test_a_broken_file_is_set_aside(sqlite_store: SqliteStore, path, how: str) -> None:
    """With its journal; it is told once, nothing is thrown away, and the sidecar goes on."""
    for number in range(20):
        await sqlite_store.put(f"document/{number}", b"x" * 3000)
    spoil(path, how)
    spoilt = path.read_bytes()
    again = SqliteStore(str(path), None)
    with pytest.raises(StoreError, match=rf"{path.name} is broken \(.*\): it is set aside as .*{path.name}\.broken-"):
        await again.claim("rollback/1", b"mine")
    [kept] = path.parent.glob("*.broken-*Z")
    assert kept.read_bytes() == spoilt
    assert [each.stat().st_size for each in path.parent.glob("*-journal")] == [0]
    assert await again.get("rollback/1") is None
    assert await again.claim("rollback/1", b"mine") == b"mine"
    await again.aclose()


async def test_a_file_that_breaks_while_it_is_used_is_set_aside(sqlite_store: SqliteStore, path) -> None:
    """And of two that find it broken, one moves it."""
    other = SqliteStore(str(path), None)
    await sqlite_store.put("x", b"1")
    assert await other.get("x") == b"1"
    spoil(path, "no database")
    with pytest.raises(StoreError, match="is set aside"):
        await sqlite_store.get("x")
    await sqlite_store.put("x", b"2")
    assert await other.get("x") == b"2"
    assert len(list(path.parent.glob("*.broken-*Z"))) == 1
    await other.aclose()


async def test_a_later_schema_is_refused(sqlite_store: SqliteStore, path) -> None:
    """It is left as it is: the later sidecar may come back."""
    await sqlite_store.put("x", b"1")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    content = path.read_bytes()
    with pytest.raises(
        StoreError, match=r"its schema has version 99, and this sidecar knows none after \d+: use the later"
    ):
        await sqlite_store.put("x", b"2")
    assert path.read_bytes() == content


async def test_an_earlier_schema_is_brought_up_to_date(
    sqlite_store: SqliteStore, path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it knew stays; it is done when the file is first used, if only for reading."""
    await sqlite_store.put("x", b"1")
    monkeypatch.setattr(database, "SCHEMA", (*database.SCHEMA, "CREATE TABLE more (name TEXT);"))
    later = SqliteStore(str(path), None)
    assert await later.get("x") == b"1"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(database.SCHEMA),)
    await later.aclose()


async def test_the_database_of_another_program_is_left_alone(sqlite_store: SqliteStore, path) -> None:
    """Somebody has given us the wrong directory."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (name TEXT)")
    with pytest.raises(StoreError, match=r"it is the database of another program: set another state\.dir"):
        await sqlite_store.put("x", b"1")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]


async def test_an_empty_file_is_filled(sqlite_store: SqliteStore, path) -> None:
    """It is what a crash between making the file and its first write leaves."""
    path.parent.mkdir(parents=True)
    path.touch()
    assert await sqlite_store.get("x") is None
    await sqlite_store.put("x", b"1")
    assert await sqlite_store.get("x") == b"1"
