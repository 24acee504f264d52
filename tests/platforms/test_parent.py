"""The sidecar itself as the platform: it replaces the command, and looks what runs."""

from collections.abc import Sequence

import pytest

from sidecar.core.errors import SidecarError
from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import Restorable
from sidecar.platforms.contract import PlatformError, Restoration
from sidecar.platforms.parent import ParentPlatform

pytestmark = pytest.mark.anyio

TARGET = KnownGood(release="1", at=0.0, command=("/srv/1/gateway", "--fast"))
FOUND = Restorable("the command '/srv/1/gateway'")


class Parent:
    """A parent whose commands are names only."""

    def __init__(self) -> None:
        self.running: Sequence[str] = ["/srv/2/gateway"]
        self.is_ready = False
        self.missing = False
        self.refuses = False
        self.platform = ParentPlatform(
            require=self._require, replace=self._replace, running=lambda: self.running, is_ready=lambda: self.is_ready
        )

    def _require(self, arguments: Sequence[str]) -> None:
        if self.missing:
            raise SidecarError(f"cannot find {arguments[0]}")

    def _replace(self, arguments: Sequence[str]) -> None:
        if self.refuses:
            raise SidecarError("cannot end the gateway: maintenance is on")
        self.replaced_with = arguments


async def test_a_release_whose_command_is_known_and_there_can_be_restored() -> None:
    """Nobody has to be asked for it."""
    parent = Parent()
    assert await parent.platform.accepted() == "the sidecar starts the earlier release itself"
    assert await parent.platform.find(TARGET) == FOUND


async def test_a_release_that_no_sidecar_has_started_cannot_be_restored() -> None:
    """Its command is nowhere written down."""
    with pytest.raises(PlatformError, match="cannot restore 1: no sidecar has started it, so its command is not known"):
        await Parent().platform.find(KnownGood(release="1", at=0.0))


async def test_a_release_whose_program_is_gone_cannot_be_restored() -> None:
    """That is found before anything is drained."""
    parent = Parent()
    parent.missing = True
    with pytest.raises(PlatformError, match="cannot restore 1: cannot find /srv/1/gateway"):
        await parent.platform.find(TARGET)


async def test_a_release_whose_command_runs_already_cannot_be_restored() -> None:
    """It would be started again, and nothing would be another."""
    parent = Parent()
    parent.running = list(TARGET.command)
    with pytest.raises(PlatformError, match="cannot restore 1: its command is the one that runs"):
        await parent.platform.find(TARGET)


async def test_a_gateway_that_must_not_be_ended_stays() -> None:
    """The rollback is held for that reason."""
    parent = Parent()
    parent.refuses = True
    with pytest.raises(PlatformError, match="cannot end the gateway: maintenance is on"):
        await parent.platform.roll_back(TARGET, FOUND, "2")


async def test_the_progress_is_what_runs_and_whether_it_takes_traffic() -> None:
    """Until the earlier command runs, nothing was heard: it is safe to ask again."""
    parent = Parent()
    await parent.platform.roll_back(TARGET, FOUND, "2")
    assert parent.replaced_with == TARGET.command
    assert (await parent.platform.progress(TARGET, FOUND)).restoration is Restoration.UNHEARD
    parent.running = list(TARGET.command)
    pending = await parent.platform.progress(TARGET, FOUND)
    assert (pending.restoration, pending.words) == (Restoration.PENDING, "1 is started, and not ready yet")
    parent.is_ready = True
    healthy = await parent.platform.progress(TARGET, FOUND)
    assert (healthy.restoration, healthy.words) == (Restoration.HEALTHY, "1 runs, and is ready")
    await parent.platform.aclose()
