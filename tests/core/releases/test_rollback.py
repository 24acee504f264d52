"""The rollback's table, and with which step a replica begins by what is written down."""

import pytest
from builders import rollback_record

from sidecar.core.errors import IllegalTransitionError
from sidecar.core.releases.rollback import (
    ENDS,
    FINAL,
    TRANSITIONS,
    RollbackPhase,
    RollbackStep,
    advance,
    entry,
)


@pytest.mark.parametrize("phase", RollbackPhase)
@pytest.mark.parametrize("step", RollbackStep)
def test_every_step_is_either_in_the_table_or_refused(phase, step):
    """A step that the table does not have raises; one that it has leads where it says."""
    if (phase, step) in TRANSITIONS:
        assert advance(phase, step) is TRANSITIONS[phase, step]
    else:
        with pytest.raises(IllegalTransitionError, match=f"a rollback that is {phase} has no step {step}"):
            advance(phase, step)


def test_no_end_has_a_way_out():
    """What has ended, has ended."""
    assert not [phase for phase, _ in TRANSITIONS if phase in FINAL]


def test_every_phase_can_be_ended():
    """Called off, or for a store that is gone: from everywhere there is a way to hold."""
    assert all((phase, RollbackStep.HOLD) in TRANSITIONS for phase in RollbackPhase if phase not in FINAL)


def test_the_platform_is_asked_only_after_a_claim_or_a_look():
    """Or once more, after it has surely not heard."""
    before = {phase for phase, step in TRANSITIONS if step is RollbackStep.ASK}
    assert before == {RollbackPhase.CLAIMING, RollbackPhase.ASKING, RollbackPhase.LOOKING}


def test_no_end_but_a_hold_is_reached_without_verifying():
    """Or without being told by who did."""
    for step in (RollbackStep.CONFIRM, RollbackStep.FAIL):
        before = {phase for phase, own in TRANSITIONS if own is step}
        assert before == {RollbackPhase.VERIFYING, RollbackPhase.FOLLOWING}
    assert set(ENDS.values()) == FINAL


@pytest.mark.parametrize(
    ("written", "anew", "step"),
    [
        (None, False, RollbackStep.SEEK),
        (None, True, RollbackStep.SEEK),
        (rollback_record(RollbackPhase.CLAIMING), False, RollbackStep.SEEK),
        (rollback_record(RollbackPhase.ASKING, asked=1), False, RollbackStep.LOOK),
        (rollback_record(RollbackPhase.ASKING, asked=1), True, RollbackStep.LOOK),
        (rollback_record(RollbackPhase.VERIFYING, asked=1), False, RollbackStep.VERIFY),
        (rollback_record(RollbackPhase.CLAIMING, replica="b"), False, RollbackStep.FOLLOW),
        (rollback_record(RollbackPhase.ASKING, replica="b", asked=1), True, RollbackStep.FOLLOW),
        (rollback_record(RollbackPhase.VERIFYING, replica="b", asked=1), False, RollbackStep.FOLLOW),
        (rollback_record(RollbackPhase.HELD), False, RollbackStep.SEEK),
        (rollback_record(RollbackPhase.HELD, replica="b"), False, RollbackStep.SEEK),
        (rollback_record(RollbackPhase.HELD, asked=1), False, RollbackStep.FOLLOW),
        (rollback_record(RollbackPhase.FAILED, asked=1), False, RollbackStep.FOLLOW),
        (rollback_record(RollbackPhase.VERIFIED, asked=1), False, RollbackStep.FOLLOW),
        (rollback_record(RollbackPhase.HELD, asked=1), True, RollbackStep.SEEK),
        (rollback_record(RollbackPhase.FAILED, replica="b", asked=1), True, RollbackStep.SEEK),
    ],
)
def test_with_which_step_a_replica_begins(written, anew, step):
    """It goes on with its own, follows another's, and never repeats by itself what may have been done."""
    assert entry(written, "a", anew=anew) is step


def test_each_beginning_has_a_way_into_the_table():
    """So no replica is refused where it comes from."""
    begins = {step for phase, step in TRANSITIONS if phase is RollbackPhase.IDLE}
    assert begins == {
        RollbackStep.SEEK,
        RollbackStep.LOOK,
        RollbackStep.VERIFY,
        RollbackStep.FOLLOW,
        RollbackStep.HOLD,
    }
