"""What is known of releases is written down, and read again as what it was."""

import json
from pathlib import Path

import pytest
from msgspec.structs import replace

from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import StatePlan, StoreKind
from sidecar.core.releases.baseline import Baseline
from sidecar.core.releases.release import Hold, KnownGood, ReleasePhase
from sidecar.core.releases.rollback import Restorable, RollbackPhase, RollbackRecord
from sidecar.core.releases.sample import Sample
from sidecar.ledger.records import Latches, Ledger, Present, ReleaseRecord, Seen
from sidecar.ledger.tidying import KEPT_FOR, RELEASES_KEPT, STREAMS_KEPT_FOR, tidy
from sidecar.store import open_store, replica_of
from sidecar.store.contract import Store, StoreError
from sidecar.store.documents import encode

pytestmark = pytest.mark.anyio

NOW = 1_780_000_000.0
SAMPLE = Sample(answered={0: 3, 17: 2}, errors=1)
RECORD = ReleaseRecord(
    id="2.7.1",
    phase=ReleasePhase.BAKING,
    since=NOW,
    updated=NOW + 60.0,
    reason="it has started",
    by="root",
    served=True,
    schema="41",
    deployments=("new", "old"),
    command=("gateway", "--port", "8000"),
    samples={"gateway": SAMPLE},
    within={"gateway": 3},
    looks=2,
    unhealthy=1.5,
    restarts=1,
)
TARGET = KnownGood(release="2.7.0", at=NOW, schema="40", deployments=("d1",), command=("gateway",))
ROLLBACK = RollbackRecord(
    release="2.7.1",
    target=TARGET,
    phase=RollbackPhase.VERIFYING,
    replica="one",
    begun=NOW,
    seen=NOW + 30.0,
    found=Restorable(deployment="d1"),
)


@pytest.fixture
async def store(tmp_path: Path):
    """Open a store in a file."""
    opened = open_store(StatePlan(dir=str(tmp_path)), 9000)
    yield opened
    await opened.aclose()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    """Open the ledger of one replica."""
    return Ledger(store, "one")


async def test_a_release_is_read_again_as_it_was_written(ledger: Ledger) -> None:
    """With the name of the replica that has written it."""
    assert await ledger.releases() == []
    await ledger.save_release(RECORD)
    assert await ledger.releases() == [replace(RECORD, replica="one")]


async def test_replicas_do_not_write_over_each_other(store: Store, ledger: Ledger) -> None:
    """The one that has written last comes first, whichever release it is about."""
    other = Ledger(store, "two")
    await ledger.save_release(RECORD)
    await other.save_release(replace(RECORD, phase=ReleasePhase.GOOD, updated=NOW + 90.0))
    await ledger.save_release(replace(RECORD, id="2.7.2", updated=NOW + 70.0))
    await ledger.save_release(replace(RECORD, restarts=2))
    assert [(record.id, record.replica, record.phase) for record in await other.releases()] == [
        ("2.7.1", "two", ReleasePhase.GOOD),
        ("2.7.2", "one", ReleasePhase.BAKING),
        ("2.7.1", "one", ReleasePhase.BAKING),
    ]


@pytest.mark.parametrize("name", ["feature/x", "a b", "ü", "..", "100%", "a/../b", "*", "other/one"])
async def test_a_release_may_have_any_name(store: Store, ledger: Ledger, name: str) -> None:
    """None is taken for another, or for the beginning of another."""
    await ledger.save_release(replace(RECORD, id="other"))
    await ledger.save_release(replace(RECORD, id=name))
    assert {record.id for record in await ledger.releases()} == {"other", name}
    assert all(each.isascii() and each.count("/") == 2 for each in await store.documents("release/"))


async def test_the_last_known_good_its_baseline_and_a_hold_are_kept(ledger: Ledger) -> None:
    """Each in one place, for all replicas."""
    assert [await ledger.good(), await ledger.baseline(), await ledger.hold()] == [None, None, None]
    baseline = Baseline(release="2.7.0", at=NOW, samples={"gateway": SAMPLE})
    hold = Hold(reason="the database is moved", by="root", at=NOW)
    await ledger.save_good(TARGET)
    await ledger.save_baseline(baseline)
    await ledger.save_hold(hold)
    other = Ledger(ledger.store, "two")
    assert [await other.good(), await other.baseline(), await other.hold()] == [TARGET, baseline, hold]
    await other.remove_hold()
    assert await ledger.hold() is None


async def test_rollbacks_are_read_as_their_actors_have_written_them(store: Store, ledger: Ledger) -> None:
    """Each turn of each rollback, the one begun last first."""
    assert await ledger.rollbacks() == []
    second = replace(ROLLBACK, phase=RollbackPhase.VERIFIED, replica="two", seen=NOW + 60.0)
    later = replace(ROLLBACK, release="2.7.2", begun=NOW + 500.0, seen=NOW + 500.0)
    for name, record in (("2.7.1/1", ROLLBACK), ("2.7.1/2", second), ("2.7.2/1", later)):
        await store.put(f"rollback/{name}", encode(record))
    assert await ledger.rollbacks() == [later, second, ROLLBACK]


