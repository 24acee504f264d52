"""The store in a file: made late, for its owner alone, and sound after whatever befalls it."""

import json
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from sidecar.core.plan import StatePlan
from sidecar.store import database, open_store
from sidecar.store.contract import StoreError
from sidecar.store.sqlite import SqliteStore

pytestmark = pytest.mark.anyio

HERE = Path(__file__).parent


@pytest.fixture
async def store(tmp_path: Path):
    """Open a store whose file is not there yet."""
    opened = SqliteStore(str(tmp_path / "state" / "below" / "sidecar-9000.sqlite3"), None)
    yield opened
    await opened.aclose()


@pytest.fixture
def path(store: SqliteStore) -> Path:
    """Tell where its file is."""
    return Path(store._path)


async def test_nothing_is_made_before_there_is_something_to_keep(store, tmp_path) -> None:
    """Reading and removing need no file."""
    assert (await store.get("x"), await store.names(""), await store.read("s", 1)) == (None, [], [])
    await store.remove("x")
    await store.drop("s", [1])
    assert list(tmp_path.iterdir()) == []


async def test_sqlite_is_loaded_only_where_there_is_a_file() -> None:
    """It is a megabyte for whoever has nothing to keep."""
    code = (
        "import asyncio, sys\nfrom sidecar.store.sqlite import SqliteStore\n"
        "asyncio.run(SqliteStore('/nowhere/x', None).get('x'))\nassert 'sqlite3' not in sys.modules"
    )
    await anyio.run_process([sys.executable, "-c", code])


