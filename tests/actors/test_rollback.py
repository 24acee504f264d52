"""The rollback's actor against Railway's API over real HTTP: what it asks for, what it writes down, how it ends."""

import threading
from time import time

import anyio
import anyio.to_thread
import msgspec
import pytest
from builders import rollback_record
from servers.railway import bad_gateway_when_done, cut, cut_when_done, errors, hang_when_done, rate_limited
from servers.stores import FailingStore, MemoryStore

from sidecar.actors.rollback import Rollback
from sidecar.actors.seat import Pace
from sidecar.core.errors import IllegalTransitionError
from sidecar.core.releases.release import Hold, KnownGood, ReleasePhase
from sidecar.core.releases.rollback import (
    Restorable,
    RollbackOrder,
    RollbackPhase,
    RollbackRecord,
    RollbackStep,
    advance,
)
from sidecar.core.rules import RollbackPlan
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.ledger.turns import confirm
from sidecar.platforms import graphql
from sidecar.platforms.command import Command
from sidecar.platforms.railway import Railway

pytestmark = pytest.mark.anyio

HASTE = Pace(first=0.001, longest=0.01, settle=0.05, silence=0.3)

WHOLE = [RollbackStep.SEEK, RollbackStep.CLAIM, RollbackStep.ASK, RollbackStep.VERIFY, RollbackStep.CONFIRM]


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(graphql, "FIRST_PAUSE", 0.01)


@pytest.fixture
def store():
    """What all replicas share."""
    return FailingStore()


class Replica:
    """One sidecar: grants every step of the table but those it was told to refuse, and remembers them."""

    def __init__(self, platform, store, *, name="a", refuse=None, wall=time):
        self.platform, self.store, self.name, self.refuse, self.wall = platform, store, name, refuse, wall
        self.phase = RollbackPhase.IDLE
        self.steps = []
        self.details = []

    def advance(self, step, detail):
        """Grant or refuse a step."""
        if step is self.refuse:
            raise IllegalTransitionError("an operator's hold")
        self.phase = advance(self.phase, step)
        self.steps.append(step)
        self.details.append(detail)

    async def roll_back(self, target, *, by=None, anew=False, within=2.0, verify_within=20.0):
        """Carry a rollback of release 2 out, to its end; give the phase it ends in."""
        order = RollbackOrder(release="2", target=target, by=by, anew=anew)
        self.phase, self.steps, self.details = RollbackPhase.IDLE, [], []
        actor = Rollback(
            order,
            RollbackPlan(timeout=within, verify_within=verify_within),
            platform=self.platform,
            store=self.store,
            replica=self.name,
            advance=self.advance,
            pace=HASTE,
            wall=self.wall,
        )
        with anyio.fail_after(60):
            await actor.run()
        return self.phase


@pytest.fixture
async def replica(railway, store):
    """Make replicas of the bad release 2, whose deployment has replaced that of release 1."""
    platforms = []

    def make(name="a", **options):
        platforms.append(Railway(railway.plan(deployment="d-2"), timeout=2.0, user_agent="sidecar-under-test/1"))
        return Replica(platforms[-1], store, name=name, **options)

    railway.deploy("1")
    railway.deploy("2")
    yield make
    for platform in platforms:
        await platform.aclose()


TARGET = KnownGood(release="1", at=0.0, deployments=("d-1",))


def written(store, turn=1):
    """What is written in a turn."""
    return msgspec.json.decode(store.kept[f"rollback/2/{turn}"], type=RollbackRecord)


async def test_a_rollback_from_its_beginning_to_its_good_end(railway, replica, store):
    """Each step is asked for, with words for people, and the earlier release runs again."""
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.VERIFIED
    assert own.steps == WHOLE
    assert own.details == [
        "",
        "Railway can restore d-1",
        "Railway is asked to restore 1 (d-1) in the place of 2",
        "Railway has accepted",
        "Railway's new deployment d-3 is SUCCESS",
    ]
    assert [deployment.status for deployment in railway.deployments] == ["REMOVED", "REMOVED", "SUCCESS"]
    assert (written(store).phase, written(store).asked) == (RollbackPhase.VERIFIED, 1)


async def test_what_is_about_to_be_done_is_written_down_before(railway, replica, store):
    """When the platform hears of it, the record says so already."""
    seen = []
    railway.on_rollback = lambda *_: seen.append(written(store))
    await replica().roll_back(TARGET)
    assert [(record.phase, record.asked) for record in seen] == [(RollbackPhase.ASKING, 1)]
    assert seen[0].found == Restorable("d-1", ("d-2", "d-1"))


