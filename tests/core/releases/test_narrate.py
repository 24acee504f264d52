"""What people are told of releases: each change once, with its reason, and what it rests on."""

import pytest
from builders import plan
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.core.events import EventKind
from sidecar.core.facts import HoldBegun, HoldEnded, MemoryRecalled, RollbackAdvanced, TimePassed
from sidecar.core.machine import begin_state
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.narrate import tell_release
from sidecar.core.releases.release import Hold, KnownGood, ReleasePhase, ReleaseState
from sidecar.core.releases.rollback import FINAL, RollbackOrder, RollbackPhase, RollbackStep
from sidecar.core.releases.sample import Sample
from sidecar.core.severity import Severity
from sidecar.core.state import RollbackState

NOTHING = begin_state(plan(), 0.0)
HOLD = Hold(reason="an incident", by="root", at=1.7e9)
ORDER = RollbackOrder(release="2", target=KnownGood(release="1", at=0.0))


def release(phase, **changes):
    """A state in which release 2 has come so far."""
    usual = ReleaseState(id="2", phase=phase, since=1.0, at=1.0, reason="a reason")
    return replace(NOTHING, release=replace(usual, **changes))


def holding(hold, **changes):
    """A state in which this hold is in force."""
    return replace(NOTHING, memory=Memory(hold=hold, **changes))


def rolling(phase, order=ORDER):
    """A state in which a rollback has come so far."""
    return replace(NOTHING, rollback=RollbackState(phase=phase, order=order))


def told(before, after, fact=TimePassed()):  # noqa: B008 - it is immutable
    """What is told of the step from one state to the other."""
    return list(tell_release(before, after, fact, 5.0))


# The release ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("phase", "severity", "words"),
    [
        (ReleasePhase.BAKING, Severity.INFO, "baking"),
        (ReleasePhase.GOOD, Severity.INFO, "good"),
        (ReleasePhase.BAD, Severity.ERROR, "bad"),
        (ReleasePhase.ROLLED_BACK, Severity.INFO, "rolled back"),
        (ReleasePhase.HELD, Severity.ERROR, "held, and a person has to decide (sidecar rollback, sidecar promote)"),
    ],
)
def test_what_becomes_of_a_release_is_told_with_its_reason(phase, severity, words):
    """In words, with both phases for machines; only what needs somebody is an error."""
    (event,) = told(release(ReleasePhase.STARTING), release(phase))
    assert (event.kind, event.at, event.severity) == (EventKind.RELEASE_CHANGED, 5.0, severity)
    assert (event.before, event.after) == ("starting", phase)
    assert event.message == f"release 2 is {words}: a reason"


@pytest.mark.parametrize(
    ("phase", "by", "cause"),
    [(ReleasePhase.BAD, None, "local"), (ReleasePhase.BAD, "root", None), (ReleasePhase.GOOD, None, None)],
)
def test_the_cause_is_local_where_the_sidecar_itself_has_found_a_fault(phase, by, cause):
    """A person's word proves no cause."""
    (event,) = told(release(ReleasePhase.BAKING), release(phase, by=by))
    assert event.cause == cause


def test_the_figures_that_a_decision_rests_on_are_told():
    """Samples by probe in the order of their names, crashes, and the time that it was unhealthy; nothing that is 0."""
    samples = {"web": Sample(answered={3: 9}, errors=1), "mcp": Sample(answered={2: 5})}
    (event,) = told(
        release(ReleasePhase.BAKING), release(ReleasePhase.BAD, samples=samples, restarts=3, unhealthy=12.6)
    )
    assert event.evidence == (
        "mcp: 5 samples, 0 failed",
        "web: 10 samples, 1 failed",
        "times it ended unasked: 3",
        "unhealthy by its own fault: 13 s",
    )
    (event,) = told(release(ReleasePhase.BAKING), release(ReleasePhase.BAD))
    assert event.evidence == ()


def test_another_release_in_the_same_phase_is_told():
    """The parent has put an earlier one in the place of the one that it was started with."""
    (event,) = told(release(ReleasePhase.GOOD), release(ReleasePhase.GOOD, id="1", reason="it runs again"))
    assert event.message == "release 1 is good: it runs again"


def test_a_release_that_does_not_change_is_not_told():
    """Whatever is counted meanwhile; nor one that begins to be judged, or is not judged any more."""
    assert told(release(ReleasePhase.BAKING), release(ReleasePhase.BAKING, restarts=1, reason="another")) == []
    assert told(NOTHING, release(ReleasePhase.STARTING)) == []
    assert told(release(ReleasePhase.STARTING), NOTHING) == []


def recalled(phase):
    """The store says that release 2 has come so far."""
    return MemoryRecalled(Memory(release=release(phase).release))


def test_what_another_replica_has_decided_is_learnt_and_not_told_again():
    """People would hear it from each. What is decided here when the store is read is told here."""
    baking = replace(release(ReleasePhase.BAKING), memory=Memory(unfit=None))
    for phase in (ReleasePhase.BAD, ReleasePhase.GOOD, ReleasePhase.ROLLED_BACK, ReleasePhase.HELD):
        (event,) = told(baking, release(phase), recalled(phase))
        assert (event.elsewhere, event.severity) == (True, Severity.INFO)
    for said in (recalled(ReleasePhase.BAKING), recalled(ReleasePhase.GOOD), MemoryRecalled(Memory())):
        (event,) = told(baking, release(ReleasePhase.BAD), said)
        assert (event.elsewhere, event.severity) == (False, Severity.ERROR)


