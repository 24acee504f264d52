"""The memos that probes leave for themselves."""

import pytest

from sidecar.contract import PassingMemo
from sidecar.core.plan import StatePlan, StoreKind
from sidecar.memo import StoreMemo
from sidecar.store import open_store

pytestmark = pytest.mark.anyio


async def test_memo_is_kept_in_the_state_directory(memo_of, tmp_path):
    """Nothing is made before there is something to keep; each probe has its own."""
    directory = tmp_path / "a place" / "below"
    memo = memo_of("search", directory)
    assert (memo.lasting, await memo.read()) == (True, "")
    assert not directory.exists()
    await memo.write("first")
    await memo.write("second")
    assert await memo_of("search", directory).read() == "second"
    assert await memo_of("other", directory).read() == ""


async def test_memo_without_a_directory_passes(memo_of):
    """It is forgotten with the sidecar."""
    memo = memo_of("search")
    assert (memo.lasting, await memo.read()) == (False, "")
    await memo.write("text")
    assert await memo.read() == "text"
    assert (await memo_of("search").read(), await PassingMemo().read()) == ("", "")


async def test_memo_is_read_within_bounds(memo_of, tmp_path):
    """Whoever has written there."""
    memo = memo_of("search", tmp_path)
    await memo.write("x" * 100_000)
    assert len(await memo.read()) == 4096


async def test_a_store_that_cannot_be_used_is_an_os_error(memo_of, tmp_path):
    """As the author of a probe is told."""
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cannot write .*/file/sidecar-9000\.sqlite3: not a directory"):
        await memo_of("search", tmp_path / "file").write("text")
    (tmp_path / "sidecar-9000.sqlite3").mkdir()
    with pytest.raises(OSError, match="it is no regular file"):
        await memo_of("search", tmp_path).read()


async def test_each_replica_has_its_own(redis_server):
    """Where several share a store."""
    store = open_store(StatePlan(store=StoreKind.REDIS, url=redis_server.url, prefix="test-memo"), 9000)
    one, two = StoreMemo(store, "one", "search"), StoreMemo(store, "two", "search")
    await one.write("text")
    assert (await one.read(), await two.read()) == ("text", "")
    await store.remove("replica/one/memo/search")
    await store.aclose()
