"""From what stands in the store to what the core knows of releases."""

import pytest
from builders import rollback_record

from sidecar.core.releases.release import ReleasePhase
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.core.rules import ReleasePlan
from sidecar.ledger.recall import Stored, remember
from sidecar.ledger.records import ReleaseRecord

NOW, WALL = 1000.0, 1.7e9


def recalled(*records, rollbacks=()):
    """What a replica of release 2 makes of it."""
    stored = Stored(records=records, rollbacks=rollbacks, good=None, baseline=None, hold=None)
    return remember(stored, "2", "a", ReleasePlan(id="2"), None, now=NOW, wall=WALL)


@pytest.mark.parametrize("phase", RollbackPhase)
def test_a_rollback_is_unfinished_until_its_end_is_the_releases_end(phase):
    """One that is verified too: who wrote that may have been killed before writing what becomes of the release."""
    bad = ReleaseRecord(id="2", phase=ReleasePhase.BAD, since=WALL - 10, updated=WALL - 10)
    unfinished = recalled(bad, rollbacks=(rollback_record(phase),)).unfinished
    assert (unfinished is None) is (phase in (RollbackPhase.HELD, RollbackPhase.FAILED))
    assert unfinished is None or (unfinished.release, unfinished.target.release) == ("2", "1")
    assert recalled(bad, rollbacks=(rollback_record(phase, release="1"),)).unfinished is None


def test_a_release_is_recalled_until_when_its_time_was_counted():
    """In the seconds of the core's clock."""
    release = recalled(ReleaseRecord(id="2", phase=ReleasePhase.BAKING, since=WALL - 90, updated=WALL - 10)).release
    assert (release.since, release.at) == (NOW - 90, NOW - 10)
