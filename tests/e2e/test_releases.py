"""Releases on a platform: each is deployed for real, judged, and undone by the platform's API where it is bad."""

import os
import signal

from servers.asking import ask, tell
from servers.deployment import Deployment
from servers.parent_releases import deploy_bad, deploy_good, start_release
from servers.service import Replica, Service


def good(service: Service, release: str = "1") -> Replica:
    """Deploy a release that turns out well."""
    replica = service.deploy(release)
    replica.is_at("baking")
    service.serves(replica)
    replica.is_at("good")
    return replica


def leave(replica: Replica) -> None:
    """Have the platform end a deployment."""
    replica.sidecar.signal(signal.SIGTERM)
    replica.sidecar.exit_status()


def test_a_good_release_becomes_what_others_fall_back_to(service: Service) -> None:
    """It takes traffic, bakes, and is good; people are told, and nobody has asked the platform for anything."""
    replica = good(service)
    assert replica.sidecar.named("remark", message="release 1 is judged; a bad one is rolled back by railway")
    assert ask(replica.place.port).status == 200
    told = [event["data"]["what"] for event in service.hook.until("good")]
    assert any("release 1 is baking" in what for what in told)
    assert told[-1].startswith("release 1 is good: baked for ")
    assert service.railway.rollbacks == []


def test_a_release_that_never_starts_takes_no_traffic_and_needs_no_rollback(service: Service) -> None:
    """Readiness stays 503, so the platform keeps the one before; people are told that this one is held, and why."""
    good(service)
    bad = service.deploy("2", "--become", "status/500")
    event = bad.is_at("held", within="never took traffic, so there is nothing to undo")
    assert "start_within is 3 s" in event["message"]
    assert ask(bad.place.port).status == 503
    held = service.hook.until("held")[-1]["data"]
    assert (held["severity"], held["release"]) == ("error", "2")
    assert "sidecar promote" in held["command"]
    assert service.railway.rollbacks == []


def test_a_release_that_turns_slow_while_it_bakes_is_rolled_back(service: Service) -> None:
    """It is held against the one before; the platform restores that one, whose own sidecar tells that it is healthy."""
    first = good(service)
    bad = service.deploy("2")
    bad.is_at("baking")
    tell(bad.place.gateway_port, "become/slow/0.3")
    service.serves(bad)
    leave(first)
    event = bad.is_at("bad", within="worse than 1: gateway")
    assert event["cause"] == "local"
    bad.sidecar.event("rollback_begun")
    restored = service.restored()
    restored.sidecar.event("status_changed", after="ready")
    restored.sidecar.event("rollback_ended", message="rollback release 2 -> 1 is done: 1 is healthy")
    service.serves(restored)
    bad.is_at("rolled_back")
    bad.sidecar.event("rollback_ended")
    leave(bad)
    assert ask(restored.place.port).status == 200
    (asked,) = service.railway.rollbacks
    assert asked.variables["id"] == first.deployed.id
    told = [event["data"]["event"] for event in service.hook.until("rollback_ended")]
    story = ["bad", "rollback_begun", "rollback_ended"]
    assert [word for word in told if word in story] == story


def test_a_release_that_crashes_in_a_loop_is_rolled_back_once(service: Service) -> None:
    """restart_budget ends are forgiven; killed in the middle of it, the sidecar goes on, and asks nobody twice."""
    first = good(service)
    bad = service.deploy("2")
    bad.is_at("baking")
    service.serves(bad)
    leave(first)
    os.kill(bad.sidecar.named("listening")[-1]["pid"], signal.SIGKILL)
    os.kill(bad.sidecar.event("listening")["pid"], signal.SIGKILL)
    bad.is_at("bad", within="restart_budget is 1: its gateway has ended unasked 2 times")
    restored = service.restored()
    bad.sidecar.signal(signal.SIGKILL)
    bad.sidecar.exit_status()
    bad.start()
    restored.sidecar.event("status_changed", after="ready")
    service.serves(restored)
    bad.sidecar.event("rollback_ended")
    assert len(service.railway.rollbacks) == 1


def test_what_is_known_of_releases_is_shown_and_can_be_ordered(service: Service) -> None:
    """By hand as by itself: the last good release takes the place of one that nobody has found fault with."""
    first = good(service)
    second = good(service, "2")
    leave(first)
    shown = second.says("releases")
    assert shown.stdout.splitlines()[1].startswith("2 *      good")
    assert shown.stdout.splitlines()[2].startswith("1        good")
    held = second.says("hold", "--reason", "an incident")
    assert "it is written down" in held.stdout
    assert "on hold by" in second.says("rollback", "--yes").stderr
    assert second.says("unhold").returncode == 0
    unknown = second.says("rollback", "0", "--yes")
    assert (unknown.returncode, unknown.stderr) == (
        1,
        "sidecar: cannot roll back: release 0 is not known; known are 1, 2\n",
    )
    ordered = second.says("rollback", "--yes", "--reason", "customers complain")
    assert ordered.stdout.startswith("rolling back from release 2 to 1")
    second.sidecar.event("rollback_begun")
    restored = service.restored()
    restored.sidecar.event("rollback_ended")
    assert "customers complain" in second.says("releases").stdout


def test_a_preflight_tells_whether_a_release_could_be_undone(service: Service) -> None:
    """It asks the platform and the store, changes nothing, and warns while no release is known to be good."""
    replica = service.deploy("1")
    replica.is_at("baking")
    before = replica.says("preflight")
    assert before.returncode == 0
    assert "none is known yet: a bad release would be held" in before.stdout
    service.serves(replica)
    replica.is_at("good")
    second = service.deploy("2")
    second.is_at("baking")
    after = second.says("preflight")
    assert "1 can be restored" in after.stdout
    assert service.railway.rollbacks == []


def test_the_parent_itself_starts_the_release_before_again(deployment: Deployment) -> None:
    """Drained and replaced by the earlier command; also a sidecar that is started again does not start the bad one."""
    assert deploy_good(deployment, "--status", "5") == 5
    sidecar = deploy_bad(deployment)
    sidecar.event("release_changed", after="bad")
    sidecar.event("release_changed", after="good", message="release 1 is good: it runs again, in the place of 2")
    sidecar.signal(signal.SIGKILL)
    sidecar.exit_status()

    again = start_release(deployment, "2", deployment.gateway_command())
    again.event("status_changed", after="ready")
    again.signal(signal.SIGTERM)
    assert again.exit_status() == 5
