"""What the sidecar itself goes through: a log that nobody reads, a pause, signals, a port that is taken."""

import os
import signal
import socket
import time
from pathlib import Path

import psutil
from servers.asking import ask, tell, watching
from servers.configuration import short
from servers.deployment import WITHIN, Deployment, Program
from servers.processes import freeze


def start(deployment: Deployment, config: str, **options: object) -> tuple[Program, Program]:
    """Start a gateway and a sidecar beside it, and wait until it is ready."""
    gateway = deployment.gateway()
    sidecar = deployment.sidecar(config, **options)
    sidecar.event("status_changed", after="ready")
    return gateway, sidecar


def freeze_and_thaw(sidecar: Program) -> float:
    """Stop the sidecar for longer than it forgives; returns when it went on, in seconds of CLOCK_MONOTONIC."""
    freeze(sidecar.pid)
    time.sleep(1.5)  # nothing is waited for: the pause itself is what the sidecar is put through
    sidecar.signal(signal.SIGCONT)
    return time.monotonic()


def wait_for(deployment: Deployment, status: int, path: str = "/health/ready") -> None:
    """Ask until this is the answer: where no log can be read, no event tells."""
    with watching(deployment.port, path) as watch:
        assert watch.answered(status)


def test_a_full_disk_under_the_log_disturbs_nobody(deployment: Deployment) -> None:
    """stderr is /dev/full: every write fails, and health is answered and followed all the same."""
    gateway = deployment.gateway()
    with Path("/dev/full").open("w") as full:
        sidecar = deployment.sidecar(short(drain_after="1h"), stderr=full)

    follow_and_end(deployment, gateway, sidecar)


def test_a_closed_stderr_disturbs_nobody(deployment: Deployment) -> None:
    """Started with ``2>&-`` the sidecar has no log, and nothing else gets the descriptor 2."""
    gateway = deployment.gateway()
    config = deployment.configure(short(drain_after="1h"))
    command = f"exec sidecar run --config '{config}' 2>&-"
    sidecar = deployment.start(["/bin/sh", "-c", command], env=deployment.ports)
    wait_for(deployment, 200)

    assert Path(f"/proc/{sidecar.pid}/fd/2").readlink() == Path(os.devnull)
    follow_and_end(deployment, gateway, sidecar)


def test_a_log_that_nobody_reads_disturbs_nobody(deployment: Deployment) -> None:
    """stderr is a full pipe: the writer is stuck, the sidecar is not; and it still ends when it is told to."""
    gateway = deployment.gateway()
    reader, writer = os.pipe()
    with open(reader, "rb"), open(writer, "wb", buffering=0) as pipe:  # noqa: PTH123 - descriptors
        os.set_blocking(writer, False)
        while pipe.write(b"x" * 4096):
            pass
        os.set_blocking(writer, True)
        sidecar = deployment.sidecar(short(drain_after="1h"), stderr=pipe)

        follow_and_end(deployment, gateway, sidecar)


def follow_and_end(deployment: Deployment, gateway: Program, sidecar: Program) -> None:
    """Expect that a sidecar without a log follows the gateway, and ends with it."""
    wait_for(deployment, 200)
    tell(deployment.gateway_port, "become/status/500")
    wait_for(deployment, 503)
    tell(deployment.gateway_port, "become/status/200")
    wait_for(deployment, 200)
    sidecar.signal(signal.SIGTERM)
    wait_for(deployment, 503)
    gateway.signal(signal.SIGTERM)
    assert sidecar.exit_status() == -signal.SIGTERM


def test_a_sidecar_that_was_frozen_blames_nobody_for_it(deployment: Deployment) -> None:
    """SIGSTOP of the sidecar for longer than any deadline: an event says so, nothing is drained, ready again."""
    gateway, sidecar = start(deployment, short(drain_after="0s", lame_duck="0s"))

    freeze_and_thaw(sidecar)
    late = sidecar.event("observer_late", severity="warning")
    wait_for(deployment, 200)

    assert late["cause"] == "observer"
    assert not sidecar.named("drain_begun")
    assert not gateway.named("terminated")


def test_the_time_that_a_sidecar_was_frozen_proves_nothing(deployment: Deployment) -> None:
    """A drain needs ``drain_after`` of failure that was seen: it counts anew after the pause."""
    _, sidecar = start(deployment, short(drain_after="1s"))

    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("check_changed", probe="gateway", after="failing")
    thawed = freeze_and_thaw(sidecar)

    assert sidecar.event("drain_begun")["heard"] - thawed >= 1.0


