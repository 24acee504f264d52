"""A deployment under test: gateways, sidecars and process managers as real processes, and what they say."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil
import pytest
from servers.ports import take_port

WITHIN = 30.0
"""Seconds for anything that is waited for; only so that what hangs becomes a failing test."""

BIN = Path(sys.executable).parent
"""Where the console scripts are."""

PROCFILE = Path(__file__).parents[2] / "Procfile"
SHAM_GATEWAY = Path(__file__).with_name("sham_gateway.py")

_MARK = "DEPLOYMENT_UNDER_TEST"
_SILENCE = 0.3
_HONCHO = re.compile(r"\d\d:\d\d:\d\d (?P<name>\S+) +\| (?P<text>.*)")

Event = dict[str, Any]
"""A line of JSON that a program said, such as the sidecar's log; ``heard`` is when it was read here."""


class Program:
    """A running program and what it says. Waiting for a line begins where the last wait has ended."""

    def __init__(self, command: Sequence[object], **options: Any) -> None:
        self._process = subprocess.Popen(
            [str(part) for part in command],
            **{
                "stdin": subprocess.DEVNULL,
                "stdout": subprocess.PIPE,
                "stderr": subprocess.STDOUT,
                "encoding": "utf-8",
                "errors": "replace",
                "start_new_session": True,
            }
            | options,
        )
        self.pid = self._process.pid
        self._lines: list[tuple[float, str]] = []
        self._ended = self._process.stdout is None
        self._heard_up_to = 0
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    @property
    def lines(self) -> list[str]:
        """Everything that it has said."""
        with self._news:
            return [text for _, text in self._lines]

    @property
    def events(self) -> list[Event]:
        """Every line of JSON that it has said."""
        with self._news:
            return [event for line in self._lines if (event := _as_event(line)) is not None]

    def line(self, pattern: str) -> re.Match[str]:
        """Wait for the next line in which this pattern is found."""
        return self._wait(lambda line: re.search(pattern, line[1]), f"a line with {pattern!r}")

    def event(self, name: str, **fields: object) -> Event:
        """Wait for the next event of this name with these fields. A field may be a tuple of alternatives."""

        def fitting(line: tuple[float, str]) -> Event | None:
            event = _as_event(line)
            return event if event is not None and is_event(event, name, **fields) else None

        return self._wait(fitting, f"the event {name} {fields or ''}")

    def named(self, name: str, **fields: object) -> list[Event]:
        """Every event of this name with these fields so far."""
        return [event for event in self.events if is_event(event, name, **fields)]

    def signal(self, number: signal.Signals) -> None:
        """Signal it."""
        self._process.send_signal(number)

    def fall_silent(self) -> None:
        """Wait until it has said nothing for a moment: honcho 2.0 breaks down when a signal meets its printing."""
        with self._news:
            while self._news.wait(_SILENCE):
                pass

    def exit_status(self) -> int:
        """Wait for the exit; also until everything that it said is heard."""
        status = self._process.wait(WITHIN)
        self._reader.join(WITHIN)
        return status

    def strays(self) -> list[str]:
        """Find what a sidecar has said since it started that is no event, such as a traceback."""
        own = [line for line in self.lines if "health." in line.partition("|")[0] or not _HONCHO.fullmatch(line)]
        start = next((place for place, line in enumerate(own) if '"event":"started"' in line), len(own))
        return [line for line in own[start:] if _as_event((0.0, line)) is None]

    def close(self) -> None:
        """Kill it with its whole session's group, and let go of it."""
        with suppress(ProcessLookupError):
            if self._process.poll() is None:
                os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(WITHIN)

    def finish(self) -> None:
        """Hear the last of it, once nobody is left who could speak."""
        self._reader.join(WITHIN)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _wait(self, find: Callable[[tuple[float, str]], Any], what: str) -> Any:
        deadline = time.monotonic() + WITHIN
        with self._news:
            while True:
                while self._heard_up_to < len(self._lines):
                    self._heard_up_to += 1
                    if found := find(self._lines[self._heard_up_to - 1]):
                        return found
                if self._ended or not self._news.wait(deadline - time.monotonic()):
                    said = "\n".join(text for _, text in self._lines)
                    raise AssertionError(f"{'it ended' if self._ended else 'time is up'} without {what}:\n{said}")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            with self._news:
                self._lines.append((time.monotonic(), line.rstrip("\n")))
                self._news.notify_all()
        with self._news:
            self._ended = True
            self._news.notify_all()


