"""``command``: a program of one's own looks, and tells by its exit status what it saw, as monitoring plugins do.

0 is pass, 1 warn, 2 fail, 3 unknown (Monitoring Plugins Development Guidelines, "Plugin Return Codes"). Anything else,
a signal included, says nothing about the target: unknown. No shell is involved.
"""

import asyncio
import os
import signal
import subprocess
from contextlib import suppress
from typing import IO, Annotated

from msgspec import Meta, Struct, field

from sidecar.contract import Evidence, Kind, Outcome, Probe, ProbeFailure, Run, Secret, Setting

_KEPT = 64 * 1024
"""Bytes of output that are kept; what follows is read and dropped, so that a talkative program does not block."""

_FLOOD = 16 * 1024 * 1024
"""Bytes of output after which a program is killed: to read on would cost more processor time than a look is worth."""

_MEANINGS = {
    1: (Outcome.WARN, Evidence.WRONG),
    2: (Outcome.FAIL, Evidence.WRONG),
}
_NO_MEANING = (Outcome.UNKNOWN, Evidence.OBSERVER)


class Spec(Struct, frozen=True, kw_only=True):
    """The keys of ``kind = "command"``. The program runs as the sidecar's user, with its environment."""

    argv: Annotated[tuple[str, ...], Meta(min_length=1)]
    """The program and its arguments. A program without a slash is sought on the ``PATH``. Everybody on the machine can
    see arguments: hand a credential over in ``env``."""
    cwd: Annotated[str, Meta(min_length=1)] | None = None
    """The directory to run it in; the sidecar's own if not given."""
    env: dict[str, Secret] = field(default_factory=dict)
    """Variables to add to the environment."""

    def __post_init__(self) -> None:
        if not self.argv[0]:
            raise ValueError("argv begins with an empty string: expected the program to run")
        if any("\0" in text for text in (*self.argv, self.cwd or "", *self.env.values())):
            raise ValueError("argv, cwd or env has a NUL character in it, which no program can be given")
        for name in self.env:
            if not name or "=" in name or "\0" in name:
                raise ValueError(f"env has the name {name!r}: expected a name, without = in it")


class CommandProbe(Probe[Spec]):
    """Runs the program once a look. However that ends, the whole process group is killed afterwards, and collected."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        self._last: _Execution | None = None

    async def observe(self, run: Run) -> None:
        """Run the program, and judge how it ends. Cancellation kills it."""
        await self.aclose()
        self._last = execution = self._start()
        try:
            status = await execution.ended()
        finally:
            execution.kill()
        run.phase("run")
        if execution.flooding:
            raise _unknown("the output ends", f"more than {_FLOOD >> 20} MiB: send it to /dev/null")
        if status is None:
            raise _unknown("the exit status is told", "nothing, for somebody else has collected the process")
        _judge(run, status, execution.stdout(), execution.stderr())

    async def aclose(self) -> None:
        """Wait for the end of a program that was killed: it comes at once, unless it is waiting for a disk."""
        if self._last is not None:
            await self._last.ended()

    def _start(self) -> "_Execution":
        try:
            return _Execution(self.spec)
        except OSError as error:
            path = os.fsdecode(error.filename or self.spec.argv[0])
            raise _unknown("the program can be started", f"{(error.strerror or str(error)).lower()} ({path})") from None


class _Execution:
    """One process group, from start to collection.

    The exit is known from a pidfd: asyncio's own subprocesses take twice the processor time, and on Python 3.11 a
    thread each. The end of the output tells nothing, for somebody left behind may hold the pipe open for ever.
    """

    def __init__(self, spec: Spec) -> None:
        self.flooding = False
        """It was killed because it does not stop talking."""
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int | None] = self._loop.create_future()
        self._process = subprocess.Popen(  # noqa: S603 - the operator's own program, without a shell
            spec.argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd=spec.cwd,
            env={**os.environ, **spec.env},
            start_new_session=True,
        )
        try:
            self._pidfd = os.pidfd_open(self._process.pid)
        except OSError:
            with self._process:
                self._process.kill()
            raise
        self._loop.add_reader(self._pidfd, self._on_exit)
        self._read = 0
        self._stdout, self._stderr = self._follow(self._process.stdout), self._follow(self._process.stderr)

    async def ended(self) -> int | None:
        """Wait for the end; returns the exit status, negative for a signal, None if somebody else has collected it."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """Kill the group, unless the execution has ended. Its number is nobody else's until the leader is collected."""
        if not self._ended.done():
            with suppress(ProcessLookupError, PermissionError):  # who has become another user cannot be killed
                os.killpg(self._process.pid, signal.SIGKILL)

    def stdout(self) -> str:
        """Give what it said."""
        return self._stdout.decode(errors="replace")

    def stderr(self) -> str:
        """Give what it complained of."""
        return self._stderr.decode(errors="replace")

    def _follow(self, pipe: IO[bytes] | None) -> bytearray:
        assert pipe is not None  # noqa: S101 - for the type checker
        kept = bytearray()
        os.set_blocking(pipe.fileno(), False)
        self._loop.add_reader(pipe.fileno(), self._on_output, pipe.fileno(), kept)
        return kept

    def _on_output(self, descriptor: int, kept: bytearray) -> bool:
        """Take what has arrived; returns whether there may be more now."""
        try:
            piece = os.read(descriptor, _KEPT)
        except BlockingIOError:
            return False
        self._read += len(piece)
        kept += piece[: _KEPT - len(kept)]
        if self._read > _FLOOD:
            self.flooding = True
            self.kill()
        if not piece or self.flooding:
            self._loop.remove_reader(descriptor)
        return bool(piece) and not self.flooding

    def _on_exit(self) -> None:
        """Kill whom it has left behind, read what it has said, and collect it."""
        self.kill()
        for pipe, kept in ((self._process.stdout, self._stdout), (self._process.stderr, self._stderr)):
            assert pipe is not None  # noqa: S101 - for the type checker
            while len(kept) < _KEPT and self._on_output(pipe.fileno(), kept):
                pass
            self._loop.remove_reader(pipe.fileno())
            pipe.close()
        self._loop.remove_reader(self._pidfd)
        status = self._collect()
        os.close(self._pidfd)
        self._ended.set_result(status)

    def _collect(self) -> int | None:
        try:
            info = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except ChildProcessError:
            info = None
        status = None if info is None else info.si_status if info.si_code == os.CLD_EXITED else -info.si_status
        self._process.returncode = 0 if status is None else status  # Popen would wait for it otherwise
        return status


def _judge(run: Run, status: int, output: str, complaint: str) -> None:
    """Take the program at its word: the status, and the first line of its output up to the figures after a bar.

    Who says nothing is often in trouble, and its last complaint tells which.
    """
    line, _, figures = next(iter(output.strip().splitlines()), "").partition("|")
    if not line and complaint.strip():
        line = f"no output, but on stderr: {complaint.strip().splitlines()[-1]}"
    if figures:
        run.note("perfdata", figures.strip())
    ending = str(status) if status >= 0 else f"an end by {_signal(-status)}"
    otherwise, evidence = _MEANINGS.get(status, _NO_MEANING)
    observed = f"{ending}, {line.strip() or 'and no output'}"
    run.expect("the exit status is 0", observed, status == 0, otherwise=otherwise, evidence=evidence)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


def _unknown(rule: str, observed: str) -> ProbeFailure:
    return ProbeFailure(rule, observed, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER)


KIND = Kind("command", Spec, CommandProbe, harmless=lambda spec: None)  # noqa: ARG005 - nobody knows what it does
