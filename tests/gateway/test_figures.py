"""What the kernel says of the gateway at one moment."""

import os
import socket

import pytest

from sidecar.contract import GatewayProcess
from sidecar.gateway.figures import read_figures
from sidecar.linux import procfs


def own():
    """Take the process that runs here for a gateway."""
    stat = procfs.stat(os.getpid())
    return GatewayProcess(procfs.boot_id(), stat.pid, stat.start_ticks, stat.started)


def test_the_figures_of_a_process_and_its_port():
    """Two clients wait to be accepted, and nobody else is there; what the process consumes is there too."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), socket.create_connection(("127.0.0.1", port)):
            figures = read_figures(port, own())
    assert figures["listen_queue"] == 2
    assert figures["in_flight"] == 0  # they are this process's own
    assert figures["process_state"] == "R"
    assert figures["memory_bytes"] > 1 << 20
    assert figures["threads"] >= 1
    assert figures["open_files"] >= 3
    assert figures["cpu_seconds"] > 0


@pytest.mark.parametrize("change", ["another start", "no such pid"])
def test_a_process_that_is_gone_is_said_to_be(change):
    """A pid that belongs to somebody else, or to nobody, gives no figures of the gateway."""
    known = own()
    pid = known.pid if change == "another start" else 2**22 + 1
    gone = GatewayProcess(known.boot_id, pid, known.start_ticks + 1, known.started)
    figures = read_figures(1, gone)
    assert figures["process"] == f"cannot be read: process {pid} is gone"
    assert "memory_bytes" not in figures


def test_without_a_process_there_are_figures_of_the_port_alone():
    """Nobody is proven: nobody is measured."""
    assert read_figures(1, None).keys() == {"listen_queue", "in_flight"}
