"""Watch the gateway: who it is, when it goes, who comes after it."""

import signal
import time
from collections.abc import Callable
from typing import NoReturn

import anyio
import anyio.to_thread

from sidecar.contract import GatewayPlan, GatewayProcess
from sidecar.core.errors import SidecarError
from sidecar.gateway.discovery import discover, listening
from sidecar.gateway.process import GoneError, NotProvenError, WatchedProcess
from sidecar.gateway.search import Pace, Search
from sidecar.gateway.topmost import Unproven
from sidecar.linux import sockdiag

NOBODY = 0
"""A pid that no process has."""

OnAppeared = Callable[[GatewayProcess | None, str | None], None]
"""Called with the process, or with None and the reason why the one that listens is not proven."""

OnGone = Callable[[GatewayProcess], None]
"""Called with the process that has exited."""


class Gateway:
    """The gateway's process, as known now. It alone holds the descriptor by which the process is signalled."""

    def __init__(self, plan: GatewayPlan, pace: Pace = Pace()) -> None:  # noqa: B008 - immutable
        self.child: int | None = None
        """The pid of the command that the sidecar has started as the gateway; ``NOBODY`` while it does not run."""
        self._plan = plan
        self._pace = pace
        self._watched: WatchedProcess | None = None
        self._released = anyio.Event()
        """Set when the process that is known now is the gateway no longer."""
        self._search = Search(pace, time.monotonic())

    @property
    def process(self) -> GatewayProcess | None:
        """The process; None while there is none, or none that is proven."""
        return self._watched.identity if self._watched else None

    def send(self, process: GatewayProcess, number: signal.Signals) -> None:
        """Signal this process if it is the gateway still, proven once more and through its pidfd.

        Otherwise nothing is sent, and ``NotProvenError`` says why.
        """
        if self._watched is None or self._watched.identity != process:
            raise NotProvenError(f"cannot signal process {process.pid}: it is not known as the gateway any more")
        self._watched.send(number)

    def in_flight(self) -> int:
        """Count the open connections to the gateway's port, without the sidecar's own.

        One that is kept alive counts even while it is idle: only the gateway could tell the difference.
        """
        try:
            return len(sockdiag.in_flight(self._plan.port))
        except OSError as error:
            raise SidecarError(f"cannot count the connections in flight: {error.strerror}") from None

    async def wait_gone(self) -> None:
        """Return when the gateway that is known at the call is gone: exited, or replaced by another.

        Where no process is proven, it is gone when nobody listens at its address and no connection is left.
        """
        if self._watched is not None:
            await self._released.wait()
            return
        while self._is_served():  # noqa: ASYNC110 - no event tells of sockets that are not ours
            await anyio.sleep(self._pace.eager)

    async def watch(self, on_appeared: OnAppeared, on_gone: OnGone) -> NoReturn:
        """Find the gateway, tell its exit, find the next one, until cancelled. Both functions are called in the loop.

        ``on_gone`` is called the moment the process exits. A process that has lost its port to another is not gone,
        but the other one appears in its place. ``on_appeared`` with a reason is called once for each doubt.
        """
        try:
            while True:
                asked = time.thread_time()
                inodes = self._ask(on_appeared)
                took = time.thread_time() - asked
                if self._search.is_due(inodes, time.monotonic()):
                    await self._look(inodes, on_appeared, on_gone)
                await self._pause(took)
        finally:
            self._release()

    def _is_served(self) -> bool:
        """Tell whether anybody listens or works at the gateway's address; assume so if the kernel will not tell."""
        try:
            return bool(listening(self._plan) or sockdiag.in_flight(self._plan.port))
        except OSError:
            return True

    def _ask(self, on_appeared: OnAppeared) -> frozenset[int]:
        """Ask the kernel who listens. While it will not tell, a process that is known stays known."""
        try:
            inodes = listening(self._plan)
        except OSError as error:
            if self._watched is None:
                self._doubt(frozenset(), Unproven(f"cannot ask who listens: {error.strerror}"), on_appeared)
            return frozenset()
        if not inodes and self._watched is None:
            self._search.nothing()
        return inodes

    async def _look(self, inodes: frozenset[int], on_appeared: OnAppeared, on_gone: OnGone) -> None:
        """Look at every process, and take what is found for the gateway."""
        search = self._search
        try:
            found = await anyio.to_thread.run_sync(discover, self._plan, self.child, abandon_on_cancel=True)
        except OSError as error:
            found = Unproven(f"cannot look at the processes: {error.strerror}") if self._watched is None else None
        if search is not self._search:
            return  # the process exited meanwhile: what was found belongs to the time before
        match found:
            case GatewayProcess():
                self._take(found, inodes, on_appeared, on_gone)
            case Unproven():
                self._doubt(inodes, found, on_appeared)
            case None if self._watched is None:
                search.nothing()

    def _take(self, process: GatewayProcess, inodes: frozenset[int], on_appeared: OnAppeared, on_gone: OnGone) -> None:
        if process != self.process:

            def exited() -> None:
                self._release()
                on_gone(process)

            try:
                watched = WatchedProcess.open(process, exited)
            except GoneError:
                self._search.nothing()
                return
            except NotProvenError as error:
                self._doubt(inodes, Unproven(str(error)), on_appeared)
                return
            self._release()
            self._watched, self._released = watched, anyio.Event()
            on_appeared(process, None)
        self._search.proven(inodes)

    def _doubt(self, inodes: frozenset[int], unproven: Unproven, on_appeared: OnAppeared) -> None:
        """Let go of the process that was known: it is not certain to be the gateway any more."""
        self._release()
        if self._search.unproven(inodes, unproven.doubt, time.monotonic()):
            on_appeared(None, unproven.reason)

    def _release(self) -> None:
        """Forget the process, and begin the search anew."""
        if self._watched is None:
            return
        self._watched.close()
        self._watched = None
        self._released.set()
        self._search = Search(self._pace, time.monotonic())

    async def _pause(self, asking_took: float) -> None:
        """Wait until it is time to ask again, or until the process exits."""
        if self._watched is None:
            await anyio.sleep(self._search.pause(time.monotonic(), asking_took))
            return
        with anyio.move_on_after(self._pace.settled):
            await self._released.wait()
