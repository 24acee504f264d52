"""A sick gateway is drained: it leaves the traffic first, finishes its work, and only then is asked to stop."""

import http.client
import signal

import pytest
from servers.asking import ask, holding, tell, watching
from servers.configuration import short
from servers.deployment import Deployment, Event, Program


def start(deployment: Deployment, config: str, *options: str) -> tuple[Program, Program]:
    """Start a gateway and a sidecar beside it, and wait until it is ready."""
    gateway = deployment.gateway(*options)
    sidecar = deployment.sidecar(config)
    sidecar.event("status_changed", after="ready")
    return gateway, sidecar


def fall_ill(deployment: Deployment) -> None:
    """Let the gateway answer 500 from now on."""
    tell(deployment.gateway_port, "become/status/500")


def drain_events(sidecar: Program) -> list[Event]:
    """Find what the sidecar has said about drains."""
    return [event for event in sidecar.events if event["event"].startswith("drain_")]


def test_a_drain_goes_through_its_steps_in_order_and_the_next_process_is_ready_again(deployment: Deployment) -> None:
    """Lame duck, quiescing, SIGTERM; the process that a supervisor starts afterwards is found and becomes ready."""
    gateway, sidecar = start(deployment, short(quiesce="30s"))

    with holding(deployment.gateway_port):
        fall_ill(deployment)
        begun = sidecar.event("drain_begun", before="idle", after="lame_duck")
        assert "status is 200-299: found 500" in begun["message"]
        assert ask(deployment.port).status == 503
        assert ask(deployment.port, "/health").status == 200
        sidecar.event("drain_advanced", before="lame_duck", after="quiescing")
    signalled = sidecar.event("drain_advanced", before="quiescing", after="signalled")
    assert f"SIGTERM is sent to process {gateway.pid}" in signalled["message"]
    gateway.event("terminated")
    assert gateway.exit_status() == 0
    sidecar.event("gateway_exited", severity="info")
    sidecar.event("drain_finished")
    assert [event["after"] for event in drain_events(sidecar)] == ["lame_duck", "quiescing", "signalled", "idle"]

    successor = deployment.gateway()
    sidecar.event("gateway_appeared", message=f"the gateway is process {successor.pid}")
    sidecar.event("status_changed", after="ready")
    assert ask(deployment.port).status == 200


def test_readiness_says_503_for_the_whole_lame_duck_before_the_signal(deployment: Deployment) -> None:
    """Between the first 503 and SIGTERM lies at least ``lame_duck``, and no 200."""
    gateway, sidecar = start(deployment, short(lame_duck="700ms"))

    with watching(deployment.port) as readiness:
        fall_ill(deployment)
        terminated = gateway.event("terminated")
        sidecar.event("drain_finished")

    statuses = readiness.statuses
    assert set(statuses[statuses.index(503) :]) == {503}
    assert terminated["at"] - readiness.first(503).answered >= 0.7


def test_a_request_in_flight_is_not_cut(deployment: Deployment) -> None:
    """SIGTERM waits for a reply that is under way, and this gateway would have cut it."""
    gateway, sidecar = start(deployment, short(quiesce="30s"))

    with holding(deployment.gateway_port) as reply:
        fall_ill(deployment)
        sidecar.event("drain_advanced", after="quiescing")
        assert not gateway.named("terminated")
        tell(deployment.gateway_port, "release")
        assert reply.read() == b" last"
    signalled = sidecar.event("drain_advanced", after="signalled")

    assert "nothing is in flight" in signalled["message"]
    gateway.event("terminated")


def test_a_stream_that_never_ends_is_cut_when_its_time_is_up(deployment: Deployment) -> None:
    """``quiesce`` is a deadline: a connection that outlasts it does not keep a sick gateway alive."""
    _, sidecar = start(deployment, short(quiesce="500ms"))

    with holding(deployment.gateway_port) as reply:
        fall_ill(deployment)
        signalled = sidecar.event("drain_advanced", after="signalled")

        assert "1 connections are still open" in signalled["message"]
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            reply.read()


