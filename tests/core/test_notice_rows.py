"""The table by which events are told: the life of a release, and that no kind of event was forgotten."""

import pytest
from core.telling import Narrator, event

from sidecar.core.events import EventKind
from sidecar.core.notices.plan import NoticeKind
from sidecar.core.notices.rows import _TABLE, Stage
from sidecar.core.releases.release import ReleasePhase
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.core.severity import Severity
from sidecar.core.state import DeploymentStatus

UNTOLD = {
    EventKind.REMARK, EventKind.GATEWAY_APPEARED, EventKind.GATEWAY_UNPROVEN, EventKind.GATEWAY_EXITED,
    EventKind.CHILD_STARTED, EventKind.DRAIN_ADVANCED, EventKind.DRAIN_HOOK, EventKind.ROLLBACK_ADVANCED,
    EventKind.STOPPING, EventKind.OBSERVER_LATE, EventKind.SINK_FAILING, EventKind.SINK_RECOVERED,
    EventKind.NOTICE_LOST,
}  # fmt: skip
"""They are in the log; what they lead to is told."""


def test_every_kind_of_event_is_told_or_left_out_on_purpose():
    """A new kind has to be decided about."""
    assert {kind for kind, _ in _TABLE} | UNTOLD == set(EventKind)
    assert {kind for kind, _ in _TABLE} & UNTOLD == set()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (EventKind.STATUS_CHANGED, set(DeploymentStatus)),
        (EventKind.RELEASE_CHANGED, set(ReleasePhase) - {ReleasePhase.STARTING}),
        (EventKind.ROLLBACK_ENDED, {"", RollbackPhase.FAILED, RollbackPhase.HELD}),
    ],
)
def test_every_way_in_which_it_may_stand_has_its_row(kind, words):
    """The words are those of the core itself."""
    assert {word for each, word in _TABLE if each is kind} == words


@pytest.mark.parametrize("kind", NoticeKind)
def test_a_problem_of_any_kind_can_end(kind):
    """What begins has an end, by an event of its own or with the release."""
    stages = {row.stage for row in _TABLE.values() if row.kind is kind}
    assert Stage.BEGINS not in stages or Stage.ENDS in stages


def test_what_is_wrong_can_be_undone_by_a_command():
    """Whatever begins names what one can type."""
    assert [key for key, row in _TABLE.items() if row.stage is Stage.BEGINS and not row.command] == []


def release(after, severity=Severity.INFO):
    """Write a change of the release."""
    return event(EventKind.RELEASE_CHANGED, severity, f"release 2.7.1 is {after}", after=after)


def rollback(kind, severity=Severity.WARNING, after=None):
    """Write an event of the rollback."""
    return event(kind, severity, "rollback release 2.7.1 -> 2.7.0", after=after)


def lived(*events):
    """Tell of a life; returns what was told, and whether something was still wrong then."""
    return [(notice.event, notice.open) for notice in Narrator().hear(*events)]


def test_a_good_release_is_told_without_alarm():
    """Nothing was wrong at any time."""
    assert lived(release("baking"), release("good")) == [("baking", False), ("good", False)]


def test_a_release_that_is_rolled_back_is_one_problem_with_one_end():
    """From bad to the outcome all messages have one topic; none is thinned out, and the last is the end."""
    narrator = Narrator()
    told = narrator.hear(
        release("baking"),
        release("bad", Severity.ERROR),
        rollback(EventKind.ROLLBACK_BEGUN, after="seeking"),
        release("rolled_back"),
        rollback(EventKind.ROLLBACK_ENDED, after="verified"),
    )
    assert [(notice.event, notice.open) for notice in told] == [
        ("baking", False),
        ("bad", True),
        ("rollback_begun", True),
        ("rolled_back", True),
        ("rollback_ended", False),
    ]
    assert {notice.topic for notice in told} == {"release"}
    assert told[-1].since == told[1].since


def test_a_release_that_is_held_is_one_until_a_person_decides():
    """Reminders go on; promoted, it is over."""
    narrator = Narrator()
    narrator.hear(release("bad", Severity.ERROR), release("held", Severity.ERROR))
    assert [notice.event for notice in narrator.wait(5 * 3600)] == ["reminder"]
    [end] = narrator.hear(release("good"))
    assert (end.open, end.reach) == (False, "error")


def test_a_rollback_that_fails_goes_on_being_a_problem():
    """Until another one is well."""
    narrator = Narrator()
    narrator.hear(rollback(EventKind.ROLLBACK_BEGUN), rollback(EventKind.ROLLBACK_ENDED, Severity.ERROR, "failed"))
    assert narrator.told[-1].open
    assert narrator.told[-1].event == "failed"
    narrator.hear(rollback(EventKind.ROLLBACK_BEGUN), rollback(EventKind.ROLLBACK_ENDED))
    assert not narrator.told[-1].open


def test_the_restored_release_tells_the_end_to_everybody():
    """It knows nothing of the begin, which the replica before it has told to the gravest sinks."""
    [end] = Narrator().hear(rollback(EventKind.ROLLBACK_ENDED))
    assert (end.severity, end.reach) == ("warning", "error")


def test_a_hold_that_is_recalled_after_a_restart_is_not_told_again():
    """It is the same hold; and one that has ended meanwhile is over."""
    narrator = Narrator()
    narrator.hear(event(EventKind.HOLD_BEGUN))
    narrator.hear(event(EventKind.STARTED, Severity.INFO))
    assert narrator.hear(event(EventKind.HOLD_BEGUN)) == []
    narrator.hear(event(EventKind.STARTED, Severity.INFO))
    assert [notice.event for notice in narrator.wait(120)] == ["over"]
