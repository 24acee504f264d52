"""What is known of releases is kept in step with the store, whatever becomes of the store."""

from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest
from builders import process
from msgspec.structs import replace
from servers.following import PLAN, WITHIN, Follower, following
from servers.redis import RedisServer
from servers.stores import FailingStore, MemoryStore, ReadOnlyStore, SlowStore

from sidecar import releases
from sidecar.core.actions import BeginRollback, SaveGood, SaveHold, SaveRelease, SaveStanding
from sidecar.core.facts import HoldBegun, HoldEnded, MemoryRecalled, ReleasePromoted, StandingRecalled
from sidecar.core.plan import StatePlan, StoreKind
from sidecar.core.releases.memory import NOT_RECALLED
from sidecar.core.releases.release import Hold, KnownGood, ReleasePhase, ReleaseState
from sidecar.core.releases.rollback import RollbackOrder
from sidecar.core.releases.sample import Sample
from sidecar.core.rules import RailwayPlan
from sidecar.core.state import Standing
from sidecar.ledger import patience
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.store import open_store
from sidecar.store.contract import Store

pytestmark = pytest.mark.anyio

HOLD = Hold(reason="an incident", by="root", at=1.7e9)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a store that fails no longer than a test has to."""
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(releases, "SYNC_EVERY", 0.01)


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[Store]:
    """Open a store in a file, which one replica has for itself."""
    store = open_store(StatePlan(dir=str(tmp_path)), 9000)
    yield store
    await store.aclose()


# What waits to be written ---------------------------------------------------------------------------------------------

BAKING, BAD = (
    ReleaseState(id="2", since=1.0, at=1.0, phase=phase) for phase in (ReleasePhase.BAKING, ReleasePhase.BAD)
)
OTHER = replace(BAD, id="1")
ROLLBACK = BeginRollback(RollbackOrder(release="2", target=KnownGood(release="1", at=1.0)))
STANDING = Standing(upstream=("db",))


@pytest.mark.parametrize(
    ("asked", "kept"),
    [
        ((SaveRelease(BAKING), SaveRelease(BAD)), (SaveRelease(BAD),)),
        ((SaveRelease(BAD), SaveRelease(OTHER)), (SaveRelease(BAD), SaveRelease(OTHER))),
        ((SaveRelease(BAD), ROLLBACK, SaveRelease(BAKING)), (SaveRelease(BAD), ROLLBACK, SaveRelease(BAKING))),
        ((SaveGood(BAD, {}), SaveGood(OTHER, {})), (SaveGood(BAD, {}), SaveGood(OTHER, {}))),
        ((SaveStanding(Standing()), SaveStanding(STANDING)), (SaveStanding(STANDING),)),
        ((SaveHold(HOLD), SaveHold(None)), (SaveHold(None),)),
        ((SaveHold(HOLD), SaveStanding(STANDING)), (SaveHold(HOLD), SaveStanding(STANDING))),
    ],
)
async def test_what_waits_is_overtaken_by_the_same_said_anew_and_by_nothing_else(asked, kept) -> None:
    """The order stays: a rollback begins when everything before it is written."""
    follower = Follower(MemoryStore())
    for action in asked:
        follower.releases.act(action)
    assert tuple(follower.releases._queue) == kept


async def test_a_good_release_is_written_with_what_later_ones_are_held_against(file: Store) -> None:
    """A baseline without samples keeps the one before."""
    async with following(file) as follower:
        for samples in ({"web": Sample(answered={3: 70})}, {}):
            follower.releases.act(SaveGood(BAD, samples))
            assert await follower.releases.flush(WITHIN)
        ledger = follower.releases.ledger
        assert (await ledger.good()).release == "2"
        assert (await ledger.baseline()).samples == {"web": Sample(answered={3: 70})}


# A release that begins ------------------------------------------------------------------------------------------------


async def test_a_release_introduces_itself_as_platform_and_parent_know_it(file: Store) -> None:
    """Also one that never becomes anything: a later rollback needs its deployment, its command and its schema."""
    async with following(file, command=("gateway", "--fast")) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        record = (await follower.written())["2", "a"]
    assert (record.phase, record.deployments, record.command, record.schema) == (
        ReleasePhase.STARTING,
        ("d-2",),
        ("gateway", "--fast"),
        "7",
    )


async def test_a_release_that_was_restored_here_is_written_as_what_it_was_known_as(file: Store) -> None:
    """In parent mode another release than that of the configuration may run."""
    earlier = ReleaseRecord(
        id="1", phase=ReleasePhase.GOOD, since=1.0, updated=1.0, deployments=("d-1",), command=("old",), schema="6"
    )
    await Ledger(file, "a").save_release(earlier)
    async with following(file) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        follower.releases.act(SaveRelease(OTHER))
        follower.releases.act(SaveRelease(replace(OTHER, id="0")))
        written = await follower.written()
    record, unheard_of = written["1", "a"], written["0", "a"]
    assert (record.deployments, record.command, record.schema) == (("d-1",), ("old",), "6")
    assert (unheard_of.deployments, unheard_of.command) == ((), ())


async def test_what_was_measured_is_kept_until_the_release_is_decided_about(file: Store) -> None:
    """Afterwards nobody asks for it: it would only take room."""
    async with following(file) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        for state in (BAKING, BAD):
            measured = replace(state, samples={"web": Sample(answered={3: 1})}, within={"web": 1}, restarts=2)
            follower.releases.act(SaveRelease(measured))
            record = (await follower.written())["2", "a"]
            assert bool(record.samples) is bool(record.within) is (state is BAKING)
            assert record.restarts == 2


# A store that fails ---------------------------------------------------------------------------------------------------


async def test_a_store_that_fails_is_told_once_and_nothing_is_lost() -> None:
    """However many wait for it. When it works again, everything is there; when it fails again, that is told again."""
    store = FailingStore()
    store.fail()
    async with following(store) as follower:
        follower.serve()
        for _ in range(5):
            await follower.releases.flush(0.01)
        assert not follower.took(MemoryRecalled)
        assert len(follower.warnings) == 1
        assert follower.warnings[0].startswith(
            "cannot reach the store: it is out of order; it is tried again, and nothing"
        )
        store.recover()
        await follower.until(lambda: follower.took(MemoryRecalled))
        assert (await follower.written())["2", "a"].phase is ReleasePhase.BAKING
        assert (await follower.releases.ledger.latches()).process == process(7)
        store.fail()
        await follower.until(lambda: len(follower.warnings) == 2)


async def test_a_flush_ends_with_its_time() -> None:
    """And tells that not everything is written."""
    store = FailingStore()
    async with following(store) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        assert await follower.releases.flush(WITHIN)
        store.fail()
        follower.releases.act(SaveRelease(BAD))
        assert not await follower.releases.flush(0.01)


@pytest.mark.parametrize("name", ["replica/z/seen", "rollback/2/1", "release/1/a"])
async def test_what_nobody_can_read_ends_nothing(name: str) -> None:
    """It is told with its name, and as soon as somebody has mended it, the sidecar goes on."""
    store = MemoryStore()
    store.kept[name] = b"\xff"
    async with following(store) as follower:
        await follower.until(lambda: follower.warnings)
        assert f"cannot read {name} in the store: " in follower.warnings[0]
        if not name.endswith("seen"):
            assert follower.tracker.state.memory.unfit == NOT_RECALLED
        del store.kept[name]
        await follower.until(lambda: follower.took(MemoryRecalled))


# A hold ---------------------------------------------------------------------------------------------------------------


async def test_a_hold_that_cannot_be_written_yet_stands_all_the_same() -> None:
    """Whatever the store says meanwhile. It is written as soon as that can be; so it is with its end."""
    store = ReadOnlyStore()
    async with following(store) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        for fact, before, expected in ((HoldBegun(HOLD), None, HOLD), (HoldEnded("root"), HOLD, None)):
            assert await follower.releases.flush(WITHIN)
            store.read_only = True
            follower.tracker.record(fact)
            recalled = len(follower.took(MemoryRecalled))
            await follower.until(lambda recalled=recalled: len(follower.took(MemoryRecalled)) > recalled + 1)
            assert follower.tracker.state.memory.hold == expected
            assert await follower.releases.ledger.hold() == before
            store.read_only = False
            assert await follower.releases.flush(WITHIN)
            assert await follower.releases.ledger.hold() == expected


async def test_a_hold_that_is_said_while_the_store_is_read_stands() -> None:
    """What was read before it was written down says nothing about it."""
    store = SlowStore("hold")
    async with following(store) as follower:
        await store.asked.wait()
        follower.tracker.record(HoldBegun(HOLD))
        await anyio.wait_all_tasks_blocked()
        store.answer.set()
        await follower.until(lambda: follower.took(MemoryRecalled))
        assert follower.tracker.state.memory.hold == HOLD
        assert await follower.releases.flush(WITHIN)
        assert await follower.releases.ledger.hold() == HOLD


# Several replicas -----------------------------------------------------------------------------------------------------


async def test_replicas_that_share_a_store_hear_of_each_other(redis_server: RedisServer) -> None:
    """What one has decided, and what an operator has told one of them, soon holds for all."""
    plan = StatePlan(store=StoreKind.REDIS, url=redis_server.url, prefix="hear-of-each-other")
    one, other = open_store(plan, 9000), open_store(plan, 9000)
    async with following(one) as here, following(other, replica="b") as there:
        here.tracker.record(HoldBegun(HOLD))
        await there.until(lambda: there.tracker.state.memory.hold == HOLD)
        here.tracker.record(ReleasePromoted("customers are content", "root"))
        await there.until(lambda: there.tracker.state.release.phase is ReleasePhase.GOOD)
        assert there.tracker.state.release.reason == "promoted by root: customers are content"
    await one.aclose()
    await other.aclose()


async def test_a_store_of_ones_own_is_not_looked_at_again(file: Store) -> None:
    """Nobody else writes to it."""
    async with following(file) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        await anyio.wait_all_tasks_blocked()
        assert "recall" not in {task.name for task in anyio.get_running_tasks()}


# What a restarted sidecar takes up ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deployment", "upstream"), [("d-2", True), ("d-3", False)])
async def test_what_has_passed_once_is_taken_up_after_a_restart(file: Store, deployment: str, upstream: bool) -> None:
    """The gateway's checks for the same process, the upstreams' for the same deployment."""
    async with following(file) as before:
        before.serve()
        assert await before.releases.flush(WITHIN)
    plan = replace(PLAN, railway=RailwayPlan(deployment=deployment))
    async with following(file, plan) as after:
        await after.until(lambda: after.took(StandingRecalled))
        (recalled,) = after.took(StandingRecalled)
    assert recalled.standing.process == process(7)
    assert recalled.standing.gateway == ("web",)
    assert recalled.standing.upstream == (("db",) if upstream else ())


async def test_drains_before_a_restart_are_recalled_when_they_were(file: Store) -> None:
    """In the seconds of the core's clock, although they are kept as Unix time."""
    async with following(file) as before:
        before.releases.act(SaveStanding(Standing(drains=(100.0, 4000.5))))
        assert await before.releases.flush(WITHIN)
        assert (await before.releases.ledger.drains())[0] > 1.5e9
    async with following(file) as after:
        await after.until(lambda: after.took(StandingRecalled))
    assert after.took(StandingRecalled)[0].standing.drains == pytest.approx((100.0, 4000.5), abs=0.1)
