"""What a release has to expect, said at the start."""

import pytest
from builders import plan, probe
from msgspec.structs import replace

from sidecar.core.releases.outlook import outlook
from sidecar.core.rules import PlatformKind, ReleaseMode, ReleasePlan, RollbackPlan

RAILWAY = RollbackPlan(platform=PlatformKind.RAILWAY)


@pytest.mark.parametrize(
    ("release", "rollback", "unfit", "said"),
    [
        (ReleasePlan(), RAILWAY, None, None),
        (ReleasePlan(id="2", mode=ReleaseMode.OFF), RAILWAY, None, None),
        (ReleasePlan(id="2", mode=ReleaseMode.SHADOW), RAILWAY, None, "release 2 is judged in shadow: what would be"),
        (ReleasePlan(id="2"), RollbackPlan(), None, "a bad one is held, as rollback.platform is not set"),
        (
            ReleasePlan(id="2"),
            RAILWAY,
            "it is one replica's",
            "a bad one is held, not rolled back: it is one replica's",
        ),
        (ReleasePlan(id="2"), RAILWAY, None, "release 2 is judged; a bad one is rolled back by railway"),
    ],
)
def test_what_comes_of_a_bad_release_is_said_beforehand(release, rollback, unfit, said):
    """Nothing is said where no release is judged."""
    found = outlook(replace(plan(probe("web")), release=release, rollback=rollback), unfit)
    assert found is None if said is None else said in found