@pytest.mark.parametrize(("by", "asks"), [(None, False), ("root", True)])
async def test_who_asks_looks_once_more_whether_somebody_has_said_hold(railway, replica, store, by, asks):
    """Perhaps at another replica, a moment ago; whoever has ordered a rollback himself has meant it."""
    await Ledger(store, "z").save_hold(Hold(reason="an incident", by="root", at=1.7e9))
    own = replica()
    phase = await own.roll_back(TARGET, by=by)
    assert phase is (RollbackPhase.VERIFIED if asks else RollbackPhase.HELD)
    assert bool(railway.rollbacks) is asks
    assert asks or own.details[-1] == "on hold by root: an incident"


@pytest.mark.parametrize(("by", "asks"), [("root", False), (None, True)])
async def test_who_asks_looks_once_more_whether_a_person_has_called_the_release_good(railway, replica, store, by, asks):
    """Perhaps at another replica, a moment ago. That a replica has found it good by itself is no objection."""
    good = ReleaseRecord(id="2", phase=ReleasePhase.GOOD, since=1.7e9, updated=1.7e9, reason="promoted by root", by=by)
    await Ledger(store, "z").save_release(good)
    own = replica()
    assert await own.roll_back(TARGET) is (RollbackPhase.VERIFIED if asks else RollbackPhase.HELD)
    assert bool(railway.rollbacks) is asks
    assert asks or own.details[-1] == "promoted by root"


async def test_a_rollback_whose_deployment_fails_is_failed(railway, replica):
    """Although the platform has said yes."""
    railway.rollback_becomes = ("BUILDING", "DEPLOYING", "CRASHED")
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.FAILED
    assert own.details[-1] == "Railway's new deployment d-3 is CRASHED"


async def test_a_deployment_that_never_gets_up_is_failed_at_the_deadline(railway, replica):
    """What was seen last is told."""
    railway.rollback_becomes = ("WAITING",)
    own = replica()
    assert await own.roll_back(TARGET, verify_within=0.2) is RollbackPhase.FAILED
    assert own.details[-1] == "not healthy within 0.2 s: Railway's new deployment d-3 is WAITING"


async def test_failed_looks_are_no_reason_for_anything(railway, replica):
    """Neither before nor after."""
    railway.faults += [errors("Problem processing request")] * 3
    railway.on_rollback = lambda *_: railway.faults.extend([errors("Problem processing request")] * 3)
    assert await replica().roll_back(TARGET) is RollbackPhase.VERIFIED


async def test_a_target_that_cannot_be_restored_is_held_and_may_be_tried_again(railway, replica, store):
    """Nothing was asked, so the next decision may begin anew."""
    railway.deployments[0].image_kept = False
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert "no image of it any more" in own.details[-1]
    assert store.kept == {}
    railway.deployments[0].image_kept = True
    assert await own.roll_back(TARGET) is RollbackPhase.VERIFIED


async def test_a_platform_that_stays_out_of_reach_is_given_up(railway, replica):
    """With what it said last."""
    railway.faults += [errors("Problem processing request")] * 1000
    own = replica()
    assert await own.roll_back(TARGET, verify_within=0.2) is RollbackPhase.HELD
    assert own.details[-1].startswith("given up after 0.2 s: Railway's API at 127.0.0.1: it says: Problem")


async def test_a_refusal_is_held_for_people_and_never_repeated(railway, replica):
    """Not even when it is decided again; only by a person's fresh order."""
    railway.change_faults.append(errors("Not Authorized"))
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert own.details[-1].endswith("it says: Not Authorized")
    assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert own.steps == [RollbackStep.FOLLOW, RollbackStep.HOLD]
    assert len(railway.rollbacks) == 1
    assert await own.roll_back(TARGET, anew=True) is RollbackPhase.VERIFIED
    assert len(railway.rollbacks) == 2


async def test_a_finished_rollback_is_not_repeated(railway, replica):
    """Whoever is told to do it again learns how it ended."""
    await replica().roll_back(TARGET)
    other = replica("b")
    assert await other.roll_back(TARGET) is RollbackPhase.VERIFIED
    assert other.details == ["it is verified, by a", "a tells: Railway's new deployment d-3 is SUCCESS"]
    assert len(railway.rollbacks) == 1


async def test_a_release_that_was_itself_rolled_back_is_no_target(railway, replica, store):
    """Never twice round."""
    bad = rollback_record(RollbackPhase.VERIFIED, release="1", target="0", replica="z", asked=1)
    store.kept["rollback/1/1"] = msgspec.json.encode(bad)
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert own.details[-1] == "1 was itself rolled back, to 0"
    assert railway.received == []


