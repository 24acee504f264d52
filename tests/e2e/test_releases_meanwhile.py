"""What people say while a release is rolled back and afterwards, and what another replica does in the same moment."""

import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from servers.deployment import WITHIN, Deployment
from servers.parent_releases import deploy_bad, deploy_good, start_release
from servers.railway import Exchange, carry_out
from servers.story import Story

from sidecar.core.releases.release import ReleasePhase
from sidecar.core.releases.rollback import RollbackPhase

Until = Callable[[], None]


@contextmanager
def in_the_middle_of_seeking(story: Story) -> Iterator[Until]:
    """Hold the platform's answer back whether it can restore release 1; the next step would be the claim."""
    come, go = threading.Event(), threading.Event()

    def fault(exchange: Exchange) -> None:
        come.set()
        go.wait()
        carry_out(exchange)

    story.railway.faults.append(fault)
    try:
        yield lambda: None if come.wait(WITHIN) else pytest.fail("the platform was not asked")
    finally:
        go.set()


@contextmanager
def in_the_middle_of_the_claim(story: Story) -> Iterator[Until]:
    """Hold the claim in the store back; the next step would be asking."""
    stop = story.valve.stop(rb'rollback/2/1.*"phase":"claiming"')
    try:
        yield stop.has_come
    finally:
        stop.pass_on()


@pytest.mark.parametrize("in_the_middle", [in_the_middle_of_seeking, in_the_middle_of_the_claim])
def test_a_hold_in_the_middle_of_a_rollback_stops_it_before_the_platform_is_asked(
    story: Story, in_the_middle: Callable[[Story], Iterator[Until]]
) -> None:
    """The release is held with who has said so, over a restart too; when the hold ends, it is rolled back once."""
    with ThreadPoolExecutor(1) as operator:
        with in_the_middle(story) as until_there:
            story.crash_too_often()
            until_there()
            held = operator.submit(story.bad.says, "hold", "--reason", "an incident")
            story.bad.sidecar.event("hold_begun")
        assert held.result().returncode == 0
    story.bad.sidecar.event("release_changed", after="held")
    story.until_phase(ReleasePhase.HELD)
    assert "called off: on hold by" in story.own.reason
    story.kill()
    story.bad.start().sidecar.event("release_changed", after="held")
    assert story.railway.rollbacks == []
    assert story.bad.says("unhold").returncode == 0
    story.until_phase(ReleasePhase.ROLLED_BACK)
    assert (len(story.railway.rollbacks), story.restored) == (1, 1)


def test_a_rolled_back_release_that_a_person_calls_good_can_be_restored_itself(story: Story) -> None:
    """What was written down of its rollback is forgotten; the next bad release is rolled back to it."""
    story.crash_too_often()
    story.until_phase(ReleasePhase.ROLLED_BACK)
    assert story.bad.says("promote", "--reason", "the crashes had another cause").returncode == 0
    story.until_phase(ReleasePhase.GOOD)
    story.until(lambda: not story.stored.rollbacks, "its rollback is forgotten")
    third = story.service.deploy("3")
    story.service.serves(third)
    story.crash_too_often(third)
    assert third.sidecar.event("rollback_ended", after="verified")["message"].startswith(
        "rollback release 3 -> 2 is done"
    )
    assert [asked.variables["id"] for asked in story.railway.rollbacks] == ["d-1", story.bad.deployed.id]


def test_two_replicas_that_find_their_release_bad_at_once_roll_it_back_once(story: Story) -> None:
    """One of them asks the platform, the other follows; both come to the same end."""
    other = story.service.replica(story.bad.deployed, "other").start()
    story.crash_too_often(story.bad, other)
    for replica in (story.bad, other):
        replica.is_at("bad")
        replica.is_at("rolled_back")
    assert (len(story.railway.rollbacks), story.restored) == (1, 1)
    assert [turn.phase for turn in story.stored.rollbacks] == [RollbackPhase.VERIFIED]


@pytest.mark.parametrize("phase", [RollbackPhase.SEEKING, RollbackPhase.ASKING, RollbackPhase.VERIFYING])
def test_a_parent_that_is_killed_while_it_rolls_back_comes_to_the_same_end(
    deployment: Deployment, phase: RollbackPhase
) -> None:
    """The earlier command runs, and goes on running: a sidecar that is started once more does not start the bad one."""
    assert deploy_good(deployment, "--status", "5") == 5
    bad = deploy_bad(deployment)
    bad.event("rollback_advanced", after=phase)
    bad.signal(signal.SIGKILL)
    bad.exit_status()
    for _ in range(2):
        again = start_release(deployment, "2", deployment.gateway_command())
        again.event("release_changed", after="good", message="release 1 is good: it runs again, in the place of 2")
        if not again.named("status_changed", after="ready"):
            again.event("status_changed", after="ready")
        again.signal(signal.SIGTERM)
        assert again.exit_status() == 5


DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); signal.pause()"
"""A program that listens nowhere, and does not care to be asked to end."""


def test_a_parent_kills_a_command_that_cannot_be_drained(deployment: Deployment) -> None:
    """Nobody listens, so there is nobody to drain: the earlier command is started all the same, and takes traffic."""
    assert deploy_good(deployment) == 0
    impatient = {"drain.grace": "100ms", "release.start_within": "2s"}
    deaf = start_release(deployment, "2", [sys.executable, "-c", DEAF], impatient)
    deaf.event("release_changed", after="bad")
    ended = deaf.event("child_ended")
    assert "the sidecar has asked for that, and starts it again at once" in ended["message"]
    deaf.event("status_changed", after="ready")
    deaf.event("release_changed", after="good", message="release 1 is good: it runs again, in the place of 2")