def test_one_sigterm_waits_for_the_gateway_and_a_second_does_not(deployment: Deployment) -> None:
    """While the gateway stays, the sidecar answers 503 and 200; the second SIGTERM ends it at once."""
    gateway, sidecar = start(deployment, short())

    sidecar.signal(signal.SIGTERM)
    sidecar.event("stopping")
    assert (ask(deployment.port).status, ask(deployment.port, "/health").status) == (503, 200)
    sidecar.signal(signal.SIGTERM)

    assert sidecar.exit_status() == -signal.SIGTERM
    assert not gateway.named("terminated")


def test_a_sidecar_does_not_wait_for_ever_for_a_gateway_that_stays(deployment: Deployment) -> None:
    """``linger`` is the longest that it outlives SIGTERM."""
    gateway = deployment.gateway("--stubborn")
    sidecar = deployment.sidecar(short() + '[server]\nlinger = "200ms"\n')
    sidecar.event("status_changed", after="ready")

    sidecar.signal(signal.SIGINT)

    assert sidecar.exit_status() == -signal.SIGINT
    assert not gateway.named("terminated")


def test_without_a_gateway_a_sigterm_ends_the_sidecar_at_once(deployment: Deployment) -> None:
    """There is nobody to outlive."""
    sidecar = deployment.sidecar(short())
    sidecar.event("check_changed", probe="gateway", after="failing")
    assert [ask(deployment.port, path).status for path in ("/health/ready", "/health")] == [503, 200]

    sidecar.signal(signal.SIGTERM)

    assert sidecar.exit_status() == -signal.SIGTERM


def test_a_port_that_is_taken_is_one_clear_line(deployment: Deployment) -> None:
    """Exit status 2, one line that names the port, and no traceback."""
    with socket.create_server(("127.0.0.1", deployment.port)):
        sidecar = deployment.sidecar(short())
        status = sidecar.exit_status()

    assert status == 2
    [line] = sidecar.lines
    assert line.startswith("sidecar: cannot ")
    assert str(deployment.port) in line


def test_a_mistake_in_the_configuration_is_told_before_anything_is_started(deployment: Deployment) -> None:
    """Exit status 2, file, line and key, and no traceback."""
    sidecar = deployment.sidecar('[server]\nport = "many"\n')

    assert sidecar.exit_status() == 2
    said = "\n".join(sidecar.lines)
    assert "sidecar.toml:2" in said
    assert "port" in said
    assert "Traceback" not in said


def test_another_process_on_the_gateways_port_is_another_gateway(deployment: Deployment) -> None:
    """Its checks begin anew, and it is told by its pid."""
    gateway, sidecar = start(deployment, short())

    gateway.signal(signal.SIGKILL)
    sidecar.event("gateway_exited", message=f"the gateway's process {gateway.pid} has exited")
    assert (ask(deployment.port).status, ask(deployment.port, "/health").status) == (503, 503)
    successor = deployment.gateway()
    sidecar.event("gateway_appeared", message=f"the gateway is process {successor.pid}")
    sidecar.event("status_changed", after="ready")

    assert (ask(deployment.port).status, ask(deployment.port, "/health").status) == (200, 200)


def test_a_sidecar_that_comes_late_or_is_restarted_finds_the_gateway(deployment: Deployment) -> None:
    """kill -9 of the sidecar: the next one takes the port over and is ready; the gateway notices nothing."""
    gateway, sidecar = start(deployment, short())

    sidecar.signal(signal.SIGKILL)
    assert sidecar.exit_status() == -signal.SIGKILL
    successor = deployment.sidecar(short())
    successor.event("status_changed", after="ready")

    assert ask(deployment.port).status == 200
    assert not gateway.named("terminated")


def test_a_gateway_that_crashes_again_and_again_leaves_nothing_behind(deployment: Deployment) -> None:
    """Each process is found and its exit is told; the sidecar holds no more descriptors for it."""
    sidecar = deployment.sidecar(short())
    sidecar.event("started")
    process = psutil.Process(sidecar.pid)
    held = []

    for _ in range(8):
        gateway = deployment.gateway()
        sidecar.event("gateway_appeared", message=f"the gateway is process {gateway.pid}")
        sidecar.event("status_changed", after="ready")
        held.append(process.num_fds())
        gateway.signal(signal.SIGKILL)
        sidecar.event("gateway_exited")
        assert ask(deployment.port).status == 503

    deadline = time.monotonic() + WITHIN
    while process.num_fds() > max(held[:4]):  # a look that is under way holds some of its own
        assert time.monotonic() < deadline, held
        time.sleep(0.01)
