"""What is remembered of releases beyond this process: recalled at the start, and while replicas share it."""

from collections.abc import Mapping

from msgspec import Struct

from sidecar.core.releases.release import Hold, KnownGood, ReleaseState
from sidecar.core.releases.rollback import RollbackOrder
from sidecar.core.releases.sample import Sample

NOT_RECALLED = "the store has not been read yet"


class Memory(Struct, frozen=True, kw_only=True):
    """What the store says, with its Unix times already turned into seconds of CLOCK_BOOTTIME; they may be negative."""

    release: ReleaseState | None = None
    """This release, as this replica or another one has left it."""
    target: KnownGood | None = None
    """The last release found good, if it is another one."""
    baseline: Mapping[str, Sample] = {}
    """What was measured of the last good release, by probe; empty when there is none, or it is too old."""
    baseline_of: str | None = None
    """Whose it is."""
    bad: frozenset[str] = frozenset()
    """Releases known to be bad."""
    hold: Hold | None = None
    rollbacks: tuple[float, ...] = ()
    """When rollbacks began within the last day, oldest first."""
    unfinished: RollbackOrder | None = None
    """The rollback of this release that somebody has begun, and nobody has brought to its end."""
    unfit: str | None = NOT_RECALLED
    """Why what is claimed in the store binds nobody else; None where it does."""
