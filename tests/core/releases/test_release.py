"""The table of the steps that a release can take."""

import pytest

from sidecar.core.errors import IllegalTransitionError
from sidecar.core.releases.release import TRANSITIONS, ReleasePhase, ReleaseState, ReleaseStep, advance


@pytest.mark.parametrize("phase", ReleasePhase)
@pytest.mark.parametrize("move", ReleaseStep)
def test_a_step_that_the_table_does_not_have_is_refused(phase, move):
    """It raises and names both; every other step leads where the table says."""
    release = ReleaseState(id="2", phase=phase, since=0.0, at=0.0)
    if (phase, move) in TRANSITIONS:
        assert advance(release, move, "why", 5.0).phase is TRANSITIONS[phase, move]
    else:
        with pytest.raises(IllegalTransitionError, match=f"{phase} has no step {move}"):
            advance(release, move, "why", 5.0)