def test_a_gateway_that_ignores_sigterm_is_killed_when_grace_is_over(deployment: Deployment) -> None:
    """SIGTERM first; ``grace`` later SIGKILL."""
    gateway, sidecar = start(deployment, short(grace="500ms"), "--stubborn")

    fall_ill(deployment)
    gateway.event("terminated")
    killed = sidecar.event("drain_advanced", before="signalled", after="killed")

    assert "still running 0.5 s after SIGTERM; SIGKILL is sent" in killed["message"]
    assert gateway.exit_status() == -signal.SIGKILL
    sidecar.event("gateway_exited")
    sidecar.event("drain_finished", before="killed", after="idle")


def test_without_escalation_nobody_is_killed(deployment: Deployment) -> None:
    """``escalate = false``: after ``grace`` the drain is over, and the gateway still runs."""
    gateway, sidecar = start(deployment, short(grace="300ms", escalate=False), "--stubborn")

    fall_ill(deployment)
    finished = sidecar.event("drain_finished", before="signalled", after="idle")

    assert "drain.escalate is false" in finished["message"]
    tell(deployment.gateway_port, "become/status/200")
    sidecar.event("status_changed", after="ready")
    assert len(gateway.named("terminated")) == 1


def test_shadow_does_everything_but_the_signal(deployment: Deployment) -> None:
    """``shadow = true``: the drain says when it would have signalled, and the gateway notices nothing."""
    gateway, sidecar = start(deployment, short(shadow=True))

    fall_ill(deployment)
    sidecar.event("drain_begun")
    sidecar.event("drain_advanced", after="quiescing")
    finished = sidecar.event("drain_finished", before="quiescing", after="idle")

    assert "shadow: SIGTERM would have been sent now" in finished["message"]
    tell(deployment.gateway_port, "become/status/200")
    sidecar.event("status_changed", after="ready")
    assert not gateway.named("terminated")


def test_recovery_during_the_lame_duck_calls_the_drain_off(deployment: Deployment) -> None:
    """A gateway that passes again before the signal is left alone."""
    gateway, sidecar = start(deployment, short(lame_duck="30s"))

    fall_ill(deployment)
    sidecar.event("drain_begun")
    assert ask(deployment.port).status == 503
    tell(deployment.gateway_port, "become/status/200")
    sidecar.event("drain_cancelled", before="lame_duck", after="idle")
    sidecar.event("status_changed", after="ready")

    assert ask(deployment.port).status == 200
    assert not gateway.named("terminated")


def test_a_gateway_that_dies_while_it_is_drained_ends_the_drain(deployment: Deployment) -> None:
    """Nobody is signalled any more; readiness stays 503 throughout."""
    gateway, sidecar = start(deployment, short(lame_duck="30s"))

    with watching(deployment.port) as readiness:
        fall_ill(deployment)
        sidecar.event("drain_begun")
        gateway.signal(signal.SIGKILL)
        sidecar.event("gateway_exited")
        sidecar.event("drain_finished", before="lame_duck", after="idle")
        assert ask(deployment.port).status == 503

    assert set(readiness.statuses[readiness.statuses.index(503) :]) == {503}


def test_a_stop_calls_a_drain_off(deployment: Deployment) -> None:
    """Whoever stops the sidecar stops the gateway too: the sidecar sends no signal of its own any more."""
    gateway, sidecar = start(deployment, short(lame_duck="30s"))

    fall_ill(deployment)
    sidecar.event("drain_begun")
    sidecar.signal(signal.SIGTERM)
    sidecar.event("drain_cancelled", after="idle")
    gateway.signal(signal.SIGTERM)

    assert gateway.exit_status() == 0
    assert sidecar.exit_status() == -signal.SIGTERM
    assert len(gateway.named("terminated")) == 1
