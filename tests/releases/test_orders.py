"""What an operator orders about releases, and what he is told of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time

import pytest
from builders import rollback_record
from msgspec.structs import replace
from servers.following import PLAN, WITHIN, Follower, following
from servers.stores import FailingStore

from sidecar import release_orders
from sidecar.core.actions import StoreAction
from sidecar.core.events import EventKind
from sidecar.core.facts import MemoryRecalled
from sidecar.core.releases.release import Hold, ReleasePhase
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.core.rules import PlatformKind, ReleaseMode, ReleasePlan, RollbackPlan
from sidecar.ledger import patience
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.ledger.turns import Turns
from sidecar.serve import orders
from sidecar.serve.orders import Answer, ReleaseOrder
from sidecar.store.contract import Store
from sidecar.store.passing import PassingStore

pytestmark = pytest.mark.anyio

STOPPED = "all automation is stopped until sidecar unhold: no drain, no promotion, no rollback; "


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for a store that fails no longer than a test has to."""
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(patience, "LONGEST_PAUSE", 0.01)
    monkeypatch.setattr(release_orders, "KEPT_WITHIN", 0.05)


async def known(*records: tuple[str, ReleasePhase], **more: str) -> FailingStore:
    """Make a store in which these releases are known, the first since longest."""
    store, now = FailingStore(), time()
    for place, (id_, phase) in enumerate(records):
        at = now - 1000.0 + place
        record = ReleaseRecord(id=id_, phase=phase, since=at, updated=at, served=True, **({"schema": "7"} | more))
        await Ledger(store, "z").save_release(record)
    return store


@asynccontextmanager
async def serving(store: Store, plan=PLAN) -> AsyncIterator[Follower]:
    """Follow a release that takes traffic."""
    async with following(store, plan) as follower:
        follower.releases.act = lambda action: acted(follower, action)
        await follower.until(lambda: follower.took(MemoryRecalled))
        follower.serve()
        yield follower


def acted(follower: Follower, action: StoreAction) -> None:
    """Write everything down, and carry no rollback out."""
    if type(action).__name__ != "BeginRollback":
        type(follower.releases).act(follower.releases, action)


async def say(follower: Follower, order: ReleaseOrder) -> Answer:
    """Give an order as root."""
    return await follower.orders.carry_out(order, "root")


# Hold and unhold ------------------------------------------------------------------------------------------------------


async def test_a_hold_is_in_force_and_written_down_when_it_is_answered() -> None:
    """With who has said it, why and when; its end too, with the reason."""
    store = await known()
    async with serving(store) as follower:
        answer = await say(follower, orders.Hold("an incident"))
        assert answer == Answer(done=True, message=f"{STOPPED}it is written down")
        hold = follower.tracker.state.memory.hold
        assert (hold.reason, hold.by) == ("an incident", "root")
        assert hold.at == pytest.approx(time(), abs=60.0)
        assert await Ledger(store, "z").hold() == hold
        assert await say(follower, orders.Unhold("it is over")) == Answer(done=True, message="automation goes on")
        assert follower.tracker.state.memory.hold is None
        assert await Ledger(store, "z").hold() is None
        assert await say(follower, orders.Unhold("again")) == Answer(done=True, message="it was not stopped")
    (told,) = [event.message for event in follower.events if event.kind is EventKind.HOLD_ENDED]
    assert told == "automation goes on, the hold was ended by root (it is over): an incident"


async def test_a_hold_that_the_store_cannot_keep_holds_here() -> None:
    """The answer says so; and when a hold cannot be ended for all, that is no success."""
    store = await known()
    async with serving(store) as follower:
        assert await follower.releases.flush(WITHIN)
        with store.failing():
            answer = await say(follower, orders.Hold("an incident"))
            assert answer.done
            assert "the store fails: until it works again, it counts for this replica alone" in answer.message
            assert follower.tracker.state.memory.hold is not None
            answer = await say(follower, orders.Unhold("over"))
            assert not answer.done
            assert answer.message.startswith("automation goes on here, but the store fails")
            assert follower.tracker.state.memory.hold is None


async def test_a_hold_without_a_lasting_store_ends_with_the_sidecar() -> None:
    """Whoever relies on it has to know."""
    async with following(PassingStore("it is in memory")) as follower:
        answer = await say(follower, orders.Hold("an incident"))
    assert answer.message == (
        f"{STOPPED}it is not written down, and ends with the sidecar: set state.dir or STATE_DIRECTORY"
    )


# Promote --------------------------------------------------------------------------------------------------------------


