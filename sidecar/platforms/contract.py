"""Who can put an earlier release in the place of a bad one: the small interface that every platform has."""

from abc import ABC, abstractmethod
from enum import StrEnum

from msgspec import Struct

from sidecar.core.errors import SidecarError
from sidecar.core.release import KnownGood


class PlatformError(SidecarError):
    """The platform has refused, or could not be asked: nothing has changed there."""


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


class Restorable(Struct, frozen=True):
    """Something that the platform can restore."""

    deployment: str
    """What the platform calls it."""


class Platform(ABC):
    """Puts an earlier release in place. Every call is bounded in time, and tries again by itself where that is safe."""

    name: str

    @abstractmethod
    async def find(self, target: KnownGood) -> Restorable:
        """Find out whether this release can be restored now, changing nothing. Raises ``PlatformError``: why not."""

    @abstractmethod
    async def roll_back(self, target: KnownGood, found: Restorable) -> None:
        """Ask for it, once. Raises ``PlatformError`` when nothing changed, ``UncertainError`` when nobody knows."""

    @abstractmethod
    async def progress(self, target: KnownGood, found: Restorable, asked_at: float) -> Restoration:
        """Look what has come of a rollback that was asked for at this Unix time. Raises ``PlatformError``."""

    @abstractmethod
    async def aclose(self) -> None:
        """Let go of it."""
