"""Parent mode: keeps a command running as the gateway, and leaves nothing of it behind."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

import anyio
import anyio.to_thread

from sidecar.clock import boottime
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import ChildEnded, ChildStarted, Fact
from sidecar.core.identity import Ending
from sidecar.core.plan import DrainPlan, Plan
from sidecar.core.severity import Severity
from sidecar.gateway import NOBODY, Gateway, NotProvenError
from sidecar.gateway.child import Child, Command, CommandError, require
from sidecar.gateway.leftovers import MARK, sweep
from sidecar.gateway.orphans import reap_orphans


class Parent:
    """The command and its present process. The core decides when it is started again."""

    def __init__(
        self,
        command: Command,
        gateway: Gateway,
        *,
        was_asked: Callable[[], bool],
        record: Callable[[Fact], None],
        tell: Callable[[Event], None],
    ) -> None:
        """Take what the gateway is; ``was_asked`` tells whether the command's end was asked for."""
        self._command = command
        self._gateway = gateway
        self._was_asked = was_asked
        self._record = record
        self._tell = tell
        self._child: Child | None = None
        self._running: Sequence[str] = ()
        self._ending = Ending(0, "was never started")
        self._ended = anyio.Event()

    @property
    def arguments(self) -> Sequence[str]:
        """The command that was started last."""
        return self._running

    def require(self, arguments: Sequence[str]) -> None:
        """Raise ``CommandError`` when there is no such program."""
        require(Command(arguments, self._command.environment))

    def replace(self, arguments: Sequence[str]) -> None:
        """Start another command from the next start on."""
        self._command = Command(arguments, self._command.environment)

    @property
    def ending(self) -> Ending:
        """How the command ended the last time."""
        return self._ending

    def start(self) -> None:
        """Start the command. Raises ``CommandError``."""
        self._child = Child.start(self._command, self._hear_end)
        self._running = self._command.arguments
        self._ended = anyio.Event()
        self._gateway.child = self._child.identity.pid
        self._record(ChildStarted(self._child.identity))

    async def start_again(self, pause: float) -> None:
        """Clear away what is left, and start the command when the pause is over."""
        due = boottime() + pause
        await self._clear()
        await anyio.sleep(max(0.0, due - boottime()))
        try:
            self.start()
        except CommandError as error:
            self._ending = Ending(error.status, f"was not started again: {error}")
            self._record(ChildEnded(self._ending))

    def hand_on(self, number: signal.Signals) -> None:
        """Hand a signal on to whoever listens, else to the command.

        A wrapper such as npm would keep it from the program behind it; and a signal to the whole group would end the
        servers that a gateway has started and still needs for the work in flight.
        """
        process = self._gateway.process
        if process is not None:
            try:
                self._gateway.send(process, number)
            except NotProvenError:
                pass
            else:
                return
        if self._child is not None:
            self._child.send(number)

    async def end(self, rules: DrainPlan) -> None:
        """End the command with SIGTERM, and with SIGKILL where that is allowed and it has not ended in time."""
        if self._child is None:
            return
        child, ended = self._child, self._ended
        with suppress(PermissionError):  # it has become another user: whoever waits for its end learns that it runs on
            child.send(signal.SIGTERM)
            with anyio.move_on_after(rules.grace):
                await ended.wait()
                return
            if rules.escalate:
                child.send(signal.SIGKILL)

    def kill(self) -> None:
        """End the command with SIGKILL; what else is left of it is cleared away with it."""
        if self._child is not None:
            self._child.send(signal.SIGKILL)

    async def wait_ended(self) -> None:
        """Return when the command does not run."""
        if self._child is not None:
            await self._ended.wait()

    async def finish(self) -> None:
        """End what still runs, and clear away what is left."""
        self.kill()
        await self.wait_ended()
        await self._clear()

    async def reap(self) -> None:
        """Collect orphans until cancelled."""
        await reap_orphans(lambda: self._child.identity.pid if self._child else None)

    def _hear_end(self) -> None:
        assert self._child is not None  # noqa: S101 - for the type checker
        self._ending = self._child.ending()
        self._ended.set()
        self._record(ChildEnded(self._ending))

    async def _clear(self) -> None:
        """Kill what the command has left behind, and collect it. Its end must have been heard."""
        child = self._child
        if child is None:
            return
        mark = self._command.environment[MARK]
        left = await anyio.to_thread.run_sync(sweep, child.identity.pid, mark)
        if self._child is not child:
            return
        child.collect()
        self._child, self._gateway.child = None, NOBODY
        if left:
            self._tell_left(left)

    def _tell_left(self, left: Sequence[int]) -> None:
        pids = ", ".join(map(str, left[:5])) + (f" and {len(left) - 5} more" if len(left) > 5 else "")
        message = f"the gateway's command has left processes behind, which are killed: {pids}"
        severity = Severity.WARNING
        if self._ending.status == 0 and not self._was_asked():
            severity = Severity.ERROR
            message += "; if it goes to the background, keep it in the foreground, else it cannot be watched over"
        self._tell(Event(kind=EventKind.LEFT_BEHIND, at=boottime(), severity=severity, message=message))


def gateway_command(arguments: Sequence[str], plan: Plan, environ: Mapping[str, str]) -> Command:
    """Make the command, with the ports in its environment: a gateway takes its own from ``PORT``.

    Raises ``CommandError`` when there is no such program.
    """
    ports = {
        "PORT": str(plan.gateway.port),
        "GATEWAY_PORT": str(plan.gateway.port),
        "SIDECAR_PORT": str(plan.server.port),
    }
    command = Command(arguments, {**environ, **ports, MARK: os.urandom(8).hex()})
    require(command)
    return command


def adopt_orphans() -> str | None:
    """Become the parent of what the command's processes leave behind; returns why that cannot be, if it cannot."""
    if os.getpid() == 1:
        return None
    from sidecar.linux.prctl import become_subreaper  # noqa: PLC0415 - see there what it costs

    try:
        become_subreaper()
    except OSError as error:
        return f"orphans of the gateway go to another process: the kernel refuses: {error.strerror}"
    return None