async def test_a_release_that_is_promoted_is_good() -> None:
    """For every replica, with who has said so; a second time there is nothing to promote."""
    store = await known()
    async with serving(store) as follower:
        answer = await say(follower, orders.Promote("looked at it"))
        good = "release 2 is good, and what a later one is rolled back to"
        assert answer == Answer(done=True, message=f"{good}; it is written down")
        [record] = [each for each in await Ledger(store, "z").releases() if each.replica == "a"]
        names = [name for name, value in store.written if name == "good" or b'"phase":"good"' in value]
        assert names[-2:] == ["good", "release/2/a"], "killed between the two, it is judged once more"
        assert (record.phase, record.by, record.reason) == (ReleasePhase.GOOD, "root", "promoted by root: looked at it")
        again = await say(follower, orders.Promote("once more"))
    assert again == Answer(done=False, message="cannot promote release 2: it is good already")


async def test_a_promotion_that_the_store_cannot_keep_is_told_as_such() -> None:
    """It counts here; whoever relies on it elsewhere has to know."""
    store = await known()
    async with serving(store) as follower:
        assert await follower.releases.flush(WITHIN)
        with store.failing():
            answer = await say(follower, orders.Promote("looked at it"))
    assert answer.done
    assert "the store fails: until it works again, it counts for this replica alone" in answer.message
    assert follower.tracker.state.release.phase is ReleasePhase.GOOD


async def test_where_no_release_is_judged_none_is_promoted_or_rolled_back() -> None:
    """What to set is said."""
    plan = replace(PLAN, release=ReleasePlan())
    async with following(await known(), plan) as follower:
        promoted = await say(follower, orders.Promote("why not"))
        rolled_back = await say(follower, orders.Rollback("why not"))
    assert promoted == Answer(
        done=False,
        message="cannot promote: no release is judged here; set release.id, and release.mode other than off",
    )
    assert rolled_back == Answer(done=False, message="cannot roll back: no release is known here; set release.id")


# Rollback -------------------------------------------------------------------------------------------------------------

GOOD = ("1", ReleasePhase.GOOD)


@pytest.mark.parametrize(
    ("release", "target"), [(None, "1"), ("1", "1"), ("0", "0")], ids=["the last good one", "the same by name", "older"]
)
async def test_a_rollback_goes_to_the_last_good_release_or_to_the_one_that_is_named(
    release: str | None, target: str
) -> None:
    """The answer says to which, and the release is bad by the word of who has ordered it."""
    async with serving(await known(("0", ReleasePhase.GOOD), GOOD)) as follower:
        answer = await say(follower, orders.Rollback("customers complain", release))
        begun = f"rolling back from release 2 to {target}; `sidecar releases` tells how far it is"
        assert answer == Answer(done=True, message=f"{begun}; it is written down")
        order = follower.tracker.state.rollback.order
        assert (order.target.release, order.by, order.anew) == (target, "root", True)
        [record] = [each for each in await follower.releases.ledger.releases() if each.replica == "a"]
        assert (record.phase, record.by) == (ReleasePhase.BAD, "root")
        assert record.reason == "rollback ordered by root: customers complain"
        under_way = f"a rollback to release {target} is under way; `sidecar releases` tells how far it is"
        again = [await say(follower, order) for order in (orders.Rollback("again"), orders.Promote("no"))]
    assert [each.message for each in again] == [f"cannot roll back: {under_way}", f"cannot promote: {under_way}"]
    assert not any(each.done for each in again)


OBSTACLES = {
    "on hold": ({}, "on hold by root: careful"),
    "schema": ({"schema": "6"}, "the database's schema is 7, and that of release 1 is 6"),
    "shadow": (
        {"plan": replace(PLAN, release=replace(PLAN.release, mode=ReleaseMode.SHADOW))},
        "shadow: it would be rolled back to release 1 now",
    ),
    "too many": (
        {"plan": replace(PLAN, rollback=replace(PLAN.rollback, max_per_day=0))},
        "rollback.max_per_day is 0, and 0 have begun within 24 hours",
    ),
}


