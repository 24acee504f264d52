"""Flap detection: the share of changes within a window of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.notices.flap import CHANGES_AT_MOST, note_change, share_of_changes

WINDOW = 1000.0


@pytest.mark.parametrize(
    ("ages", "share"),
    [
        ([], 0.0),
        ([0], 1.2 / 20),
        ([500], 1.0 / 20),
        ([999.999], 0.8 / 20),
        ([1000], 0.0),
        ([-1], 0.0),
        ([0] * 5, 0.3),
        ([500] * 20, 1.0),
        ([0] * 20, 1.0),
    ],
)
def test_newer_changes_weigh_more(ages, share):
    """From 1.2 for one of now to 0.8 for one at the window's end; what is past it, or in the future, counts nothing."""
    assert share_of_changes([-age for age in ages], 0.0, WINDOW) == pytest.approx(share, abs=1e-6)


def test_no_more_changes_are_kept_than_the_window_holds():
    """Of a thousand at once the latest are enough."""
    changes = ()
    for number in range(1000):
        changes = note_change(changes, number / 1000, WINDOW)
    assert len(changes) == CHANGES_AT_MOST
    assert changes[-1] == 0.999


@given(st.lists(st.floats(0, 300), max_size=60))
def test_the_share_is_one_and_what_is_kept_is_bounded(pauses):
    """However often something changes; and with every pause the share falls."""
    changes, now = (), 0.0
    for pause in pauses:
        now += pause
        changes = note_change(changes, now, WINDOW)
        share = share_of_changes(changes, now, WINDOW)
        assert 0 < share <= 1
        assert share_of_changes(changes, now + 50, WINDOW) <= share
    assert len(changes) <= CHANGES_AT_MOST
    assert share_of_changes(changes, now + WINDOW + 1, WINDOW) == 0