@pytest.mark.parametrize("step", [RollbackStep.SEEK, RollbackStep.CLAIM, RollbackStep.ASK])
async def test_a_refused_step_asks_the_platform_for_nothing(railway, replica, step):
    """The rollback is called off, and may be decided again."""
    own = replica(refuse=step)
    assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert own.details[-1] == "called off: an operator's hold"
    assert railway.rollbacks == []
    own.refuse = None
    assert await own.roll_back(TARGET) is RollbackPhase.VERIFIED


# What nobody knows ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [cut_when_done, bad_gateway_when_done, hang_when_done])
async def test_an_answer_that_gets_lost_costs_a_look_and_no_second_rollback(railway, replica, fault):
    """The new deployment shows that the platform has heard."""
    railway.change_faults.append(fault)
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.VERIFIED
    assert own.steps == [*WHOLE[:3], RollbackStep.LOOK, *WHOLE[3:]]
    assert len(railway.rollbacks) == 1


async def test_what_was_surely_not_heard_is_asked_for_again(railway, replica, store):
    """Once nothing has shown up for long enough; it is still the one rollback."""
    railway.change_faults.append(cut)
    own = replica()
    assert await own.roll_back(TARGET, within=1.0) is RollbackPhase.VERIFIED
    assert own.steps == [*WHOLE[:3], RollbackStep.LOOK, *WHOLE[2:]]
    assert (len(railway.rollbacks), written(store).asked) == (2, 2)


async def test_asking_in_vain_has_an_end(railway, replica):
    """A platform that never hears is left to people."""
    railway.change_faults += [cut] * 9
    own = replica()
    assert await own.roll_back(TARGET, within=1.0) is RollbackPhase.HELD
    assert own.details[-1] == "asked 3 times in vain: Railway has no new deployment of 1"
    assert len(railway.rollbacks) == 3


async def test_a_platform_that_wants_to_be_left_alone_is(railway, replica):
    """For longer than a call may take; and for too long means held."""
    railway.change_faults.append(rate_limited("3"))
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.VERIFIED
    assert own.steps == [*WHOLE[:3], RollbackStep.ASK, *WHOLE[3:]]
    assert "once more: Railway's API at 127.0.0.1: HTTP 429" in own.details[3]


async def test_a_platform_that_wants_to_be_left_alone_for_too_long_is_left_to_people(railway, replica):
    """The earlier release would not be up in time."""
    railway.change_faults.append(rate_limited("3600"))
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert "the next is welcome in 3600 s" in own.details[-1]


async def test_what_can_never_be_looked_at_is_held(railway, replica):
    """It may have been heard, so it is not asked for again."""
    railway.on_rollback = lambda *_: railway.faults.extend([errors("Problem processing request")] * 9999)
    railway.change_faults.append(cut_when_done)
    own = replica()
    assert await own.roll_back(TARGET, within=1.0, verify_within=0.1) is RollbackPhase.HELD
    assert own.details[-1].startswith("cannot find out whether it was heard: Railway's API")
    assert len(railway.rollbacks) == 1


async def test_a_command_that_was_killed_half_way_is_held(store):
    """Nobody can tell what it has done."""
    own = Replica(Command(("sleep", "600"), timeout=0.1), store)
    assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert own.steps == [*WHOLE[:3], RollbackStep.LOOK, RollbackStep.HOLD]
    assert own.details[-1] == "nobody knows whether it was heard: only 1 itself can tell, by its own sidecar"


# Killed at any point ----------------------------------------------------------------------------------------------


class KilledError(BaseException):
    """The sidecar is gone, from one moment to the next."""


class Mortal(MemoryStore):
    """Kills its sidecar at the nth write, before it or after."""

    def __init__(self, at, *, before, kept=None):
        super().__init__()
        self.at, self.before = at, before
        if kept is not None:
            self._documents = kept

    async def _before(self, call):
        self._die(call, before=True)

    async def _after(self, call):
        self._die(call, before=False)

    def _die(self, call, *, before):
        if call in {"put", "claim"} and before is self.before:
            self.at -= 1
            if self.at == 0:
                raise KilledError


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("at", [1, 2, 3])
async def test_killed_at_any_write_it_goes_on_and_repeats_nothing(railway, replica, at, before):
    """The claim, what is asked, and what is verified."""
    own = replica()
    own.store = Mortal(at, before=before)
    with pytest.raises(KilledError):
        await own.roll_back(TARGET, within=1.0)
    assert await own.roll_back(TARGET, within=1.0) is RollbackPhase.VERIFIED
    assert (len(railway.rollbacks), len(railway.deployments)) == (1, 3)