@pytest.mark.parametrize("obstacle", OBSTACLES)
async def test_what_forbids_a_rollback_is_overridden_by_force_alone(obstacle: str) -> None:
    """The refusal says what it is, and changes nothing."""
    more, why = OBSTACLES[obstacle]
    store = await known(GOOD, **({"schema": more["schema"]} if "schema" in more else {}))
    if obstacle == "on hold":
        await Ledger(store, "z").save_hold(Hold(reason="careful", by="root", at=time()))
    async with serving(store, more.get("plan", PLAN)) as follower:
        refused = await say(follower, orders.Rollback("why not"))
        assert refused == Answer(done=False, message=f"cannot roll back: {why}; --force overrides it")
        assert follower.tracker.state.release.phase is ReleasePhase.BAKING
        forced = await say(follower, orders.Rollback("why not", force=True))
    assert forced.done, forced.message


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize(
    ("records", "plan", "release", "why"),
    [
        ((), PLAN, None, "no other release is known to be good"),
        ((GOOD,), replace(PLAN, rollback=RollbackPlan()), None,
         "rollback.platform is not set: nobody is known who could restore a release"),
        ((GOOD,), PLAN, "9", "release 9 is not known; known are 1, 2"),
        ((GOOD, ("2", ReleasePhase.GOOD)), PLAN, "2", "release 2 is the one that runs"),
    ],
)  # fmt: skip
async def test_nobodys_order_makes_a_rollback_without_a_target_or_a_platform(
    records, plan, release, why, force
) -> None:
    """Nor to what nobody knows, nor to the release that runs: it would be called bad, and restored."""
    async with serving(await known(*records), plan) as follower:
        await follower.written()
        before = follower.tracker.state.release.phase
        answer = await say(follower, orders.Rollback("why not", release, force))
        assert answer == Answer(done=False, message=f"cannot roll back: {why}")
        assert follower.tracker.state.release.phase is before


@pytest.mark.parametrize("phase", sorted(set(ReleasePhase) - {ReleasePhase.GOOD}))
async def test_a_release_that_is_not_good_is_restored_by_force_alone(phase: ReleasePhase) -> None:
    """Where it is named; what is known of it is said."""
    async with serving(await known(GOOD, ("0", phase))) as follower:
        refused = await say(follower, orders.Rollback("why not", "0"))
        assert refused == Answer(
            done=False, message=f"cannot roll back: release 0 is {phase}, not good; --force overrides it"
        )
        forced = await say(follower, orders.Rollback("why not", "0", force=True))
    assert forced.done, forced.message


async def test_a_release_that_was_rolled_back_is_not_rolled_back_again() -> None:
    """Its time is over."""
    for platform, why in (
        (PlatformKind.RAILWAY, "release 2 has been rolled back already"),
        (PlatformKind.PARENT, "release 1 is the one that runs"),  # the parent itself has started it
    ):
        plan = replace(PLAN, rollback=replace(PLAN.rollback, platform=platform))
        store = await known(GOOD, ("2", ReleasePhase.ROLLED_BACK))
        await Turns(store, "2").claim(1, rollback_record(RollbackPhase.VERIFIED))
        async with following(store, plan) as follower:
            await follower.until(lambda follower=follower: follower.took(MemoryRecalled))
            answer = await say(follower, orders.Rollback("again", force=True))
        assert answer == Answer(done=False, message=f"cannot roll back: {why}")


# What is known --------------------------------------------------------------------------------------------------------


async def test_releases_and_rollbacks_are_shown_the_newest_first() -> None:
    """Each with what was decided, when, why and by whom; a store that cannot be read is told."""
    store = await known(("0", ReleasePhase.GOOD), GOOD)
    begun = time()
    for release, phase, ago in (("9", RollbackPhase.VERIFIED, 60.0), ("8", RollbackPhase.HELD, 5.0)):
        turn = rollback_record(phase, release=release, detail=f"{release} is {phase}")
        await Turns(store, release).claim(1, replace(turn, begun=begun - ago, seen=begun))
    async with serving(store) as follower:
        await say(follower, orders.Hold("an incident"))
        document = (await say(follower, orders.Releases())).document
        with store.failing():
            refused = await say(follower, orders.Releases())
    assert refused == Answer(done=False, message="cannot reach the store: it is out of order")
    assert [(each["id"], each["phase"]) for each in document["releases"]] == [
        ("2", "baking"),
        ("1", "good"),
        ("0", "good"),
    ]
    assert document["releases"][0].keys() == {
        "id", "phase", "since", "reason", "by", "served", "schema", "deployments", "replica",
    }  # fmt: skip
    assert [each["release"] for each in document["rollbacks"]] == ["8", "9"]
    assert document["rollbacks"][1] == {
        "release": "9",
        "target": "1",
        "phase": "verified",
        "begun": begun - 60.0,
        "by": None,
        "replica": "a",
        "detail": "9 is verified",
    }
    assert (document["running"], document["mode"], document["platform"]) == ("2", "auto", "parent")
    assert (document["unfit"], document["hold"]["reason"]) == (None, "an incident")