class Deployment:
    """Starts programs in a directory and an environment of their own. None of them, nor a child, outlives the test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.gateway_port = take_port()
        self.port = take_port()
        """The health port."""
        self._mark = uuid4().hex
        self._started: list[Program] = []

    def start(self, command: Sequence[object], *, env: Mapping[str, str] = {}, **options: Any) -> Program:
        """Start a program. Of the environment it gets the search path and what is given."""
        program = Program(command, cwd=self.directory, env=self._environment(env), **options)
        self._started.append(program)
        return program

    def gateway(self, *options: str) -> Program:
        """Start the sham gateway, and wait until it listens."""
        program = self.start(self.gateway_command(*options))
        program.event("listening")
        return program

    def gateway_command(self, *options: str) -> list[str]:
        """Give the command that starts the sham gateway."""
        return [sys.executable, "-S", str(SHAM_GATEWAY), "--port", str(self.gateway_port), *options]

    def sidecar(self, text: str | None = None, *, env: Mapping[str, str] = {}, **options: Any) -> Program:
        """Start a sidecar with this configuration; without one, with the embedded default."""
        return self.start(self._sidecar_command(text), env=self.ports | env, **options)

    def parent(
        self, text: str, command: Sequence[object], *, within: Sequence[object] = (), env: Mapping[str, str] = {}
    ) -> Program:
        """Start a sidecar that starts this command as its gateway; ``within`` is a command around it all."""
        return self.start([*within, *self._sidecar_command(text), "--", *command], env=self.ports | env)

    def configure(self, text: str, name: str = "sidecar.toml") -> Path:
        """Write a configuration file."""
        path = self.directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def honcho(self, procfile: str, *, env: Mapping[str, str] = {}) -> Program:
        """Start what this Procfile says under honcho."""
        path = self.directory / "Procfile"
        path.write_text(procfile)
        return self.start([BIN / "honcho", "-f", path, "start"], env=self.ports | self._json | env)

    def _sidecar_command(self, text: str | None) -> list[object]:
        config = [] if text is None else ["--config", self.configure(text)]
        return [BIN / "sidecar", "run", *config]

    @property
    def ports(self) -> dict[str, str]:
        """The variables that move the ports."""
        return {"GATEWAY_PORT": str(self.gateway_port), "SIDECAR_PORT": str(self.port)}

    @property
    def _json(self) -> dict[str, str]:
        """Events are read here by a program, whoever else a Procfile has in mind."""
        return {"SIDECAR_LOG_FORMAT": "json"}

    def processes(self) -> list[psutil.Process]:
        """Every process that was started here or by one of those, and has not ended."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def until_nobody_is_left(self) -> None:
        """Wait until everything that was started has ended: a server may outlive its killed parent for a moment."""
        deadline = time.monotonic() + WITHIN
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.01)  # the end of somebody else's child is told to nobody here

    def _is_ours(self, process: psutil.Process) -> bool:
        """Tell by the mark; or by the directory, because mcp-proxy keeps the environment from its servers."""
        return _variable(process, _MARK) == self._mark or _names(process, str(self.directory))

    def close(self) -> None:
        """Kill everything that is left, and hear what it said to the last."""
        for program in self._started:
            program.close()
        while left := self.processes():
            for process in left:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
            time.sleep(0.01)  # the end of somebody else's child is told to nobody here
        for program in self._started:
            program.finish()

    def strays(self) -> list[str]:
        """Find what sidecars have said that is no event."""
        return [line for program in self._started for line in program.strays()]

    def _environment(self, given: Mapping[str, str]) -> dict[str, str]:
        path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
        own = {"HOME": str(self.directory), "XDG_RUNTIME_DIR": str(self.directory)}
        return {"PATH": path, **own, "LANG": "C.UTF-8", _MARK: self._mark, **given}


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Hold the programs of one test. Whatever the test is about, a sidecar that has started says events only."""
    deployed = Deployment(tmp_path)
    try:
        yield deployed
    finally:
        deployed.close()
    assert deployed.strays() == []


def is_event(event: Event, name: str, **fields: object) -> bool:
    """Tell whether an event has this name and these fields. A field may be a tuple of alternatives."""
    return event.get("event") == name and all(
        event.get(key) in (wanted if isinstance(wanted, tuple) else (wanted,)) for key, wanted in fields.items()
    )


def shell(command: Sequence[str]) -> str:
    """Write a command for a Procfile."""
    return shlex.join(command)


def _as_event(line: tuple[float, str]) -> Event | None:
    heard, text = line
    under_honcho = _HONCHO.fullmatch(text)
    try:
        event = json.loads(under_honcho["text"] if under_honcho else text)
    except ValueError:
        return None
    return event | {"heard": heard} if isinstance(event, dict) else None


def _variable(process: psutil.Process, name: str) -> str | None:
    try:
        return process.environ().get(name)
    except psutil.Error:
        return None


def _names(process: psutil.Process, directory: str) -> bool:
    try:
        return any(directory in argument for argument in process.cmdline())
    except psutil.Error:
        return False
