"""The gateway's process is found among real processes."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from servers.processes import Start

from sidecar.contract import GatewayPlan, GatewayProcess
from sidecar.gateway.discovery import discover
from sidecar.gateway.topmost import Unproven
from sidecar.linux import procfs

WRAPPER = ("sh", "-c", '"$@"; exit $?', "sh")
"""A shell that stays above the command it runs."""

AS_AN_ORDINARY_USER = """
import json, os, sys
from sidecar.contract import GatewayPlan
from sidecar.gateway.discovery import discover
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(json.dumps(discover(GatewayPlan(port=int(sys.argv[1]))).reason))
"""


def proven(found: GatewayProcess | Unproven | None) -> GatewayProcess:
    """Expect a proven process."""
    assert isinstance(found, GatewayProcess), found
    return found


def doubted(found: GatewayProcess | Unproven | None) -> str:
    """Expect a doubt, for its reason."""
    assert isinstance(found, Unproven), found
    return found.reason


def test_nobody_listens_so_there_is_no_gateway(free_port: int) -> None:
    """Without a listener there is nothing to prove and nothing to doubt."""
    assert discover(GatewayPlan(port=free_port)) is None
    assert discover(GatewayPlan(port=free_port, process_name="web.1", pid_file="/nowhere/gateway.pid")) is None


def test_a_process_that_listens_is_identified(free_port: int, start_listener: Start) -> None:
    """Boot, pid and start time are the kernel's own."""
    listening = start_listener(free_port)
    stat = procfs.stat(listening.pid)
    expected = GatewayProcess(procfs.boot_id(), listening.pid, stat.start_ticks, stat.started)
    assert discover(GatewayPlan(port=free_port)) == expected


def test_the_parent_of_forked_workers_is_the_gateway(free_port: int, start_listener: Start) -> None:
    """Workers hold the very same listener, but descend from the one that is to be signalled."""
    listening = start_listener(free_port, "--workers", "3")
    assert proven(discover(GatewayPlan(port=free_port))).pid == listening.pid


def test_a_wrapper_is_not_the_gateway(free_port: int, start_listener: Start) -> None:
    """A shell around the gateway has its name in the environment, but holds no listener."""
    listening = start_listener(free_port, wrapper=WRAPPER, env={"HONCHO_PROCESS_NAME": "web.1"})
    assert listening.pid != listening.started.pid
    assert procfs.environment(listening.started.pid)["HONCHO_PROCESS_NAME"] == "web.1"
    for plan in (GatewayPlan(port=free_port), GatewayPlan(port=free_port, process_name="web.1")):
        assert proven(discover(plan)).pid == listening.pid


def test_several_that_share_the_port_are_not_proven(free_port: int, start_listener: Start) -> None:
    """Two servers with SO_REUSEPORT both answer: which one is the gateway is anybody's guess, and is not made."""
    one, other = start_listener(free_port, "--reuse-port"), start_listener(free_port, "--reuse-port")
    reason = doubted(discover(GatewayPlan(port=free_port)))
    assert "several processes" in reason
    assert f"pids {min(one.pid, other.pid)}, {max(one.pid, other.pid)}" in reason


def test_a_process_managers_name_tells_which_of_several_it_is(free_port: int, start_listener: Start) -> None:
    """The names that honcho, foreman and overmind give stand in the environment."""
    one = start_listener(free_port, "--reuse-port", "--workers", "1", env={"HONCHO_PROCESS_NAME": "web.1"})
    other = start_listener(free_port, "--reuse-port", env={"HONCHO_PROCESS_NAME": "", "PS": "web.2"})
    assert proven(discover(GatewayPlan(port=free_port, process_name="web.1"))).pid == one.pid
    assert proven(discover(GatewayPlan(port=free_port, process_name="web.2"))).pid == other.pid
    assert "'web.3'" in doubted(discover(GatewayPlan(port=free_port, process_name="web.3")))


def test_a_pid_file_tells_which_of_several_it_is(free_port: int, start_listener: Start, tmp_path: Path) -> None:
    """The process in the file is the gateway, if it listens itself or has started who does."""
    start_listener(free_port, "--reuse-port")
    wrapped = start_listener(free_port, "--reuse-port", wrapper=WRAPPER)
    path = tmp_path / "gateway.pid"
    plan = GatewayPlan(port=free_port, pid_file=str(path))
    for pid in (wrapped.pid, wrapped.started.pid):
        path.write_text(str(pid))
        assert proven(discover(plan)).pid == pid


def test_a_pid_file_that_names_a_stranger_proves_nothing(free_port: int, start_listener: Start, tmp_path: Path) -> None:
    """A pid from another container, or of a process that does not serve, is never signalled."""
    listening = start_listener(free_port, "--workers", "1")
    path = tmp_path / "gateway.pid"
    plan = GatewayPlan(port=free_port, pid_file=str(path))
    assert "there is no pid file" in doubted(discover(plan))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as other:
        path.write_text(str(other.pid))
        reason = doubted(discover(plan))
    assert "neither listens" in reason
    assert f"pid {other.pid} is named" in reason
    assert str(listening.pid) in reason


def test_a_process_that_hides_from_us_is_not_proven(free_port: int, start_listener: Start) -> None:
    """An ordinary user may not see who holds a listener of root, or of a process that has hidden itself."""
    start_listener(free_port, "--undumpable")
    found = subprocess.run(
        [sys.executable, "-c", AS_AN_ORDINARY_USER, str(free_port)],
        stdout=subprocess.PIPE,
        check=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    reason = json.loads(found.stdout)
    assert "may not be inspected" in reason
    assert f"uid {os.getuid()}" in reason


def test_a_listener_of_our_own_is_not_the_gateway(free_port: int) -> None:
    """Were the health port configured as the gateway's, the sidecar would be about to signal itself."""
    with socket.create_server(("127.0.0.1", free_port)):
        assert "the sidecar itself" in doubted(discover(GatewayPlan(port=free_port)))
