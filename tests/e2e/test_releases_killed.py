"""The sidecar is killed (SIGKILL) at every step between a release's start and the end of its rollback.

Each time the story comes to the same end: the bad release is found bad, the one before restored once, people are told.
The stories run side by side, because some of them are long: what may have been heard is looked for half a minute.
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import anyio
import pytest
from servers.deployment import WITHIN
from servers.hook import Hook
from servers.railway import Exchange, Railway, cut, serving
from servers.redis import RedisServer
from servers.service import CONFIG, Replica, Service
from servers.valve import Valve

from sidecar.core.releases.release import ReleasePhase
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.ledger.recall import Stored, read, standings
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.store.contract import Store
from sidecar.store.redis import RedisStore
from sidecar.store.sqlite import SqliteStore

PATIENT = 90.0
"""Seconds for the end of a story; only so that one that hangs becomes a failing test."""

AT_ONCE = 8
"""Stories side by side: most of the time each of them waits."""

SQLITE = 'dir = "state"\nvolume = true\nreplicas = 1'
REDIS = 'store = "redis"'
BAKING = CONFIG.replace('bake = "3s"', 'bake = "60s"').replace("[rollback]\n", '[rollback]\ntimeout = "3s"\n')


class Story:
    """Release 1 is known to be good, and release 2 is deployed; it will crash once too often."""

    def __init__(self, stack: ExitStack, directory: Path, state: str, redis: RedisServer) -> None:
        self.name = directory.name
        self.railway: Railway = stack.enter_context(serving())
        self.valve = stack.enter_context(Valve(redis.port))
        self.hook = Hook()
        stack.callback(self.hook.stop)
        prefixed = f'{state}\nprefix = "{self.name}"'
        config = BAKING.replace(REDIS, prefixed)
        url = f"redis://127.0.0.1:{self.valve.port}"
        self._service = Service(directory, self.railway, self.hook, url, config)
        stack.callback(self._service.close)
        self.railway.rollback_becomes = ("SUCCESS",)
        first = self.railway.deploy("1")
        self.bad: Replica = self._service.replica(self.railway.deploy("2", "DEPLOYING"))
        self._redis_url = redis.url if state == REDIS else None
        now = time.time()
        known = ReleaseRecord(
            id="1", phase=ReleasePhase.GOOD, since=now, updated=now, served=True, deployments=(first.id,)
        )
        anyio.run(self._write, known)
        self.bad.start()
        self._service.serves(self.bad)

    @property
    def stored(self) -> Stored:
        """What is written down."""
        return anyio.run(self._read)

    @property
    def own(self) -> ReleaseRecord | None:
        """What is written down of release 2."""
        return standings(self.stored.records).get("2")

    def until(self, fact: Callable[[], bool], what: str) -> None:
        """Wait until something is so that nobody tells of."""
        deadline = time.monotonic() + PATIENT
        while not fact():
            assert time.monotonic() < deadline, f"time is up before {what}"
            time.sleep(0.1)

    def crash(self) -> None:
        """Let the gateway crash, as soon as there is one."""
        self.until(lambda: bool(self.bad.sidecar.named("listening")), "the gateway listens")
        os.kill(self.bad.sidecar.named("listening")[-1]["pid"], signal.SIGKILL)

    def crash_too_often(self) -> None:
        """Let the gateway crash once more than restart_budget forgives."""
        self.bad.is_at("baking")
        self.crash()
        self.bad.sidecar.event("listening")
        self.crash()

    def kill(self) -> None:
        """Kill the sidecar."""
        self.bad.sidecar.signal(signal.SIGKILL)
        self.bad.sidecar.exit_status()

    def goes_on(self) -> None:
        """Start the sidecar again. Where it has not written down that the release is bad, that is seen again."""
        sidecar = self.bad.start().sidecar
        phase = sidecar.event("release_changed", after=("baking", "bad", "rolled_back"))["after"]
        while phase == "baking" and not sidecar.named("release_changed", after="bad"):
            self.crash()
            sidecar.event("listening")
        self.until(lambda: self.own.phase is ReleasePhase.ROLLED_BACK, "release 2 is rolled back")

    def tell_what_was_said(self, _: object, error: BaseException | None, __: object) -> None:
        """Have a failure show what the sidecar has said, and what is written down."""
        if error is not None:
            error.add_note("\n".join([*self.bad.sidecar.lines, str(self.stored)]))

    def _store(self) -> Store:
        if self._redis_url is not None:
            return RedisStore(self._redis_url, self.name)
        return SqliteStore(f"{self.bad.place.directory}/state/sidecar-{self.bad.place.port}.sqlite3", None)

    async def _write(self, record: ReleaseRecord) -> None:
        store = self._store()
        await Ledger(store, "the one before").save_release(record)
        await store.aclose()

    async def _read(self) -> Stored:
        store = self._store()
        stored = await read(Ledger(store, "the test"))
        await store.aclose()
        return stored


# Where it is killed ---------------------------------------------------------------------------------------------------


def just_started(story: Story) -> None:
    """Before anything is known of the release."""
    story.bad.sidecar.event("started")
    story.kill()


def while_it_bakes(story: Story) -> None:
    """With the first crash written down."""
    story.bad.is_at("baking")
    story.crash()
    story.until(lambda: story.own.restarts == 1, "the crash is written down")
    story.kill()


def found_bad(story: Story) -> None:
    """As soon as it says so."""
    story.crash_too_often()
    story.bad.is_at("bad")
    story.kill()


def begun(story: Story) -> None:
    """As soon as it says that the rollback begins."""
    story.crash_too_often()
    story.bad.sidecar.event("rollback_begun")
    story.kill()


def seeking(story: Story) -> None:
    """While the platform looks whether it can restore release 1."""
    come = hold_back(story.railway.faults, done=False)
    story.crash_too_often()
    assert come.wait(WITHIN)
    story.kill()


def _said(phase: RollbackPhase) -> Callable[[Story], None]:
    def killed(story: Story) -> None:
        story.crash_too_often()
        story.bad.sidecar.event("rollback_advanced", after=phase)
        story.kill()

    return killed


def asked_in_vain(story: Story) -> None:
    """In the middle of the call, of which the platform has done nothing."""
    come = hold_back(story.railway.change_faults, done=False)
    story.crash_too_often()
    assert come.wait(WITHIN)
    story.kill()


def asked(story: Story) -> None:
    """In the middle of the call, which the platform has carried out."""
    come = hold_back(story.railway.change_faults, done=True)
    story.crash_too_often()
    assert come.wait(WITHIN)
    story.kill()


def looking(story: Story) -> None:
    """When the connection was cut, so that it has to look whether it was heard."""
    story.railway.change_faults.append(cut)
    _said(RollbackPhase.LOOKING)(story)


def verifying(story: Story) -> None:
    """While release 1 is being deployed."""
    story.railway.rollback_becomes = ("BUILDING",)
    _said(RollbackPhase.VERIFYING)(story)
    story.railway.move(story.railway.deployments[-1], "SUCCESS")


def hold_back(faults: "list[Callable[[Exchange], None]]", *, done: bool) -> threading.Event:
    """Hold the answer to a request back, which is carried out or not; the event tells that it has come."""
    come = threading.Event()

    def fault(exchange: Exchange) -> None:
        if done:
            exchange.carry_out()
        come.set()
        exchange.hang()

    faults.append(fault)
    return come


def _writing(pattern: bytes, *, carried_out: bool) -> Callable[[Story], None]:
    """At a write to the store, which is lost with the sidecar, or of which it does not hear any more."""

    def killed(story: Story) -> None:
        stop = story.valve.stop(pattern, carried_out=carried_out)
        story.crash_too_often()
        stop.has_come()
        story.kill()
        stop.lose()

    return killed


class Kill(NamedTuple):
    """Where the sidecar is killed, and how often the platform then hears of it."""

    name: str
    state: str
    at: Callable[[Story], None]
    heard: int = 1


WRITES = {
    "bad": rb'release/2/.*"phase":"bad"',
    "claiming": rb'rollback/2/1.*"phase":"claiming"',
    "asking": rb'rollback/2/1.*"phase":"asking"',
    "verifying": rb'rollback/2/1.*"phase":"verifying"',
    "verified": rb'rollback/2/1.*"phase":"verified"',
    "rolled-back": rb'release/2/.*"phase":"rolled_back"',
}

KILLS = [
    Kill("asked-in-vain", SQLITE, asked_in_vain, heard=2),
    Kill("looking", SQLITE, looking, heard=2),
    Kill("asking", SQLITE, _said(RollbackPhase.ASKING)),
    Kill("asking-is-written", REDIS, _writing(WRITES["asking"], carried_out=True)),
    Kill("just-started", SQLITE, just_started),
    Kill("baking", SQLITE, while_it_bakes),
    Kill("found-bad", SQLITE, found_bad),
    Kill("begun", SQLITE, begun),
    Kill("seeking", SQLITE, seeking),
    Kill("claiming", SQLITE, _said(RollbackPhase.CLAIMING)),
    Kill("asked", SQLITE, asked),
    Kill("verifying", SQLITE, verifying),
    *(Kill(f"{name}-is-lost", REDIS, _writing(pattern, carried_out=False)) for name, pattern in WRITES.items()),
    *(
        Kill(f"{name}-is-written", REDIS, _writing(pattern, carried_out=True))
        for name, pattern in WRITES.items()
        if name != "asking"
    ),
]
"""The long stories first."""


# The stories ----------------------------------------------------------------------------------------------------------


class End(NamedTuple):
    """How a story has ended."""

    heard: int
    """How often the platform was asked."""
    restored: int
    """How many deployments of release 1 it has made."""
    turns: list[RollbackPhase]
    told: list[dict]


def tell(kill: Kill, directory: Path, redis: RedisServer) -> End:
    """Let one story happen."""
    directory.mkdir()
    with ExitStack() as stack:
        story = Story(stack, directory, kill.state, redis)
        stack.push(story.tell_what_was_said)
        kill.at(story)
        story.goes_on()
        told = [message["data"] for message in story.hook.until("rolled_back")]
        return End(
            heard=len(story.railway.rollbacks),
            restored=sum(deployment.release == "1" for deployment in story.railway.deployments) - 1,
            turns=[turn.phase for turn in story.stored.rollbacks],
            told=told,
        )


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[End]]]:
    """Let all stories that are asked for happen side by side."""
    calls = (getattr(item, "callspec", None) for item in request.session.items)
    wanted = [call.params["kill"] for call in calls if call is not None and "kill" in call.params]
    redis = RedisServer(tmp_path_factory.mktemp("redis"))
    directory = tmp_path_factory.mktemp("at")
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            yield {kill.name: pool.submit(tell, kill, directory / kill.name, redis) for kill in wanted}
            pool.shutdown(cancel_futures=True)
    finally:
        redis.stop()


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.name)
def test_killed_anywhere_the_story_comes_to_the_same_end(kill: Kill, ends: dict[str, Future[End]]) -> None:
    """The release is rolled back, the platform has done it exactly once, and people were told."""
    end = ends[kill.name].result()
    assert end.restored == 1
    assert end.heard in (1, kill.heard)
    assert end.turns == [RollbackPhase.VERIFIED]
    assert {"bad", "rolled_back"} <= {message["event"] for message in end.told}
