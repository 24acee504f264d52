"""What has happened can be read afterwards, and replayed under other rules."""

import json
import signal
import time

from servers.asking import tell
from servers.configuration import short
from servers.deployment import BIN, WITHIN, Deployment, Program
from servers.parent_releases import config, deploy_bad, deploy_good

SECRET = "hunter2-hunter2"


def command(deployment: Deployment, *arguments: object, status: int = 0) -> str:
    """Run a command beside the sidecar; returns what it wrote."""
    program = deployment.start([BIN / "sidecar", *arguments], env=deployment.ports)
    assert program.exit_status() == status, program.lines
    return "\n".join(program.lines)


def start(deployment: Deployment, config: str) -> tuple[Program, Program]:
    """Start a gateway and a sidecar beside it, and wait until it is ready."""
    gateway = deployment.gateway()
    sidecar = deployment.sidecar(config)
    sidecar.event("status_changed", after="ready")
    return gateway, sidecar


def stop(gateway: Program, sidecar: Program) -> None:
    """Stop both as a process manager does."""
    sidecar.signal(signal.SIGTERM)
    sidecar.event("stopping")
    gateway.signal(signal.SIGTERM)
    assert sidecar.exit_status() == -signal.SIGTERM


def a_drain_and_its_end(deployment: Deployment) -> None:
    """Let a gateway fall ill, be drained, and be followed by another that is well; then stop it all."""
    gateway, sidecar = start(deployment, short())
    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("drain_begun")
    assert gateway.exit_status() == 0
    sidecar.event("drain_finished")
    successor = deployment.gateway()
    sidecar.event("status_changed", after="ready")
    stop(successor, sidecar)


def simulate(deployment: Deployment, export: str, config: str) -> dict:
    """Replay an export under a configuration."""
    journal = deployment.configure(export, "past.jsonl")
    path = deployment.configure(config, "new.toml")
    return json.loads(command(deployment, "simulate", "--journal", journal, "--config", path, "--json"))


def test_the_past_is_replayed_under_its_own_rules_and_under_others(deployment: Deployment) -> None:
    """Its own rules drain as it was drained; with more patience there is no drain."""
    a_drain_and_its_end(deployment)
    export = command(deployment, "journal", "export", "--config", "sidecar.toml")

    same = simulate(deployment, export, short())
    assert (same["past"]["drains"], same["simulated"]["drains"]) == (1, 1)
    assert [row["simulated"] for row in same["rows"] if row["sort"] == "drain"] == [True]
    assert same["remarks"] == []

    patient = simulate(deployment, export, short(drain_after="1h"))
    assert (patient["past"]["drains"], patient["simulated"]["drains"]) == (1, 0)
    [spared] = [row for row in patient["rows"] if row["sort"] == "drain"]
    assert (spared["past"], spared["simulated"]) == (True, False)
    assert "status is 200-299: found 500" in spared["why"]


def test_a_frozen_gateway_is_replayed_too(deployment: Deployment) -> None:
    """Silence is evidence: a gateway that hangs would have been drained with less patience than there was."""
    gateway, sidecar = start(deployment, short(drain_after="1h"))
    gateway.signal(signal.SIGSTOP)
    sidecar.event("status_changed", after="unhealthy")
    time.sleep(1.0)  # nothing is waited for: the silence itself is what is put into the journal
    gateway.signal(signal.SIGCONT)
    sidecar.event("status_changed", after="ready")
    stop(gateway, sidecar)
    export = command(deployment, "journal", "export", "--config", "sidecar.toml")

    hasty = simulate(deployment, export, short(drain_after="300ms"))
    assert (hasty["past"]["drains"], hasty["simulated"]["drains"]) == (0, 1)


def test_a_rollback_is_replayed_too(deployment: Deployment) -> None:
    """With a greater budget for restarts the release would not have been rolled back, and nobody paged."""
    deploy_good(deployment, "--status", "5")
    bad = deploy_bad(deployment)
    bad.event("rollback_ended", after="verified")
    bad.signal(signal.SIGTERM)
    bad.exit_status()
    export = command(deployment, "journal", "export", "--config", "sidecar.toml")

    same = simulate(deployment, export, config("2"))
    assert (same["past"]["rollbacks"], same["simulated"]["rollbacks"]) == (1, 1)
    spared = simulate(deployment, export, config("2", {"release.restart_budget": 1}))
    assert (spared["past"]["rollbacks"], spared["simulated"]["rollbacks"]) == (1, 0)
    assert spared["simulated"]["pages"] < spared["past"]["pages"]


