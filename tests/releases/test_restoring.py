"""A rollback begins when all before it is written, and the release that it restores tells that it is healthy."""

from collections.abc import Callable
from time import time

import anyio
import pytest
from builders import rollback_record
from msgspec.structs import replace
from servers.following import PLAN, WITHIN, Follower, following
from servers.stores import MemoryStore

from sidecar.actors import restored
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import MemoryRecalled, ReleasePromoted, RollbackOrdered
from sidecar.core.releases.release import ReleasePhase
from sidecar.core.releases.rollback import RollbackPhase, RollbackRecord
from sidecar.core.rules import PlatformKind, RollbackPlan
from sidecar.core.severity import Severity
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.ledger.turns import Turns
from sidecar.platforms.parent import ParentPlatform

pytestmark = pytest.mark.anyio

EARLIER = ReleaseRecord(
    id="1", phase=ReleasePhase.GOOD, since=time(), updated=time(), served=True, command=("earlier",), schema="7"
)


@pytest.fixture(autouse=True)
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look soon whether a release is healthy."""
    monkeypatch.setattr(restored, "LOOK_EVERY", 0.001)


@pytest.fixture
async def store() -> MemoryStore:
    """Make a store in which release 1 is known to be good."""
    made = MemoryStore()
    await Ledger(made, "z").save_release(EARLIER)
    return made


def parent(require: Callable[[object], None]) -> ParentPlatform:
    """Make the sidecar itself the platform; nothing is ever started."""
    return ParentPlatform(require=require, replace=lambda _: None, running=lambda: (), is_ready=lambda: False)


def turn(phase: RollbackPhase, **changes: object) -> RollbackRecord:
    """What somebody wrote a moment ago of the rollback from release 3 to release 2."""
    usual = {"release": "3", "target": "2", "asked": 1, "asked_at": time()}
    return replace(rollback_record(phase, **(usual | changes)), begun=time(), seen=time())


# The rollback ---------------------------------------------------------------------------------------------------------


async def test_that_a_release_is_bad_is_written_before_anything_is_done_about_it(store: MemoryStore) -> None:
    """Killed at any moment, nobody takes the bad release for a good one."""
    found = []
    platform = parent(lambda _: found.append(store.kept["release/2/a"]))
    async with following(store, platform=platform) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        follower.serve()
        follower.tracker.record(RollbackOrdered(None, "customers complain", "root", forced=True))
        await follower.until(lambda: found)
    assert b'"phase":"bad"' in found[0]


async def test_without_a_platform_from_the_start_a_release_is_held(store: MemoryStore) -> None:
    """A reload may name one, but it is made at the start."""
    async with following(store) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        follower.serve()
        follower.tracker.record(RollbackOrdered(None, "customers complain", "root", forced=True))
        await follower.until(lambda: follower.tracker.state.release.phase is ReleasePhase.HELD)
        record = (await follower.written())["2", "a"]
    assert record.phase is ReleasePhase.HELD
    assert record.reason.endswith("rollback.platform was not set when the sidecar started")


async def test_who_calls_a_release_good_has_its_rollback_forgotten(store: MemoryStore) -> None:
    """It may be restored again, by a later one."""
    await Turns(store, "2").claim(1, turn(RollbackPhase.VERIFIED, release="2", target="1"))
    bad = ReleaseRecord(id="2", phase=ReleasePhase.ROLLED_BACK, since=time(), updated=time(), served=True)
    await Ledger(store, "b").save_release(bad)
    plan = replace(PLAN, rollback=replace(PLAN.rollback, platform=PlatformKind.RAILWAY))
    async with following(store, plan) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        follower.tracker.record(ReleasePromoted("it was the machine", "root"))
        assert await follower.releases.flush(WITHIN)
    assert [name for name in store.kept if name.startswith("rollback/")] == []


# Which release is started in parent mode ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "asked", "expected"),
    [
        (ReleasePhase.ROLLED_BACK, 1, "1"),
        (ReleasePhase.BAD, 1, "1"),
        (ReleasePhase.BAD, 0, None),
        (ReleasePhase.HELD, 1, None),
        (ReleasePhase.GOOD, 1, None),
        (ReleasePhase.BAKING, 1, None),
        (None, 1, None),
    ],
)
async def test_a_release_that_was_rolled_back_is_not_started_again(
    store: MemoryStore, phase: ReleasePhase, asked: int, expected: str | None
) -> None:
    """What it was rolled back to is started instead; not where nobody was asked, or a person has decided otherwise."""
    await Turns(store, "2").claim(1, turn(RollbackPhase.VERIFYING, release="2", target="1", asked=asked))
    if phase is not None:
        await Ledger(store, "b").save_release(ReleaseRecord(id="2", phase=phase, since=time(), updated=time()))
    target = await Follower(store).releases.restored()
    assert (target.release if target else None) == expected


async def test_a_release_without_a_name_was_never_rolled_back(store: MemoryStore) -> None:
    """Nothing is known of it."""
    plan = replace(PLAN, release=replace(PLAN.release, id=None))
    assert await Follower(store, plan).releases.restored() is None


# The release that was restored ----------------------------------------------------------------------------------------


def ended(follower: Follower) -> list[Event]:
    """Give what was told about the end of rollbacks."""
    return [event for event in follower.events if event.kind is EventKind.ROLLBACK_ENDED]


async def test_a_restored_release_tells_that_it_is_healthy(store: MemoryStore) -> None:
    """Not before it is ready; it writes it down, so that whoever has asked for it learns the same."""
    await Turns(store, "3").claim(1, turn(RollbackPhase.VERIFYING))
    async with following(store) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        assert ended(follower) == []
        follower.serve()
        await follower.until(lambda: ended(follower))
    _, last = await Turns(store, "3").last()
    assert (last.phase, last.replica, last.detail) == (RollbackPhase.VERIFIED, "a", "2 itself is healthy")
    assert [event.message for event in ended(follower)] == ["rollback release 3 -> 2 is done: 2 is healthy"]


async def test_a_restored_release_that_is_not_healthy_in_time_says_so(store: MemoryStore) -> None:
    """As an error; and when it becomes healthy later, that too."""
    await Turns(store, "3").claim(1, turn(RollbackPhase.VERIFYING))
    plan = replace(PLAN, rollback=RollbackPlan(verify_within=0.0))
    async with following(store, plan) as follower:
        await follower.until(lambda: ended(follower))
        await anyio.wait_all_tasks_blocked()
        assert (await Turns(store, "3").last())[0] == 1
        follower.serve()
        await follower.until(lambda: len(ended(follower)) == 2)
    assert [(event.severity, event.after, event.message) for event in ended(follower)] == [
        (Severity.ERROR, "failed", "rollback release 3 -> 2: 2 runs again, and is not healthy in time"),
        (Severity.WARNING, "verified", "rollback release 3 -> 2 is done: 2 is healthy"),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"target": "1"},
        {"asked_at": None},
        {"asked_at": time() + 3600.0},
        {"asked_at": time() - 7200.0},
        {"phase": RollbackPhase.VERIFIED},
    ],
)
async def test_a_rollback_that_is_not_about_this_start_is_confirmed_by_nobody(
    store: MemoryStore, changes: dict
) -> None:
    """To another release, never asked for, asked for while this one ran already or long before, or at its end."""
    only = turn(**({"phase": RollbackPhase.VERIFYING} | changes))
    await Turns(store, "3").claim(1, only)
    async with following(store) as follower:
        await follower.until(lambda: follower.took(MemoryRecalled))
        follower.serve()
        await follower.written()
    assert await Turns(store, "3").last() == (1, only)
    assert ended(follower) == []