async def test_directory_and_file_are_their_owners_alone(store: SqliteStore, path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        await store.put("x", b"1")
    finally:
        os.umask(before)
    modes = {
        each: stat.S_IMODE(each.stat().st_mode) for each in (path.parent.parent, path.parent, *path.parent.iterdir())
    }
    assert set(modes.values()) == {0o700, 0o600}
    assert modes[path] == 0o600


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


async def test_what_an_interrupted_write_has_left_is_undone(store, path, tmp_path) -> None:
    """Here half of it is in the file, and the journal beside it knows what stood there."""
    for number in range(20):
        await store.put(f"document/{number}", b"before" * 500)
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
async def test_a_broken_file_is_set_aside(store: SqliteStore, path, how: str) -> None:
    """With its journal; it is told once, nothing is thrown away, and the sidecar goes on."""
    for number in range(20):
        await store.put(f"document/{number}", b"x" * 3000)
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


async def test_a_file_that_breaks_while_it_is_used_is_set_aside(store: SqliteStore, path) -> None:
    """And of two that find it broken, one moves it."""
    other = SqliteStore(str(path), None)
    await store.put("x", b"1")
    assert await other.get("x") == b"1"
    spoil(path, "no database")
    with pytest.raises(StoreError, match="is set aside"):
        await store.get("x")
    await store.put("x", b"2")
    assert await other.get("x") == b"2"
    assert len(list(path.parent.glob("*.broken-*Z"))) == 1
    await other.aclose()


async def test_a_later_schema_is_refused(store: SqliteStore, path) -> None:
    """It is left as it is: the later sidecar may come back."""
    await store.put("x", b"1")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    content = path.read_bytes()
    with pytest.raises(
        StoreError, match=r"its schema has version 99, and this sidecar knows none after \d+: use the later"
    ):
        await store.put("x", b"2")
    assert path.read_bytes() == content


async def test_an_earlier_schema_is_brought_up_to_date(
    store: SqliteStore, path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it knew stays; it is done when the file is first used, if only for reading."""
    await store.put("x", b"1")
    monkeypatch.setattr(database, "SCHEMA", (*database.SCHEMA, "CREATE TABLE more (name TEXT);"))
    later = SqliteStore(str(path), None)
    assert await later.get("x") == b"1"
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM more").fetchone() == (0,)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(database.SCHEMA),)
    await later.aclose()


async def test_the_database_of_another_program_is_left_alone(store: SqliteStore, path) -> None:
    """Somebody has given us the wrong directory."""
    path.parent.mkdir(parents=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (name TEXT)")
    with pytest.raises(StoreError, match=r"it is the database of another program: set another state\.dir"):
        await store.put("x", b"1")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]


async def test_an_empty_file_is_filled(store: SqliteStore, path) -> None:
    """It is what a crash between making the file and its first write leaves."""
    path.parent.mkdir(parents=True)
    path.touch()
    assert await store.get("x") is None
    await store.put("x", b"1")
    assert await store.get("x") == b"1"


async def test_what_is_no_file_is_refused(store: SqliteStore, path, tmp_path) -> None:
    """A directory, a link to anywhere, a FIFO, a name that cannot be: told in one line, and never waited for."""
    path.mkdir(parents=True)
    for replace in (lambda: path.symlink_to(tmp_path / "elsewhere"), lambda: os.mkfifo(path), None):
        with pytest.raises(StoreError, match=rf"cannot write {path}: it is no regular file"):
            await store.put("x", b"1")
        with pytest.raises(StoreError, match=rf"cannot read {path}: it is no regular file"):
            await store.get("x")
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()
        if replace:
            replace()
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"cannot write .*/file/x: not a directory"):
        await SqliteStore(str(tmp_path / "file" / "x"), None).put("x", b"1")
    with pytest.raises(StoreError, match="cannot write"):
        await SqliteStore("nul\0/x", None).put("x", b"1")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("name", ["a b", "100%", "what?", "#1", "ü"])
async def test_a_directory_may_have_any_name(tmp_path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a relative one."""
    monkeypatch.chdir(tmp_path)
    store = open_store(StatePlan(dir=name), 9000)
    await store.put("x", b"1")
    assert [each.name for each in (tmp_path / name).iterdir() if each.stat().st_size] == ["sidecar-9000.sqlite3"]
    await store.aclose()


async def test_a_file_moved_away_is_not_written_any_more(store: SqliteStore, path) -> None:
    """Another is made in its place, also when the whole directory is gone."""
    await store.put("x", b"1")
    path.rename(path.with_name("moved"))
    assert await store.get("x") is None
    await store.put("x", b"2")
    shutil.rmtree(path.parent)
    await store.put("x", b"3")
    assert await store.get("x") == b"3"


async def test_a_file_that_another_process_holds_is_waited_for_within_bounds(
    store: SqliteStore, path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is told, and works again when the other lets go."""
    await store.put("x", b"1")
    monkeypatch.setattr(database, "BUSY_AT_MOST", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"cannot write .*: database is locked \(SQLITE_BUSY\)"):
            await store.put("x", b"2")
    await store.put("x", b"3")


async def test_a_disk_that_hangs_holds_up_nobody(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every call ends with its deadline; what had not begun by then is not done later."""
    answers, hangs = threading.Event(), threading.Event()
    whole = database.Database._open

    def hang(self: database.Database) -> sqlite3.Connection:
        hangs.set()
        answers.wait()
        return whole(self)

    store = SqliteStore(str(tmp_path / "x.sqlite3"), None, within=0.2)
    await store.put("x", b"1")
    monkeypatch.setattr(database.Database, "_open", hang)
    try:
        with pytest.raises(StoreError, match=r"cannot use .*: the disk has not answered within 0\.2 s"):
            await store.put("x", b"2")
        assert hangs.is_set()
        for _ in range(3):
            with pytest.raises(StoreError, match="the disk has not answered"):
                await store.put("x", b"never")
    finally:
        answers.set()
        monkeypatch.undo()
    with anyio.fail_after(30):
        while True:
            try:
                assert await store.get("x") == b"2"
            except StoreError:  # the thread is not through yet
                continue
            break
    await store.aclose()


async def test_a_caller_that_is_cancelled_does_not_wait(store: SqliteStore) -> None:
    """Nor does it disturb the next."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await store.put("x", b"1")
    await store.put("y", b"2")
    assert await store.get("y") == b"2"


@pytest.mark.parametrize(
    ("volume", "replicas", "fit"), [(True, 1, True), (True, 2, False), (True, None, False), (False, 1, False)]
)
async def test_a_claim_binds_all_only_where_there_is_nobody_else(volume, replicas, fit) -> None:
    """On a volume, with one declared replica; otherwise it says what to set."""
    store = open_store(StatePlan(dir="/x", volume=volume, replicas=replicas), 9000)
    assert (store.lasting, store.shared, store.unfit is None) == (True, fit, fit)
    if not fit:
        assert store.unfit.startswith("SQLite in /x is seen by this replica alone")
        assert 'set state.store = "redis", or state.volume = true and state.replicas = 1' in store.unfit


async def test_without_a_directory_everything_passes() -> None:
    """It works all the same, and says what to set."""
    store = open_store(StatePlan(), 9000)
    assert (store.lasting, store.shared) == (False, False)
    assert "set state.dir or STATE_DIRECTORY" in store.unfit
