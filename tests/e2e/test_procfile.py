"""The project's own Procfile under honcho, with real gateways: start, planned stop, sudden death."""

import os
import re
import shlex
import signal
import sys
from pathlib import Path

import psutil
import pytest
from anyio.from_thread import start_blocking_portal
from servers.asking import ask, tell, watching
from servers.brightdata import TOKEN, FakeBrightData
from servers.configuration import short
from servers.deployment import PROCFILE, WITHIN, Deployment, Program
from servers.http import serving
from servers.mcp_client import Call
from servers.postgres import PostgresServer
from servers.redis import RedisServer

SLOW_MCP = Path(__file__).parents[1] / "servers" / "slow_mcp.py"

PATHS = ("/health", "/health/live", "/livez", "/health/ready", "/readyz", "/health/startup", "/startupz")


def web_pid(honcho: Program) -> int:
    """Find the gateway's process, as honcho tells it."""
    return int(honcho.line(r"web\.1 started \(pid=(\d+)\)")[1])


def test_within_seconds_the_deployment_is_ready_and_says_which_urls_to_open(deployment: Deployment) -> None:
    """Two words, ``honcho start``, and every health path says 200; the start-up event names the paths."""
    honcho = deployment.honcho(PROCFILE.read_text())

    started = honcho.event("started")
    honcho.event("status_changed", after="ready")

    for path in ("/health/ready", "/health", "/health/startup", "/metrics"):
        assert f"http://127.0.0.1:{deployment.port}{path}" in started["message"]
    assert {path: ask(deployment.port, path).status for path in PATHS} == dict.fromkeys(PATHS, 200)
    assert set(ask(deployment.port).body["checks"]) == {
        "gateway:responseTime",
        "mcp:responseTime",
        "process:responseTime",
    }


def test_a_planned_stop_lets_a_call_in_flight_finish_and_the_sidecar_is_the_last_to_exit(
    deployment: Deployment,
) -> None:
    """From SIGTERM on readiness says 503 and liveness 200, until the gateway has finished and gone."""
    release = deployment.directory / "release"
    os.mkfifo(release)
    server = shlex.join([sys.executable, "-P", str(SLOW_MCP), str(release)])
    honcho = deployment.honcho(PROCFILE.read_text().replace("mcp-server-time", server))
    honcho.event("status_changed", after="ready")
    call = Call(deployment.gateway_port, "slow")
    honcho.line("the slow tool is called")

    with watching(deployment.port) as readiness, watching(deployment.port, "/health") as liveness:
        honcho.fall_silent()
        honcho.signal(signal.SIGTERM)
        stopping = honcho.event("stopping")
        assert ask(deployment.port).status == 503
        assert ask(deployment.port, "/health").status == 200
        assert call.is_alive()
        release.write_text("the work is done")
        call.join(WITHIN)
        assert readiness.ended()

    assert call.result["content"] == [{"type": "text", "text": "the work is done"}]
    assert honcho.exit_status() == 128 + signal.SIGTERM
    assert set(liveness.statuses) == {200}
    assert {answer.status for answer in readiness.answers if answer.asked > stopping["heard"]} == {503}
    last_words = [event["event"] for event in honcho.events if event["event"] in ("gateway_exited", "stopped")]
    assert last_words == ["gateway_exited", "stopped"]
    assert deployment.processes() == []


def test_after_a_sudden_death_readiness_never_says_200_again(deployment: Deployment) -> None:
    """kill -9 of the gateway: 503 at once and to the end, honcho ends, and no process is left."""
    honcho = deployment.honcho(PROCFILE.read_text())
    gateway = web_pid(honcho)
    honcho.event("status_changed", after="ready")

    with watching(deployment.port) as readiness:
        psutil.Process(gateway).kill()
        exited = honcho.event("gateway_exited", severity="error")
        assert readiness.ended()

    statuses = readiness.statuses
    if 503 in statuses:
        assert set(statuses[statuses.index(503) :]) == {503}
    assert not [answer for answer in readiness.answers if answer.asked > exited["heard"] and answer.status == 200]
    assert honcho.exit_status() != 0
    assert any("health.1 stopped (rc=-15)" in line for line in honcho.lines)
    deployment.until_nobody_is_left()


def test_what_the_environment_names_is_probed_without_any_configuration(
    deployment: Deployment, redis_server: RedisServer, postgres_server: PostgresServer
) -> None:
    """REDIS_URL, DATABASE_URL and a BrightData token are enough: cache, database and account are probed and pass."""
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(serving(FakeBrightData())) as api:
        # The account's address is the one thing that is configured here, because a test asks nobody outside.
        deployment.configure(f'[probes.brightdata]\nurl = "{api.url("")}"\n', "conf/sidecar.toml")
        honcho = deployment.honcho(
            PROCFILE.read_text(),
            env={
                "REDIS_URL": redis_server.url,
                "DATABASE_URL": postgres_server.url,
                "BRIGHTDATA_API_TOKEN": TOKEN,
                "BRIGHTDATA_ZONE": "unlocker1",
            },
        )
        honcho.event("status_changed", after="ready")
        answer = ask(deployment.port)

    assert answer.status == 200
    assert {key.removesuffix(":responseTime"): check["status"] for key, [check] in answer.body["checks"].items()} == {
        "gateway": "pass",
        "mcp": "pass",
        "process": "pass",
        "database": "pass",
        "cache": "pass",
        "brightdata": "pass",
    }
    said = "\n".join(honcho.lines) + str(answer.body)
    for secret in (TOKEN, postgres_server.url.split(":")[2].split("@")[0]):
        assert secret not in said


@pytest.mark.parametrize("name", ["web", "health"])
def test_when_either_is_killed_the_whole_deployment_ends(deployment: Deployment, name: str) -> None:
    """A platform restarts what has ended as a whole; a half that lives on would hide that it has to."""
    web = shlex.join(deployment.gateway_command())
    honcho = deployment.honcho(f"web: exec {web}\nhealth: exec sidecar run\n")
    pid = int(honcho.line(rf"{name}\.1 started \(pid=(\d+)\)")[1])
    honcho.event("gateway_appeared")

    psutil.Process(pid).kill()

    assert honcho.exit_status() != 0
    assert deployment.processes() == []


def test_a_drain_may_take_longer_than_the_five_seconds_of_honcho(deployment: Deployment) -> None:
    """They count from the gateway's end: that comes first, the sidecar last, and honcho ends with the gateway's 0."""
    path = shlex.quote(str(deployment.configure(short(lame_duck="5500ms"))))
    gateway = shlex.join(deployment.gateway_command())
    honcho = deployment.honcho(f"web: exec {gateway}\nhealth: exec sidecar run --config {path}\n")
    honcho.event("status_changed", after="ready")
    tell(deployment.gateway_port, "become/status/500")
    begun, terminated = honcho.event("drain_begun"), honcho.event("terminated")
    assert terminated["heard"] - begun["heard"] > 5
    honcho.event("stopped")
    assert honcho.exit_status() == 0
    ends = [match[0] for line in honcho.lines if (match := re.search(r"\w+\.1 stopped \(rc=-?\d+\)", line))]
    assert ends == ["web.1 stopped (rc=0)", "health.1 stopped (rc=-15)"]
