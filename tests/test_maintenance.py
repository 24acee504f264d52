"""Maintenance survives a restart of the sidecar, of the machine, and a clock that was set meanwhile."""

import json
import time

import pytest

from sidecar.clock import boottime
from sidecar.core.plan import StatePlan
from sidecar.core.state import Maintenance
from sidecar.maintenance import _recalled, _Written, forget, keep, recall
from sidecar.store import open_store
from sidecar.store.contract import StoreError

WRITTEN = _Written(reason="an upgrade", by="root", boot_id="this", since=100.0, until=700.0, wall_until=5000.0)


@pytest.mark.parametrize(
    ("boot", "now", "wall", "left"),
    [
        ("this", 400.0, 4700.0, 300.0),
        ("this", 400.0, 9_999_999.0, 300.0),
        ("this", 400.0, 0.0, 300.0),
        ("this", 700.0, 4700.0, None),
        ("next", 10.0, 4700.0, 300.0),
        ("next", 10.0, 5000.0, None),
        ("next", 10.0, 0.0, 600.0),
    ],
    ids=["same boot", "set forward", "set back", "over", "rebooted", "rebooted, over", "rebooted, clock lost"],
)
def test_how_much_is_left(boot, now, wall, left):
    """Within one boot the clock on the wall counts for nothing; after it, for no more than was meant."""
    recalled = _recalled(WRITTEN, boot, now, wall)
    if left is None:
        assert recalled is None
    else:
        assert recalled == Maintenance(reason="an upgrade", by="root", since=now + left - 600.0, until=now + left)


@pytest.fixture
async def store(tmp_path):
    """Open a store in a file."""
    opened = open_store(StatePlan(dir=str(tmp_path)), 9000)
    yield opened
    await opened.aclose()


@pytest.mark.anyio
async def test_what_is_kept_is_recalled_until_it_is_forgotten(store):
    """For each replica its own."""
    word = Maintenance(reason="an upgrade", by="root", since=boottime(), until=boottime() + 600.0)
    await keep(store, "one", word)
    recalled = await recall(store, "one")
    assert (recalled.reason, recalled.by) == ("an upgrade", "root")
    assert recalled.until == pytest.approx(word.until)
    assert await recall(store, "two") is None
    await forget(store, "one")
    assert await recall(store, "one") is None


@pytest.mark.anyio
async def test_what_is_over_is_removed(store):
    """Nobody has to clear up."""
    await keep(store, "one", Maintenance(reason="x", by="root", since=boottime() - 2.0, until=boottime() - 1.0))
    assert list(await store.documents("")) == ["replica/one/maintenance"]
    assert await recall(store, "one") is None
    assert await store.documents("") == {}


@pytest.mark.anyio
async def test_the_end_on_the_wall_is_written_down(store):
    """For after the next boot."""
    await keep(store, "one", Maintenance(reason="x", by="root", since=boottime(), until=boottime() + 600.0))
    written = json.loads(await store.get("replica/one/maintenance"))
    assert written["wall_until"] == pytest.approx(time.time() + 600.0, abs=60.0)


@pytest.mark.anyio
@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"reason": 1}', b"\xe4"])
async def test_a_document_that_is_none_of_ours_is_told(store, value):
    """With its name; it is left where it is."""
    await store.put("replica/one/maintenance", value)
    with pytest.raises(StoreError, match="cannot read replica/one/maintenance in the store: "):
        await recall(store, "one")
    assert await store.get("replica/one/maintenance") == value
