"""A gateway that plays its own part in a drain: it is told when one begins, and when one is called off."""

import signal

import pytest
from servers.asking import tell
from servers.configuration import short
from servers.deployment import Deployment, Program


def start(deployment: Deployment, **drain: object) -> tuple[Program, Program]:
    """Start a gateway and a sidecar beside it, and wait until it is ready."""
    gateway = deployment.gateway()
    sidecar = deployment.sidecar(short(hook="/hook", **drain))
    sidecar.event("status_changed", after="ready")
    return gateway, sidecar


def fall_ill(deployment: Deployment) -> None:
    """Let the gateway answer 500 from now on, at its hook as well."""
    tell(deployment.gateway_port, "become/status/500")


def test_it_is_asked_to_take_no_more_work_when_lame_duck_begins(deployment: Deployment) -> None:
    """Before the signal; that a sick one may answer anything is told, and holds nothing up."""
    gateway, sidecar = start(deployment, lame_duck="500ms")
    fall_ill(deployment)
    asked, terminated = gateway.event("asked", method="POST"), gateway.event("terminated")
    assert asked["at"] < terminated["at"]
    told = sidecar.event("drain_hook", severity="warning")
    assert told["message"] == "the gateway is asked to take no more work by POST /hook, in vain: the answer is 500"
    sidecar.event("drain_finished")
    assert [event["method"] for event in gateway.named("asked")] == ["POST"]


def test_it_is_asked_to_take_work_again_when_the_drain_is_called_off(deployment: Deployment) -> None:
    """Or it would stay out of work although traffic comes."""
    gateway, sidecar = start(deployment, lame_duck="30s")
    fall_ill(deployment)
    gateway.event("asked", method="POST")
    tell(deployment.gateway_port, "become/status/200")
    sidecar.event("drain_cancelled")
    gateway.event("asked", method="DELETE")
    told = sidecar.event("drain_hook", severity="info")
    assert told["message"] == "the gateway is asked to take work again by DELETE /hook"


def test_a_stop_does_not_ask_it_to_take_work_again(deployment: Deployment) -> None:
    """The gateway is stopped as well."""
    gateway, sidecar = start(deployment, lame_duck="30s")
    fall_ill(deployment)
    gateway.event("asked", method="POST")
    sidecar.signal(signal.SIGTERM)
    sidecar.event("drain_cancelled")
    gateway.signal(signal.SIGTERM)
    assert sidecar.exit_status() == -signal.SIGTERM
    gateway.exit_status()
    assert [event["method"] for event in gateway.named("asked")] == ["POST"]


@pytest.mark.parametrize("manner", ["silent", "garbage", "endless_head"])
def test_a_hook_that_fails_is_told_and_the_drain_goes_on(manner: str, deployment: Deployment) -> None:
    """It has its own deadline, and the drain does not wait for it."""
    gateway, sidecar = start(deployment, lame_duck="3s")
    tell(deployment.gateway_port, f"become/{manner}")
    gateway.event("asked", method="POST")
    assert ", in vain: " in sidecar.event("drain_hook", severity="warning")["message"]
    sidecar.event("drain_advanced", after="signalled")
    gateway.event("terminated")


def test_in_shadow_the_gateway_notices_nothing(deployment: Deployment) -> None:
    """It would stay out of work, and no signal would follow."""
    gateway, sidecar = start(deployment, shadow=True)
    fall_ill(deployment)
    sidecar.event("drain_finished", before="quiescing", after="idle")
    assert not gateway.named("asked")
    assert not sidecar.named("drain_hook")
