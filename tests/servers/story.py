"""The story of a bad release: the one before is known to be good, and its own gateway crashes once too often."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import anyio
import pytest
from servers.hook import Hook
from servers.railway import Railway, serving
from servers.redis import RedisServer, StartRedis
from servers.service import CONFIG, Replica, Service
from servers.valve import Valve

from sidecar.core.releases.release import ReleasePhase
from sidecar.ledger.recall import Stored, read, standings
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.store.contract import Store
from sidecar.store.redis import RedisStore
from sidecar.store.sqlite import SqliteStore

PATIENT = 90.0
"""Seconds for the end of a story; only so that one that hangs becomes a failing test."""

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
        self.service = Service(directory, self.railway, self.hook, url, config)
        stack.callback(self.service.close)
        self.railway.rollback_becomes = ("SUCCESS",)
        first = self.railway.deploy("1")
        self.bad: Replica = self.service.replica(self.railway.deploy("2", "DEPLOYING"))
        self._redis_url = redis.url if state == REDIS else None
        now = time.time()
        known = ReleaseRecord(
            id="1", phase=ReleasePhase.GOOD, since=now, updated=now, served=True, deployments=(first.id,)
        )
        anyio.run(self._write, known)
        self.bad.start()
        self.service.serves(self.bad)

    @property
    def restored(self) -> int:
        """How many deployments of release 1 the platform has made, but for the first."""
        return sum(deployment.release == "1" for deployment in self.railway.deployments) - 1

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

    def crash(self, replica: Replica | None = None, *, after: int = 0) -> None:
        """Let the gateway crash, as soon as there is one; that is, one more than have listened ``after`` it started."""
        sidecar = (replica or self.bad).sidecar
        self.until(lambda: len(sidecar.named("listening")) > after, "the gateway listens")
        os.kill(sidecar.named("listening")[-1]["pid"], signal.SIGKILL)

    def crash_too_often(self, *replicas: Replica) -> None:
        """Let the gateway crash once more than restart_budget forgives; that of each replica in the same moment."""
        all_of_them = replicas or (self.bad,)
        for replica in all_of_them:
            replica.is_at("baking")
            self.crash(replica)
        for replica in all_of_them:
            self.crash(replica, after=1)

    def until_written(self, fact: Callable[[ReleaseRecord], bool], what: str) -> None:
        """Wait until this is so of what is written down of the release; at first that is nothing."""
        self.until(lambda: (own := self.own) is not None and fact(own), f"it is written down that {what}")

    def until_phase(self, phase: ReleasePhase) -> None:
        """Wait until it is written down that the release has come so far."""
        self.until_written(lambda own: own.phase is phase, f"release 2 is {phase}")

    def kill(self) -> None:
        """Kill the sidecar."""
        self.bad.sidecar.signal(signal.SIGKILL)
        self.bad.sidecar.exit_status()

    def goes_on(self) -> int:
        """Start the sidecar again, and let everything come to its end; returns how many crashes that still took."""
        sidecar = self.bad.start().sidecar
        phase = sidecar.event("release_changed", after=("baking", "bad", "rolled_back"))["after"]
        crashes = 0
        while phase == "baking" and not sidecar.named("release_changed", after="bad"):
            self.crash(after=crashes)
            crashes += 1
            self.until(lambda ended=crashes: len(sidecar.named("listening")) > ended, "the gateway listens again")
        self.until_phase(ReleasePhase.ROLLED_BACK)
        return len(sidecar.named("child_ended"))

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


@pytest.fixture
def story(tmp_path: Path, start_redis: StartRedis) -> Iterator[Story]:
    """Let a bad release be deployed, with a Redis as its store."""
    with ExitStack() as stack:
        yield Story(stack, tmp_path, REDIS, start_redis())
