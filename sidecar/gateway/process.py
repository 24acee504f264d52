"""One process, held by its pidfd: it cannot be mistaken for a later one with the same pid (pidfd_open(2))."""

import asyncio
import os
import select
import signal
from collections.abc import Callable
from typing import Self

from sidecar.contract import GatewayProcess
from sidecar.core.errors import SidecarError
from sidecar.linux import procfs


class NotProvenError(SidecarError):
    """A signal or a watch is withheld: it is not certain to reach the process that was meant."""


class GoneError(NotProvenError):
    """The process that was meant has exited; its pid may be another's by now."""


class WatchedProcess:
    """A process whose exit is told at once, and which can be signalled safely. To be closed after use.

    It lives in the event loop. The exit status stays unknown: only a parent learns it.
    """

    def __init__(self, identity: GatewayProcess, pidfd: int) -> None:
        self.identity = identity
        self._pidfd = pidfd

    @classmethod
    def open(cls, identity: GatewayProcess, on_exit: Callable[[], None]) -> Self:
        """Begin to watch; ``on_exit`` is called once, in the loop, when the process has exited.

        Raises ``GoneError`` when the process is not there any more, ``NotProvenError`` when it cannot be watched.
        """
        try:
            watched = cls(identity, os.pidfd_open(identity.pid))
        except ProcessLookupError:
            raise GoneError(f"cannot watch process {identity.pid}: it has exited") from None
        except OSError as error:
            raise NotProvenError(f"cannot watch process {identity.pid}: pidfd_open: {error.strerror}") from None
        try:
            # Only while the descriptor holds it is a process safe from losing its pid to another: prove it now.
            watched._prove("watch")
            # The loop's own watch of the descriptor, rather than a task that waits for it: the exit is told in the
            # very round of the loop that sees it, and closing has no waiter to wake.
            asyncio.get_running_loop().add_reader(watched._pidfd, watched._tell, on_exit)
        except BaseException:
            os.close(watched._pidfd)
            raise
        return watched

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._pidfd)
        os.close(self._pidfd)

    @property
    def exited(self) -> bool:
        """Whether the process has ended, as the kernel says at this moment. A zombie has."""
        poll = select.poll()
        poll.register(self._pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def send(self, number: signal.Signals) -> None:
        """Signal the process. When that is not surely right, nothing is sent, and ``NotProvenError`` says why."""
        self._prove("signal")
        try:
            signal.pidfd_send_signal(self._pidfd, number)
        except PermissionError:
            advice = "it belongs to another user; run the sidecar as the gateway's user"
            raise NotProvenError(f"cannot signal process {self.identity.pid}: {advice}") from None
        except OSError as error:
            raise NotProvenError(f"cannot signal process {self.identity.pid}: {error.strerror}") from None

    def _prove(self, purpose: str) -> None:
        """Prove that the descriptor leads to the process that is meant, and that it still runs.

        A reused pid shows in the start time. An exit shows in the descriptor alone: a zombie takes signals in silence.
        """
        pid = self.identity.pid
        try:
            start_ticks = procfs.stat(pid).start_ticks
        except ProcessLookupError:
            raise GoneError(f"cannot {purpose} process {pid}: it has exited") from None
        except OSError as error:
            raise NotProvenError(f"cannot {purpose} process {pid}: {error.strerror}") from None
        if start_ticks != self.identity.start_ticks:
            raise GoneError(
                f"cannot {purpose} process {pid}: its pid was reused: "
                f"started at tick {start_ticks}, expected {self.identity.start_ticks}"
            )
        if self.exited:
            raise GoneError(f"cannot {purpose} process {pid}: it has exited")

    def _tell(self, on_exit: Callable[[], None]) -> None:
        asyncio.get_running_loop().remove_reader(self._pidfd)  # an exit stays readable, and would be told again
        on_exit()
