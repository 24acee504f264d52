"""The drain's table, and the pauses between drains."""

import pytest
from builders import process
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.drain import (
    SIGNALS,
    TRANSITIONS,
    DrainPhase,
    DrainState,
    DrainStep,
    advance,
    begin,
    cool_down_until,
    in_last_hour,
)
from sidecar.core.errors import IllegalTransitionError
from sidecar.core.plan import DrainPlan

RULES = DrainPlan(lame_duck=5.0, cool_down=300.0, cool_down_max=3600.0)


@pytest.mark.parametrize("phase", DrainPhase)
@pytest.mark.parametrize("step", DrainStep)
def test_every_step_is_either_in_the_table_or_refused(phase, step):
    """A step that the table does not have raises; one that it has leads where it says."""
    state = DrainState(phase=phase, begun=0.0)
    if (phase, step) in TRANSITIONS:
        assert advance(state, step, RULES, 100.0).phase is TRANSITIONS[phase, step]
    else:
        with pytest.raises(IllegalTransitionError):
            advance(state, step, RULES, 100.0)


def test_there_is_no_way_back_after_a_signal():
    """A drain that has signalled can only go on or end."""
    assert not any(step is DrainStep.CANCEL for phase, step in TRANSITIONS if phase in SIGNALS)


@given(early=st.floats(0.0, 4.999))
def test_no_signal_before_readiness_was_503_for_lame_duck(early):
    """However the actor hurries, the table refuses to leave lame duck early."""
    state = begin(DrainState(), process(), "sick", RULES, 10.0)
    with pytest.raises(IllegalTransitionError, match="to go"):
        advance(state, DrainStep.QUIESCE, RULES, 10.0 + early)


def history(*begun):
    """A state after drains that came to their signal at these moments."""
    state = DrainState()
    for at in begun:
        state = begin(state, process(), "sick", RULES, at - 10)
        for step in (DrainStep.QUIESCE, DrainStep.SIGNAL, DrainStep.FINISH):
            state = advance(state, step, RULES, at)
    return state


@pytest.mark.parametrize(
    ("begun", "until"),
    [
        ((), None),
        ((0.0,), 300.0),
        ((0.0, 400.0), 400.0 + 600.0),
        ((0.0, 400.0, 1100.0), 1100.0 + 1200.0),
        ((0.0, 400.0, 1100.0, 2400.0, 5000.0), 5000.0 + 3600.0),
        ((0.0, 7200.0), 7200.0 + 300.0),
    ],
)
def test_the_pause_doubles_with_each_drain_in_a_row_up_to_its_limit(begun, until):
    """A long quiet time ends the row."""
    assert cool_down_until(history(*begun), RULES) == until


def test_drains_of_the_last_hour_are_counted():
    """A drain counts for an hour."""
    state = history(0.0, 1000.0, 2000.0)
    assert in_last_hour(state, 2001.0) == 3
    assert in_last_hour(state, 3601.0) == 2
    assert state.total == 3


def test_a_drain_that_is_called_off_costs_nothing():
    """Only a drain that came to its signal makes the next one wait; in shadow, one that would have."""
    begun = begin(DrainState(), process(), "sick", RULES, 0.0)
    quiescing = advance(begun, DrainStep.QUIESCE, RULES, 10.0)
    assert advance(quiescing, DrainStep.CANCEL, RULES, 11.0).history == ()
    assert advance(quiescing, DrainStep.FINISH, RULES, 11.0).history == ()
    shadow = DrainPlan(lame_duck=5.0, shadow=True)
    assert advance(quiescing, DrainStep.FINISH, shadow, 11.0).history == (11.0,)
