"""The gateway as our own child: start it, hear its end, signal it, collect its exit status."""

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Self

from msgspec import Struct

from sidecar.contract import GatewayProcess
from sidecar.core.errors import SidecarError
from sidecar.core.identity import Ending
from sidecar.linux import procfs

NOT_FOUND = 127
NOT_EXECUTABLE = 126
"""The exit statuses by which a shell tells that a command could not be started."""


class Command(Struct, frozen=True):
    """What to start."""

    arguments: Sequence[str]
    environment: Mapping[str, str]

    @property
    def name(self) -> str:
        """Name the command for people. Its arguments may hold credentials, and are never shown."""
        return os.path.basename(self.arguments[0])  # noqa: PTH119 - it may not be a path


class CommandError(SidecarError):
    """The command cannot be started; ``status`` is what a shell would end with."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def require(command: Command) -> None:
    """Raise ``CommandError`` when there is no such program: to be told before anything else is begun."""
    name = command.arguments[0]
    places = [name] if "/" in name else [f"{directory}/{name}" for directory in os.get_exec_path(command.environment)]
    files = [place for place in places if os.path.isfile(place)]  # noqa: PTH113 - it may be looked for in many places
    if not files:
        raise _refused(command, FileNotFoundError(errno.ENOENT, ""))
    if not any(os.access(file, os.X_OK) for file in files):
        raise _refused(command, PermissionError(errno.EACCES, os.strerror(errno.EACCES)))


class Child:
    """A running command. It leads a session of its own: what is left of it can be told from everything else.

    Ctrl-C on a terminal therefore reaches the sidecar alone, which hands it on once.
    """

    def __init__(self, started: "subprocess.Popen[bytes]") -> None:
        self._started = started
        self._pidfd = os.pidfd_open(started.pid)
        stat = procfs.stat(started.pid)
        self.identity = GatewayProcess(procfs.boot_id(), stat.pid, stat.start_ticks, stat.started)

    @classmethod
    def start(cls, command: Command, on_end: Callable[[], None]) -> Self:
        """Start the command, without a shell; ``on_end`` is called once, in the loop, when it has ended.

        To be called in the main thread: unless the sidecar is the first process of a container, which takes all others
        with it, the kernel kills the child together with the thread that has started it. Raises ``CommandError``.
        """
        try:
            started = subprocess.Popen(  # noqa: S603 - what to start is the operator's choice
                command.arguments,
                env=command.environment,
                start_new_session=True,
                preexec_fn=_before_exec(),  # noqa: PLW1509 - it takes no lock that another thread may hold
            )
        except (OSError, ValueError) as error:
            raise _refused(command, error) from None
        try:
            child = cls(started)
        except OSError as error:
            started.kill()
            started.wait()
            why = f"this kernel does not let it be watched: {error.strerror}"
            raise CommandError(f"cannot start {command.name!r}: {why}", NOT_EXECUTABLE) from None
        asyncio.get_running_loop().add_reader(child._pidfd, child._tell, on_end)
        return child

    def ending(self) -> Ending:
        """Tell how it ended, once it has. It stays a zombie, so that its pid and its session's number stay its own."""
        result = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED | os.WNOWAIT)
        assert result is not None  # noqa: S101 - for the type checker: without WNOHANG there is one
        if result.si_code == os.CLD_EXITED:
            return Ending(result.si_status, f"has ended with status {result.si_status}")
        return Ending(128 + result.si_status, f"was killed by {_name(result.si_status)}")

    def send(self, number: signal.Signals) -> None:
        """Signal it; once it has ended that does nothing."""
        signal.pidfd_send_signal(self._pidfd, number)

    def collect(self) -> None:
        """Let go of it after its end: only now may its pid become another's."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        os.close(self._pidfd)
        self._started.returncode = 0  # so that nobody waits for the pid any more

    def _tell(self, on_end: Callable[[], None]) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)  # an end stays readable, and would be told again
        on_end()


def _before_exec() -> Callable[[], None] | None:
    if os.getpid() == 1:
        return None
    from sidecar.linux.prctl import die_with  # noqa: PLC0415 - see there what it costs

    return partial(die_with, os.getpid())


def _refused(command: Command, error: OSError | ValueError) -> CommandError:
    name = command.arguments[0]
    if not isinstance(error, OSError):
        return CommandError(f"cannot start {name!r}: {error}", NOT_EXECUTABLE)
    if error.errno in (errno.ENOENT, errno.ENOTDIR):
        advice = "there is no such command; after -- comes the program that is the gateway, and no shell reads it"
        return CommandError(f"cannot start {name!r}: {advice}", NOT_FOUND)
    why = (
        "it is no program; a script begins with #!"
        if error.errno == errno.ENOEXEC
        else (error.strerror or str(error)).lower()
    )
    return CommandError(f"cannot start {name!r}: {why}", NOT_EXECUTABLE)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"