def test_another_interval_cannot_be_simulated(deployment: Deployment) -> None:
    """The evidence was gathered as it was, and the command says so, to people as well."""
    a_drain_and_its_end(deployment)
    export = command(deployment, "journal", "export", "--config", "sidecar.toml")
    journal = deployment.configure("x\n" + export, "past.jsonl")
    path = deployment.configure(short().replace('"300ms"', '"2s"', 1), "new.toml")
    shown = command(deployment, "simulate", "--journal", journal, "--config", path)
    assert "gateway: interval was 0.3 s and is 2 s now, which cannot be simulated" in shown
    assert "line 1 is no entry of the journal" in shown


def test_the_journal_is_read_while_the_sidecar_runs_and_after_it_was_killed(deployment: Deployment) -> None:
    """A turn for the worse is written at once: SIGKILL right after it loses nothing of it."""
    gateway, sidecar = start(deployment, short(drain_after="1h"))
    gateway.signal(signal.SIGKILL)
    sidecar.event("status_changed", after="unhealthy")
    awaited = ("gateway_exited", "ready -> unhealthy")
    deadline = time.monotonic() + WITHIN
    while not all(event in command(deployment, "journal", "--config", "sidecar.toml") for event in awaited):
        assert time.monotonic() < deadline, awaited
    sidecar.signal(signal.SIGKILL)
    assert sidecar.exit_status() == -signal.SIGKILL

    shown = command(deployment, "journal", "--config", "sidecar.toml", "--since", "10m")
    assert f"the gateway's process {gateway.pid} has exited" in shown
    assert "ready -> unhealthy" in shown


def test_a_flight_record_tells_what_was_known(deployment: Deployment) -> None:
    """Figures of the kernel, the latest looks of every probe, why; and no secret."""
    probes = f"""
[probes.gateway]
kind = "http"
headers = {{ Authorization = "Bearer {SECRET}" }}

[probes.process]
kind = "process"
"""
    gateway, sidecar = start(deployment, short(probes))
    tell(deployment.gateway_port, "become/status/500")
    sidecar.event("drain_begun")
    assert gateway.exit_status() == 0
    sidecar.event("drain_finished")
    sidecar.signal(signal.SIGTERM)
    assert sidecar.exit_status() == -signal.SIGTERM

    lines = command(deployment, "journal", "--config", "sidecar.toml", "--flight", "--json").splitlines()
    ill, drained = map(json.loads, lines)
    assert ill["why"] == ["ready -> unhealthy (ready 503, live 200, startup 200)"]
    assert drained["why"][0].startswith(f"draining process {gateway.pid}")
    assert ill["gateway"]["pid"] == gateway.pid
    assert {"listen_queue", "in_flight", "memory_bytes", "threads", "open_files"} <= ill["gateway"]["figures"].keys()
    looks = ill["probes"]["gateway"]["looks"]
    assert [look["outcome"] for look in looks[-3:]] == ["fail", "fail", "fail"]
    assert "NOT status is 200-299: found 500" in looks[-1]["findings"]
    assert looks[-1]["phases"]
    assert ill["probes"]["process"]["looks"][-1]["notes"]["pid"] == gateway.pid
    everything = "\n".join(lines) + command(deployment, "journal", "--config", "sidecar.toml", "--json")
    assert SECRET not in everything
    assert "draining process" in command(deployment, "journal", "--config", "sidecar.toml", "--flight")


def test_without_a_store_there_is_no_journal(deployment: Deployment) -> None:
    """One line that says what to set, and exit status 2."""
    deployment.configure(short())
    program = deployment.start(
        ["/usr/bin/env", "-u", "HOME", BIN / "sidecar", "journal", "--config", "sidecar.toml"], env=deployment.ports
    )
    assert program.exit_status() == 2
    [line] = program.lines
    assert line.startswith("sidecar: there is no journal: ")
    assert "set state.dir or STATE_DIRECTORY" in line
