"""The processes that take part: the sidecar as its users start it, the gateway, the load."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.client import ask

_SIDECAR = Path(sys.executable).with_name("sidecar")
_GATEWAY = Path(__file__).with_name("gateway.py")
_TARGET = Path(__file__).with_name("target.py")
_WITHIN = 30.0
"""Seconds for anything that is waited for."""

Process = subprocess.Popen[bytes]


class CannotMeasureError(Exception):
    """What was to be measured did not come about."""


class Sidecar:
    """A sidecar that runs, and the port on which it answers."""

    def __init__(self, process: Process, port: int, log: Path) -> None:
        self.pid = process.pid
        self.port = port
        self._process = process
        self._log = log

    def wait(self, condition: Callable[[], bool], what: str, pause: float = 0.01) -> None:
        """Ask for a condition again and again until it holds; a port that does not answer yet does not meet it."""
        deadline = time.monotonic() + _WITHIN
        while not self._holds(condition):
            if time.monotonic() > deadline or self._process.poll() is not None:
                said = self._log.read_text(errors="replace")[-2000:]
                raise CannotMeasureError(f"the sidecar was never {what}; it said:\n{said}")
            time.sleep(pause)

    def wait_ready(self) -> None:
        """Wait until readiness is 200."""
        self.wait(lambda: ask(self.port, "/health/ready").status == 200, "ready")

    def _holds(self, condition: Callable[[], bool]) -> bool:
        try:
            return condition()
        except OSError:
            return False


@contextmanager
def running_sidecar(
    directory: Path, gateway_port: int, config: str = "", further: Mapping[str, str] = {}
) -> Iterator[Sidecar]:
    """Start a sidecar, and kill it in the end. Without a configuration it has its embedded default.

    ``further`` are variables of its environment.
    """
    if not _SIDECAR.exists():
        raise CannotMeasureError(f"there is no {_SIDECAR}: install the project into this Python")
    port = free_port()
    log = directory / f"sidecar-{port}.log"
    command = [str(_SIDECAR), "run"]
    if config:
        path = directory / f"sidecar-{port}.toml"
        path.write_text(config)
        command += ["--config", str(path)]
    environment = {
        "GATEWAY_PORT": str(gateway_port),
        "SIDECAR_PORT": str(port),
        "XDG_RUNTIME_DIR": str(directory),
        **further,
    }
    with log.open("wb") as output, running(command, directory, environment, stdout=output, stderr=output) as process:
        yield Sidecar(process, port, log)


@contextmanager
def running_gateway(directory: Path, port: int) -> Iterator[Process]:
    """Start a gateway that listens, and kill it in the end."""
    with _listening(directory, _GATEWAY, port) as process:
        yield process


@contextmanager
def running_target(directory: Path, port: int) -> Iterator[Process]:
    """Start the light server that probes are pointed at, and kill it in the end."""
    with _listening(directory, _TARGET, port) as process:
        yield process


@contextmanager
def _listening(directory: Path, script: Path, port: int) -> Iterator[Process]:
    with running([sys.executable, "-S", str(script), str(port)], directory, stdout=subprocess.PIPE) as process:
        if process.stdout is None or process.stdout.readline() != b"listening\n":
            raise CannotMeasureError(f"{script.name} did not start; what it said stands above")
        yield process


@contextmanager
def running(
    command: Sequence[str],
    directory: Path,
    environment: dict[str, str] | None = None,
    **streams: Any,
) -> Iterator[Process]:
    """Start a process with nothing of this environment but the search path, and kill it in the end."""
    process = subprocess.Popen(
        command,
        cwd=directory,  # no configuration lies there
        env={"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", **(environment or {})},
        **{"stdin": subprocess.DEVNULL, **streams},
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def pin(pid: int, core: int) -> None:
    """Keep a process with all its threads on one of the cores that are allowed here; there may be but one."""
    allowed = sorted(os.sched_getaffinity(0))
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {allowed[core % len(allowed)]})


def unpin(pid: int) -> None:
    """Let it run on all of them again."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), os.sched_getaffinity(0))


def free_port() -> int:
    """Find a port that nobody has. For the next minute the kernel gives it only to whoever asks for this very port.

    A connection whose first end to be closed was the server's keeps the port in TIME_WAIT, where SO_REUSEADDR, which
    every server sets, can take it, and nobody gets it by chance.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        with socket.create_connection(address) as client:
            listener.accept()[0].close()
            client.recv(1)
        port: int = address[1]
        return port