async def test_each_replica_has_its_own_latches_and_drains(store: Store, ledger: Ledger) -> None:
    """Of whom the latches are true is written with them."""
    latches = Latches(
        deployment="d1",
        upstream=("redis",),
        process=GatewayProcess(boot_id="b", pid=7, start_ticks=11, started=0.11),
        gateway=("gateway", "process"),
    )
    assert (await ledger.latches(), await ledger.drains()) == (Latches(), ())
    await ledger.save_latches(latches)
    await ledger.save_drains((NOW, NOW + 60.0))
    assert (await ledger.latches(), await ledger.drains()) == (latches, (NOW, NOW + 60.0))
    assert await Ledger(store, "two").latches() == Latches()


async def test_what_a_later_version_has_added_is_passed_over(store: Store, ledger: Ledger) -> None:
    """A rollback of the sidecar itself must not lose what is known."""
    await ledger.save_good(TARGET)
    document = json.loads(await store.get("good")) | {"colour": "blue"}
    await store.put("good", json.dumps(document).encode())
    assert await ledger.good() == TARGET


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b'{"release": 1}', b"\xff"])
async def test_what_cannot_be_understood_is_told_with_its_name(store: Store, ledger: Ledger, value: bytes) -> None:
    """It is left as it is."""
    for name, call in (
        ("good", ledger.good),
        ("rollback/2.7.1/1", ledger.rollbacks),
        ("release/2.7.1/one", ledger.releases),
        ("replica/one/drains", ledger.drains),
    ):
        await store.put(name, value)
        with pytest.raises(StoreError, match=f"cannot read {name} in the store: "):
            await call()
        assert await store.get(name) == value


async def test_what_nobody_will_ask_for_is_forgotten(store: Store, ledger: Ledger) -> None:
    """Old releases, their rollbacks, and replicas that are gone for long; nothing of the release that runs."""
    gone = Ledger(store, "gone")
    await gone.show_up(Seen(NOW))
    await gone.be_present(Present(NOW))
    await gone.save_drains((NOW,))
    await gone.save_release(RECORD)
    await gone.save_release(replace(RECORD, id="current"))
    await gone.save_release(replace(RECORD, id="recent", updated=NOW + KEPT_FOR))
    for name, seen in (("2.7.1/1", NOW), ("2.7.1/2", NOW), ("current/1", NOW), ("recent/1", NOW + KEPT_FOR)):
        await store.put(f"rollback/{name}", encode(replace(ROLLBACK, release=name[:-2], seen=seen)))
    await ledger.save_drains((NOW,))
    await ledger.be_present(Present(NOW, "current"))
    await tidy(ledger, "current", NOW + KEPT_FOR + 100.0)
    assert {record.id for record in await ledger.releases()} == {"current", "recent"}
    assert {record.release for record in await ledger.rollbacks()} == {"current", "recent"}
    assert list(await store.documents("replica/")) == ["replica/one/drains", "replica/one/seen"]
    assert await ledger.present() == {"one": Present(NOW, "current")}


async def test_a_replica_that_is_gone_leaves_no_journal_behind(store: Store, ledger: Ledger) -> None:
    """Nor what it has not told: each deployment brings new ones, and a full store takes nothing any more."""
    streams = [f"{what}/{{}}{sink}" for what, sink in (("journal", ""), ("flights", ""), ("outbox", "/ops"))]
    for replica in ("gone", "recent"):
        for stream in streams:
            await store.append(stream.format(replica), [b"1", b"2"], 10)
    await Ledger(store, "gone").show_up(Seen(NOW, ("ops",)))
    await Ledger(store, "recent").show_up(Seen(NOW + 100.0, ("ops",)))
    await tidy(ledger, None, NOW + STREAMS_KEPT_FOR + 50.0)
    for stream in streams:
        assert await store.read(stream.format("gone"), 10) == []
        assert len(await store.read(stream.format("recent"), 10)) == 2


async def test_no_more_releases_are_remembered_than_replicas_can_read_again_and_again(ledger: Ledger) -> None:
    """Those that were written of last; the current one and the last good one in any case."""
    for number in range(RELEASES_KEPT + 10):
        await ledger.save_release(replace(RECORD, id=f"{number}", updated=NOW + number))
    await ledger.save_good(KnownGood(release="3", at=NOW))
    await tidy(ledger, "5", NOW + 1000.0)
    kept = {f"{number}" for number in range(10, RELEASES_KEPT + 10)} | {"3", "5"}
    assert {record.id for record in await ledger.releases()} == kept


def test_a_replica_is_named_where_several_share_a_store() -> None:
    """A file is found again under whatever name the host has today."""
    assert replica_of(StatePlan(dir="/x", replica="one"), 9000) == "self"
    shared = StatePlan(store=StoreKind.REDIS, url="redis://host")
    assert replica_of(replace(shared, replica="one"), 9000) == "one"
    assert replica_of(shared, 9000).endswith("-9000")
