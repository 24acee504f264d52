"""A program of one's own rolls back, told the target by its environment; its exit status tells whether it has."""

import os
import shutil
from collections.abc import Sequence

import anyio.to_thread

from sidecar.core.errors import SidecarError
from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import Restorable
from sidecar.linux.program import run_program
from sidecar.platforms.contract import Platform, PlatformError, Progress, Restoration, UncertainError


class Command(Platform):
    """Status 0 is done, any other is refused. What becomes of it, only the restored release's own sidecar can tell."""

    name = "the rollback command"

    def __init__(self, argv: Sequence[str], *, timeout: float, secrets: frozenset[str] = frozenset()) -> None:
        """Take the program, its deadline in seconds, and what must not be shown of what it says."""
        self._argv = argv
        self._timeout = timeout
        self._secrets = secrets

    async def accepted(self) -> str:
        """Look for the program. It is not run, for it has no question to answer."""
        return f"the rollback command is {await self._find()}"

    async def find(self, target: KnownGood) -> Restorable:
        """Look for the program; whether it can restore this release, only it knows."""
        await self._find()
        return Restorable(next(iter(target.deployments), target.release))

    async def roll_back(self, target: KnownGood, found: Restorable, bad: str) -> None:  # noqa: ARG002 - it is told all
        """Run the program. At the deadline it is killed with all it has started; what it leaves behind else, stays."""
        told = {
            "SIDECAR_TARGET_RELEASE": target.release,
            "SIDECAR_TARGET_DEPLOYMENTS": " ".join(target.deployments),
            "SIDECAR_BAD_RELEASE": bad,
        }
        who = f"the rollback command {self._argv[0]!r}"
        try:
            ended = await run_program(self._argv, {**os.environ, **told}, self._timeout)
        except SidecarError as error:
            raise PlatformError(f"cannot start {who}: {error}") from None
        last = ended.last_line(self._secrets)
        said = f": {last}" if last else ", and said nothing"
        if ended.status is None:
            raise UncertainError(f"{who} was killed after {self._timeout:g} s{said}")
        if ended.status < 0:
            raise UncertainError(f"{who} was ended by signal {-ended.status}{said}")
        if ended.status > 0:
            raise PlatformError(f"{who} has ended with status {ended.status}{said}")

    async def progress(self, target: KnownGood, found: Restorable) -> Progress:  # noqa: ARG002 - it could say nothing
        """Say that nobody here can tell."""
        return Progress(Restoration.UNKNOWN, f"only {target.release} itself can tell, by its own sidecar")

    async def aclose(self) -> None:
        """Do nothing: there is nothing to let go of."""

    async def _find(self) -> str:
        path = await anyio.to_thread.run_sync(shutil.which, self._argv[0])
        if path is None:
            raise PlatformError(f"cannot find the rollback command {self._argv[0]!r}, or it may not be executed")
        return path