def test_what_the_store_says_at_the_start_is_told():
    """It may be what this replica has decided itself, and was killed before it could tell."""
    (event,) = told(release(ReleasePhase.STARTING), release(ReleasePhase.BAD), recalled(ReleasePhase.BAD))
    assert (event.elsewhere, event.severity) == (False, Severity.ERROR)


# A hold ---------------------------------------------------------------------------------------------------------------


def test_a_hold_is_told_with_who_has_said_it_and_why():
    """Another hold in its place is told too. The replica that it was said to tells people; others have learnt it."""
    other = replace(HOLD, by="ann")
    for before, after in ((None, HOLD), (other, HOLD)):
        (event,) = told(holding(before), holding(after), HoldBegun(after))
        assert (event.kind, event.severity, event.elsewhere) == (EventKind.HOLD_BEGUN, Severity.WARNING, False)
        (learnt,) = told(holding(before, unfit=None), holding(after), MemoryRecalled(Memory(hold=after)))
        assert learnt == replace(event, severity=Severity.INFO, elsewhere=True)
        assert event.message == ("all automation is stopped by root: an incident; no drain, no promotion, no rollback")
    assert told(holding(HOLD), holding(HOLD)) == []


@pytest.mark.parametrize(("fact", "by"), [(HoldEnded("ann"), " by ann"), (MemoryRecalled(Memory()), "")])
def test_the_end_of_a_hold_is_told(fact, by):
    """With who has ended it, if it was said here."""
    (event,) = told(holding(HOLD), holding(None), fact)
    assert (event.kind, event.severity) == (EventKind.HOLD_ENDED, Severity.INFO)
    assert event.message == f"automation goes on, the hold was ended{by}: an incident"


# A rollback -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("by", "words"), [(None, ""), ("root", ", ordered by root")])
def test_a_rollback_that_begins_is_told(by, words):
    """From which release to which, and by whose order; a second order is another beginning."""
    order = replace(ORDER, by=by)
    for before in (NOTHING, rolling(RollbackPhase.HELD)):
        (event,) = told(before, rolling(RollbackPhase.IDLE, order))
        assert (event.kind, event.severity) == (EventKind.ROLLBACK_BEGUN, Severity.WARNING)
        assert event.message == f"rollback release 2 -> 1 begins{words}"


@pytest.mark.parametrize("phase", sorted(set(RollbackPhase) - {RollbackPhase.IDLE}))
def test_every_step_of_a_rollback_is_told_with_its_detail(phase):
    """An end is told as one: a good one warns, since the release before runs; the others need somebody."""
    (event,) = told(rolling(RollbackPhase.IDLE), rolling(phase), RollbackAdvanced(RollbackStep.SEEK, "as it was seen"))
    if phase is RollbackPhase.VERIFIED:
        expected = (EventKind.ROLLBACK_ENDED, Severity.WARNING, "done, and it is healthy")
    elif phase in FINAL:
        expected = (EventKind.ROLLBACK_ENDED, Severity.ERROR, f"{phase}, and a person has to look")
    else:
        expected = (EventKind.ROLLBACK_ADVANCED, Severity.INFO, phase)
    assert (event.kind, event.severity) == expected[:2]
    assert event.message == f"rollback release 2 -> 1 is {expected[2]}: as it was seen"
    assert (event.before, event.after) == ("idle", phase)


def test_a_step_that_says_nothing_more_has_no_detail():
    """No colon without words behind it."""
    (event,) = told(
        rolling(RollbackPhase.IDLE), rolling(RollbackPhase.SEEKING), RollbackAdvanced(RollbackStep.SEEK, "")
    )
    assert event.message == "rollback release 2 -> 1 is seeking"


@given(st.sampled_from(ReleasePhase), st.sampled_from(RollbackPhase), st.none() | st.just(HOLD))
def test_where_nothing_has_changed_nothing_is_told(phase, rollback, hold):
    """In every situation."""
    state = replace(release(phase), memory=Memory(hold=hold), rollback=RollbackState(phase=rollback, order=ORDER))
    assert told(state, state) == []


def test_a_rollback_that_another_replica_carries_out_is_told_by_that_one():
    """Its begin and its end are learnt here; what this replica takes over from one that is silent it tells itself."""
    unfinished = replace(rolling(RollbackPhase.IDLE), memory=Memory(unfinished=ORDER))
    (begun,) = told(holding(None, unfit=None), unfinished, MemoryRecalled(Memory(unfinished=ORDER)))
    assert (begun.kind, begun.elsewhere, begun.severity) == (EventKind.ROLLBACK_BEGUN, True, Severity.INFO)
    following, verifying = rolling(RollbackPhase.FOLLOWING), rolling(RollbackPhase.VERIFYING)
    for before, is_learnt in ((following, True), (verifying, False)):
        (ended,) = told(before, rolling(RollbackPhase.VERIFIED), RollbackAdvanced(RollbackStep.CONFIRM, ""))
        assert (ended.kind, ended.elsewhere) == (EventKind.ROLLBACK_ENDED, is_learnt)


def test_a_rollback_that_has_come_to_no_good_end_is_told_by_each():
    """Who follows may have found that out alone: the store fails, and nobody else is left. Then people must be told."""
    (ended,) = told(
        rolling(RollbackPhase.FOLLOWING), rolling(RollbackPhase.HELD), RollbackAdvanced(RollbackStep.HOLD, "")
    )
    assert (ended.elsewhere, ended.severity) == (False, Severity.ERROR)
