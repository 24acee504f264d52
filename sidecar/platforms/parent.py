"""The sidecar itself as a platform: in parent mode it starts the command of an earlier release."""

from collections.abc import Callable, Sequence

from sidecar.core.errors import SidecarError
from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import Restorable
from sidecar.platforms.contract import Platform, PlatformError, Progress, Restoration


class ParentPlatform(Platform):
    """Has the gateway's command replaced: the one that runs is drained, and the earlier one started in its place."""

    name = "the sidecar"

    def __init__(
        self,
        *,
        require: Callable[[Sequence[str]], None],
        replace: Callable[[Sequence[str]], None],
        running: Callable[[], Sequence[str]],
        is_ready: Callable[[], bool],
    ) -> None:
        """Take what the parent can do.

        ``require`` raises ``SidecarError`` when there is no such program, or when what runs must not be ended;
        ``replace`` drains that and starts this instead, and raises it likewise; ``running`` tells what was started
        last; ``is_ready`` whether it takes traffic.
        """
        self._require = require
        self._replace = replace
        self._running = running
        self._is_ready = is_ready

    async def accepted(self) -> str:
        """Nobody has to be asked."""
        return "the sidecar starts the earlier release itself"

    async def find(self, target: KnownGood) -> Restorable:
        """Find out whether the program is still there."""
        if not target.command:
            raise PlatformError(
                f"cannot restore {target.release}: no sidecar has started it, so its command is not known"
            )
        if tuple(self._running()) == target.command:
            raise PlatformError(f"cannot restore {target.release}: its command is the one that runs")
        try:
            self._require(target.command)
        except SidecarError as error:
            raise PlatformError(f"cannot restore {target.release}: {error}") from None
        return Restorable(f"the command {target.command[0]!r}")

    async def roll_back(self, target: KnownGood, found: Restorable, bad: str) -> None:  # noqa: ARG002 - as every platform
        """Drain what runs, and have the earlier command started."""
        try:
            self._replace(target.command)
        except SidecarError as error:
            raise PlatformError(str(error)) from None

    async def progress(self, target: KnownGood, found: Restorable) -> Progress:  # noqa: ARG002 - as every platform
        """Look what runs, and whether it takes traffic."""
        if tuple(self._running()) != target.command:
            return Progress(Restoration.UNHEARD, "another command runs")
        if self._is_ready():
            return Progress(Restoration.HEALTHY, f"{target.release} runs, and is ready")
        return Progress(Restoration.PENDING, f"{target.release} is started, and not ready yet")

    async def aclose(self) -> None:
        """Nothing is held."""
