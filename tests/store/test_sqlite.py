"""The store in a file: made late, for its owner alone, and sound after whatever befalls it."""

import os
import shutil
import sqlite3
import stat
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


async def test_nothing_is_made_before_there_is_something_to_keep(sqlite_store, tmp_path) -> None:
    """Reading and removing need no file."""
    assert await sqlite_store.get("x") is None
    assert await sqlite_store.documents("") == {}
    assert await sqlite_store.read("s", 1) == []
    await sqlite_store.remove("x")
    await sqlite_store.drop("s", [1])
    assert list(tmp_path.iterdir()) == []


async def test_sqlite_is_loaded_only_where_there_is_a_file() -> None:
    """It is a megabyte for whoever has nothing to keep."""
    code = (
        "import asyncio, sys\nfrom sidecar.store.sqlite import SqliteStore\n"
        "asyncio.run(SqliteStore('/nowhere/x', None).get('x'))\nassert 'sqlite3' not in sys.modules"
    )
    await anyio.run_process([sys.executable, "-c", code])


async def test_directory_and_file_are_their_owners_alone(sqlite_store: SqliteStore, path) -> None:
    """Whatever the umask says."""
    before = os.umask(0)
    try:
        await sqlite_store.put("x", b"1")
    finally:
        os.umask(before)
    modes = {
        each: stat.S_IMODE(each.stat().st_mode) for each in (path.parent.parent, path.parent, *path.parent.iterdir())
    }
    assert set(modes.values()) == {0o700, 0o600}
    assert modes[path] == 0o600


async def test_what_is_no_file_is_refused(sqlite_store: SqliteStore, path, tmp_path) -> None:
    """A directory, a link to anywhere, a FIFO, a name that cannot be: told in one line, and never waited for."""
    path.mkdir(parents=True)
    for replace in (lambda: path.symlink_to(tmp_path / "elsewhere"), lambda: os.mkfifo(path), None):
        with pytest.raises(StoreError, match=rf"cannot write {path}: it is no regular file"):
            await sqlite_store.put("x", b"1")
        with pytest.raises(StoreError, match=rf"cannot read {path}: it is no regular file"):
            await sqlite_store.get("x")
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


async def test_a_file_moved_away_is_not_written_any_more(sqlite_store: SqliteStore, path) -> None:
    """Another is made in its place, also when the whole directory is gone."""
    await sqlite_store.put("x", b"1")
    path.rename(path.with_name("moved"))
    assert await sqlite_store.get("x") is None
    await sqlite_store.put("x", b"2")
    shutil.rmtree(path.parent)
    await sqlite_store.put("x", b"3")
    assert await sqlite_store.get("x") == b"3"


async def test_a_file_that_another_process_holds_is_waited_for_within_bounds(
    sqlite_store: SqliteStore, path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then it is told, and works again when the other lets go."""
    await sqlite_store.put("x", b"1")
    monkeypatch.setattr(database, "BUSY_AT_MOST", 0.05)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StoreError, match=r"cannot write .*: database is locked \(SQLITE_BUSY\)"):
            await sqlite_store.put("x", b"2")
    await sqlite_store.put("x", b"3")


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


async def test_a_caller_that_is_cancelled_does_not_wait(sqlite_store: SqliteStore) -> None:
    """Nor does it disturb the next."""
    with anyio.CancelScope() as scope:
        scope.cancel()
        await sqlite_store.put("x", b"1")
    await sqlite_store.put("y", b"2")
    assert await sqlite_store.get("y") == b"2"


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
