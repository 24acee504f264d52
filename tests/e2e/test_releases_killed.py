"""The sidecar is killed (SIGKILL) at every step between a release's start and the end of its rollback.

Each time the story comes to the same end: the bad release is found bad, the one before restored once, people are told.
The stories run side by side, because some of them are long: what may have been heard is looked for half a minute.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest
from servers.deployment import WITHIN
from servers.railway import Exchange, Fault, cut
from servers.redis import RedisServer
from servers.story import REDIS, SQLITE, Story

from sidecar.core.releases.rollback import RollbackPhase

AT_ONCE = 8
"""Stories side by side: most of the time each of them waits."""

# Where it is killed ---------------------------------------------------------------------------------------------------


def just_started(story: Story) -> None:
    """Before anything is known of the release."""
    story.bad.sidecar.event("started")
    story.kill()


def while_it_bakes(story: Story) -> None:
    """With the first crash written down."""
    story.bad.is_at("baking")
    story.crash()
    story.until_written(lambda own: own.restarts == 1, "it has crashed")
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


def _said(phase: RollbackPhase) -> Callable[[Story], None]:
    def killed(story: Story) -> None:
        story.crash_too_often()
        story.bad.sidecar.event("rollback_advanced", after=phase)
        story.kill()

    return killed


def looking(story: Story) -> None:
    """When the connection was cut, so that it has to look whether it was heard."""
    story.railway.change_faults.append(cut)
    _said(RollbackPhase.LOOKING)(story)


def verifying(story: Story) -> None:
    """While release 1 is being deployed."""
    story.railway.rollback_becomes = ("BUILDING",)
    _said(RollbackPhase.VERIFYING)(story)
    story.railway.move(story.railway.deployments[-1], "SUCCESS")


def _calling(faults: Callable[[Story], deque[Fault]], *, carried_out: bool) -> Callable[[Story], None]:
    """In the middle of a call, which the platform carries out or not, and never answers."""

    def killed(story: Story) -> None:
        come = threading.Event()

        def fault(exchange: Exchange) -> None:
            if carried_out:
                exchange.carry_out()
            come.set()
            exchange.hang()

        faults(story).append(fault)
        story.crash_too_often()
        assert come.wait(WITHIN)
        story.kill()

    return killed


def _look(story: Story) -> deque[Fault]:
    """The call that tells whether release 1 can be restored."""
    return story.railway.faults


def _order(story: Story) -> deque[Fault]:
    """The call that asks for it."""
    return story.railway.change_faults


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
    """Where the sidecar is killed, and what follows at most."""

    name: str
    state: str
    at: Callable[[Story], None]
    heard: int = 1
    """How often the platform hears of it."""
    crashes: int = 0
    """How often the gateway has to crash again, until the release is found bad."""


WRITES = {
    "bad": rb'release/2/.*"phase":"bad"',
    "claiming": rb'rollback/2/1.*"phase":"claiming"',
    "asking": rb'rollback/2/1.*"phase":"asking"',
    "verifying": rb'rollback/2/1.*"phase":"verifying"',
    "verified": rb'rollback/2/1.*"phase":"verified"',
    "rolled-back": rb'release/2/.*"phase":"rolled_back"',
}

KILLS = [
    Kill("asked-in-vain", SQLITE, _calling(_order, carried_out=False), heard=2),
    Kill("looking", SQLITE, looking, heard=2),
    Kill("asking", SQLITE, _said(RollbackPhase.ASKING)),
    Kill("asking-is-written", REDIS, _writing(WRITES["asking"], carried_out=True)),
    Kill("just-started", SQLITE, just_started, crashes=2),
    Kill("baking", SQLITE, while_it_bakes, crashes=1),
    Kill("found-bad", SQLITE, found_bad, crashes=2),
    Kill("begun", SQLITE, begun, crashes=2),
    Kill("seeking", SQLITE, _calling(_look, carried_out=False)),
    Kill("claiming", SQLITE, _said(RollbackPhase.CLAIMING)),
    Kill("asked", SQLITE, _calling(_order, carried_out=True)),
    Kill("verifying", SQLITE, verifying),
    *(
        Kill(f"{name}-is-lost", REDIS, _writing(pattern, carried_out=False), crashes=int(name == "bad"))
        for name, pattern in WRITES.items()
    ),
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

    crashes: int
    """How many crashes it took after the restart."""
    heard: int
    """How often the platform was asked."""
    restored: int
    """How many deployments of release 1 it has made."""
    turns: list[RollbackPhase]
    told: list[dict]
    """Every message that was sent."""


def tell(kill: Kill, directory: Path, redis: RedisServer) -> End:
    """Let one story happen."""
    directory.mkdir()
    with ExitStack() as stack:
        story = Story(stack, directory, kill.state, redis)
        stack.push(story.tell_what_was_said)
        kill.at(story)
        crashes = story.goes_on()
        told = story.hook.until("rolled_back")
        return End(
            crashes=crashes,
            heard=len(story.railway.rollbacks),
            restored=story.restored,
            turns=[turn.phase for turn in story.stored.rollbacks],
            told=told,
        )


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[End]]]:
    """Let all stories that are asked for happen side by side."""
    calls = (getattr(item, "callspec", None) for item in request.session.items)
    wanted = [call.params["kill"] for call in calls if call is not None and "kill" in call.params]
    directory = tmp_path_factory.mktemp("at")
    with RedisServer(tmp_path_factory.mktemp("redis")) as redis, ThreadPoolExecutor(AT_ONCE) as pool:
        yield {kill.name: pool.submit(tell, kill, directory / kill.name, redis) for kill in wanted}
        pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("kill", KILLS, ids=lambda kill: kill.name)
def test_killed_anywhere_the_story_comes_to_the_same_end(kill: Kill, ends: dict[str, Future[End]]) -> None:
    """The release is rolled back, the platform has done it exactly once, and no crash that was written is forgotten.

    People are told at least once, and what they are told again bears the same id.
    """
    end = ends[kill.name].result()
    assert end.restored == 1
    assert end.heard in (1, kill.heard)
    assert end.turns == [RollbackPhase.VERIFIED]
    assert end.crashes <= kill.crashes
    assert {"bad", "rolled_back"} <= {message["data"]["event"] for message in end.told}
    by_id = {message["id"]: message for message in end.told}
    assert all(message == by_id[message["id"]] for message in end.told)