async def test_killed_while_the_platform_hears_it_looks_first(railway, replica, store):
    """It does not know that it has asked, and finds the deployment."""
    own = replica()
    railway.change_faults.append(hang_when_done)
    heard = threading.Event()
    railway.on_rollback = lambda *_: heard.set()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(own.roll_back, TARGET)
        assert await anyio.to_thread.run_sync(heard.wait, 30.0)
        tasks.cancel_scope.cancel()
    assert written(store).phase is RollbackPhase.ASKING
    assert await own.roll_back(TARGET) is RollbackPhase.VERIFIED
    assert own.steps == [RollbackStep.LOOK, RollbackStep.VERIFY, RollbackStep.CONFIRM]
    assert len(railway.rollbacks) == 1


# Several replicas -------------------------------------------------------------------------------------------------


async def test_of_many_replicas_exactly_one_asks(railway, replica):
    """All the others hear from it how it ended."""
    replicas = [replica(f"r{number}") for number in range(8)]
    async with anyio.create_task_group() as tasks:
        for one in replicas:
            tasks.start_soon(one.roll_back, TARGET)
    assert {one.phase for one in replicas} == {RollbackPhase.VERIFIED}
    assert len(railway.rollbacks) == 1
    assert sum(RollbackStep.ASK in one.steps for one in replicas) == 1


async def test_another_replica_takes_over_from_one_that_fell_silent(railway, replica, store):
    """It looks before it asks, for it cannot know how far the other has come."""
    first, second = replica("a"), replica("b")
    first.store = Mortal(1, before=False, kept=store.kept)
    with pytest.raises(KilledError):
        await first.roll_back(TARGET)
    assert await second.roll_back(TARGET, within=1.0) is RollbackPhase.VERIFIED
    assert second.steps == [RollbackStep.FOLLOW, RollbackStep.LOOK, *WHOLE[2:]]
    assert second.details[1] == "a is silent"
    assert (written(store, 2).replica, len(railway.rollbacks)) == ("b", 1)


async def test_whoever_was_taken_for_dead_does_not_ask_any_more(railway, replica, store):
    """Before it asks, it looks whether the rollback is still its own."""
    own = replica("a")
    theirs = rollback_record(RollbackPhase.VERIFIED, replica="b", asked=1, detail="done")
    granted = own.advance

    def advance(step, detail):
        granted(step, detail)
        if step is RollbackStep.ASK:
            store.kept["rollback/2/2"] = msgspec.json.encode(theirs)

    own.advance = advance
    assert await own.roll_back(TARGET) is RollbackPhase.VERIFIED
    assert own.details[-1] == "b tells: done"
    assert railway.rollbacks == []


# The restored release ---------------------------------------------------------------------------------------------


async def test_the_restored_release_confirms_a_rollback_that_nobody_else_can_tell_about(store):
    """The command has ended well, and the earlier release's own sidecar finds itself healthy."""
    own = Replica(Command(("true",), timeout=10.0), store)
    granted, done = own.advance, anyio.Event()

    def advance(step, detail):
        granted(step, detail)
        if step is RollbackStep.VERIFY:
            done.set()

    own.advance = advance

    async def restored():
        await done.wait()
        assert await confirm(store, "2", "x", time(), time()) == []
        [end] = await confirm(store, "1", "new", time(), time())
        assert (end.release, end.detail) == ("2", "1 itself is healthy")
        assert await confirm(store, "1", "new", time(), time()) == []

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(restored)
        assert await own.roll_back(TARGET) is RollbackPhase.VERIFIED
    assert own.steps[-3:] == [RollbackStep.VERIFY, RollbackStep.FOLLOW, RollbackStep.CONFIRM]
    assert own.details[-1] == "new tells: 1 itself is healthy"


async def test_who_already_ran_when_the_platform_was_asked_confirms_nothing(railway, replica, store):
    """It is what was there before."""
    railway.rollback_becomes = ("CRASHED",)
    await replica().roll_back(TARGET)
    assert await confirm(store, "1", "old", time() - 3600.0, time()) == []
    assert len(await confirm(store, "1", "new", time(), time())) == 1


# The store --------------------------------------------------------------------------------------------------------


async def test_without_a_store_nothing_is_asked(railway, replica, store):
    """Nobody could say that another replica does not do the same."""
    own = replica()
    with store.failing():
        assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert own.details[-1] == "cannot reach the store: it is out of order"
    assert railway.received == []


async def test_a_store_that_fails_after_the_platform_has_heard_changes_nothing(railway, replica, store):
    """The earlier release is waited for all the same."""
    railway.on_rollback = lambda *_: store.fail()
    assert await replica().roll_back(TARGET) is RollbackPhase.VERIFIED


async def test_a_record_that_nobody_can_read_is_held(railway, replica, store):
    """With its name; nothing is asked."""
    store.kept["rollback/2/1"] = b"{"
    own = replica()
    assert await own.roll_back(TARGET) is RollbackPhase.HELD
    assert own.details[-1].startswith("cannot read rollback/2/1 in the store: ")
    assert railway.received == []
