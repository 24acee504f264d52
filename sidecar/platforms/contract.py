"""Who can put an earlier release in the place of a bad one: the small interface that every platform has."""

from abc import ABC, abstractmethod
from enum import StrEnum

from msgspec import Struct

from sidecar.core.errors import SidecarError
from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import Restorable


class PlatformError(SidecarError):
    """The platform has refused: nothing has changed there, and asking again would not help."""


class UnavailableError(PlatformError):
    """The platform could not be asked now: nothing has changed there, and asking again later may help."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """For how many seconds the platform wants to be left alone, where it says."""


class UncertainError(SidecarError):
    """The platform was asked, and nobody knows whether it has heard: its answer never came."""


class Restoration(StrEnum):
    """How far a rollback has come, as the platform sees it."""

    UNHEARD = "unheard"
    """The platform surely knows of none."""
    PENDING = "pending"
    HEALTHY = "healthy"
    FAILED = "failed"
    UNKNOWN = "unknown"
    """The platform cannot tell."""


class Progress(Struct, frozen=True):
    """What the platform says about a rollback."""

    restoration: Restoration
    words: str
    """The same for people, with what was seen."""


class Platform(ABC):
    """Puts an earlier release in place. Every call is bounded in time, and tries again by itself where that is safe."""

    name: str

    @abstractmethod
    async def accepted(self) -> str:
        """Find out whether it would let us ask, changing nothing; tells what it said. Raises ``PlatformError``."""

    @abstractmethod
    async def find(self, target: KnownGood) -> Restorable:
        """Find out whether this release can be restored now, changing nothing. Raises ``PlatformError`` if not."""

    @abstractmethod
    async def roll_back(self, target: KnownGood, found: Restorable, bad: str) -> None:
        """Ask for it in the place of the release ``bad``, once.

        Raises ``PlatformError`` when nothing was changed, ``UncertainError`` when that is not known.
        """

    @abstractmethod
    async def progress(self, target: KnownGood, found: Restorable) -> Progress:
        """Look what has come of a rollback that was asked for, or may have been. Raises ``PlatformError``."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of it."""
