"""From what stands in the store to what the core knows of releases."""

from itertools import count

import pytest
from builders import rollback_record
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from sidecar.core.releases.admission import DAY
from sidecar.core.releases.baseline import Baseline
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import JUDGED, Hold, KnownGood, ReleasePhase
from sidecar.core.releases.rollback import RollbackPhase
from sidecar.core.releases.sample import Sample
from sidecar.core.rules import ReleasePlan
from sidecar.ledger.recall import BAD, Stored, known_good, remember, replaced_by, standings
from sidecar.ledger.records import ReleaseRecord

NOW, WALL = 1000.0, 1.7e9
RULES = ReleasePlan(id="2", baseline_max_age=3600.0)
SAMPLE = Sample(answered={3: 70})


def record(id_, phase, ago=10.0, *, replica="a", **more):
    """What a replica wrote down of a release so many seconds ago."""
    return ReleaseRecord(id=id_, phase=phase, since=WALL - ago, updated=WALL - ago, replica=replica, **more)


def recalled(*records, deployment=None, **stored):
    """What replica ``a`` of release 2 makes of it; records are given in the order in which they are read."""
    usual = {"rollbacks": (), "good": None, "baseline": None, "hold": None}
    everything = Stored(records=records, **(usual | stored))
    return remember(everything, "2", "a", RULES, None, now=NOW, wall=WALL, deployment=deployment)


# How releases stand ---------------------------------------------------------------------------------------------------


def test_of_nothing_nothing_is_made():
    """But that the store can be used."""
    assert recalled() == Memory(unfit=None)


@pytest.mark.parametrize("seen", sorted(JUDGED))
@pytest.mark.parametrize("decided", sorted(set(ReleasePhase) - JUDGED))
def test_a_decision_outranks_what_others_see_later(seen, decided):
    """Whoever has made it, and whoever has written since; among decisions and among sights the last one counts."""
    older, newer = record("2", decided, 50.0, replica="b"), record("2", seen, 10.0)
    assert standings([newer, older])["2"] is older
    assert standings([older, newer])["2"] is older
    assert standings([newer, replace(newer, replica="c")])["2"] is newer
    assert standings([older, record("2", ReleasePhase.GOOD, 90.0)])["2"] is older


def test_a_decision_that_is_told_again_outranks_none_that_was_made_meanwhile():
    """A replica that hears of one writes it down itself, later than a person may have decided otherwise."""
    bad, promoted = record("2", ReleasePhase.BAD, 50.0), record("2", ReleasePhase.GOOD, 20.0, replica="b")
    told_again = replace(bad, replica="c", updated=WALL - 10.0)
    assert standings([told_again, promoted, bad])["2"] is promoted


def test_who_calls_a_release_good_has_the_last_word():
    """Another replica, that has not heard of it yet, may condemn the release meanwhile; only a person takes it back."""
    promoted = record("2", ReleasePhase.GOOD, 50.0, by="ops")
    condemned = record("2", ReleasePhase.BAD, 20.0, replica="b")
    taken_back = record("2", ReleasePhase.ROLLED_BACK, 10.0, replica="b", by="ann")
    for records in ([promoted, condemned], [condemned, promoted]):
        assert standings(records)["2"] is promoted
    for records in ([promoted, taken_back], [taken_back, promoted]):
        assert standings(records)["2"] is taken_back


def test_until_it_is_decided_each_replica_goes_on_with_its_own():
    """One that comes new goes on with what another has seen."""
    other, own = record("2", ReleasePhase.BAKING, 5.0, replica="b", restarts=2), record("2", ReleasePhase.STARTING, 9.0)
    assert recalled(other, own).release.phase is ReleasePhase.STARTING
    assert recalled(other).release.restarts == 2
    assert recalled(record("2", ReleasePhase.BAD, 20.0, replica="b"), own).release.phase is ReleasePhase.BAD


def test_a_release_is_recalled_as_it_was_left():
    """Times in the seconds of the core's clock, which may lie before its beginning; the rest as it was written."""
    written = record(
        "2",
        ReleasePhase.BAKING,
        90.0,
        reason="started",
        by="root",
        served=True,
        samples={"web": SAMPLE},
        within={"web": 2},
        looks=1,
        unhealthy=2.5,
        restarts=1,
    )
    release = recalled(replace(written, updated=WALL - 10, since=WALL - 5000)).release
    assert (release.since, release.at, release.saved) == (NOW - 5000, NOW - 10, NOW - 10)
    for name in ("id", "phase", "reason", "by", "served", "samples", "within", "looks", "unhealthy", "restarts"):
        assert getattr(release, name) == getattr(written, name)


@pytest.mark.parametrize(
    ("phase", "served", "deployment", "anew"),
    [
        (ReleasePhase.HELD, False, "d-3", True),
        (ReleasePhase.BAD, False, "d-3", True),
        (ReleasePhase.HELD, False, "d-2", False),
        (ReleasePhase.HELD, False, None, False),
        (ReleasePhase.HELD, True, "d-3", False),
        (ReleasePhase.ROLLED_BACK, False, "d-3", False),
        (ReleasePhase.GOOD, False, "d-3", False),
        (ReleasePhase.STARTING, False, "d-3", False),
    ],
)
def test_a_release_that_never_started_is_judged_anew_when_it_is_deployed_again(phase, served, deployment, anew):
    """Only then: one that took traffic and was bad is bad, however often it is deployed."""
    own = record("2", phase, served=served, deployments=("d-2",))
    assert (recalled(own, deployment=deployment).release is None) is anew


# The target -----------------------------------------------------------------------------------------------------------


def test_the_target_is_the_release_that_was_found_good_last():
    """Not the one that was written last, and never the one that runs."""
    one, zero, own = (
        record("1", ReleasePhase.GOOD, 50.0),
        record("0", ReleasePhase.GOOD, 500.0),
        record("2", ReleasePhase.GOOD, 1.0),
    )
    assert recalled(own, replace(zero, updated=WALL), one).target.release == "1"
    assert recalled(own).target is None


@pytest.mark.parametrize("phase", sorted(BAD))
def test_a_release_that_is_bad_by_the_latest_word_is_no_target(phase):
    """Although another replica has once written that it is good, and it is named as the last good one."""
    good, bad = record("1", ReleasePhase.GOOD, 50.0, replica="b"), record("1", phase, 10.0)
    memory = recalled(bad, good, good=KnownGood(release="1", at=WALL - 50))
    assert memory.target is None
    assert memory.bad == {"1"}


def test_a_release_too_old_to_be_recorded_may_still_be_named():
    """Where nothing else is known to be good; what is known of it otherwise outranks its name."""
    named = KnownGood(release="1", at=WALL - 1e8, deployments=("d-1",))
    assert recalled(good=named).target == named
    assert recalled(record("1", ReleasePhase.BAKING), good=named).target is None
    assert recalled(record("0", ReleasePhase.GOOD), good=named).target.release == "0"
    assert recalled(good=replace(named, release="2")).target is None


def test_a_target_has_all_deployments_that_it_ran_as():
    """Of all replicas, each once, those of the record that counts first; and the command of whoever knows it."""
    counts = record("1", ReleasePhase.GOOD, 5.0, schema="7", deployments=("d-3", "d-1"))
    other = record("1", ReleasePhase.BAKING, 9.0, replica="b", deployments=("d-1", "d-2"), command=("gateway",))
    assert known_good(counts, [counts, record("0", ReleasePhase.GOOD, deployments=("d-0",)), other]) == KnownGood(
        release="1", at=WALL - 5.0, schema="7", deployments=("d-3", "d-1", "d-2"), command=("gateway",)
    )


histories = st.lists(
    st.tuples(st.sampled_from(["0", "1", "2", "3"]), st.sampled_from(ReleasePhase), st.sampled_from("abc")), max_size=20
)
"""Who writes what of which release, the oldest first."""


@given(histories, st.none() | st.sampled_from(["0", "1", "3", "old"]))
def test_no_history_makes_a_bad_release_the_target(history, named):
    """Nor the release that runs, nor one whose newest decision is anything but good; whoever wrote it, and when."""
    latest, decisions = {}, {}
    for ago, (id_, phase, replica) in zip(count(1000.0, -1.0), history, strict=False):
        latest[id_, replica] = record(id_, phase, ago, replica=replica)
    stored = sorted(latest.values(), key=lambda written: written.updated, reverse=True)
    for written in reversed(stored):
        if written.phase not in JUDGED:
            decisions[written.id] = written.phase
    memory = recalled(*stored, good=KnownGood(release=named, at=0.0) if named else None)
    bad = {id_ for id_, phase in decisions.items() if phase in BAD}
    assert memory.bad == bad - {"2"}
    if memory.target is not None:
        assert memory.target.release != "2"
        assert memory.target.release not in bad
        assert decisions.get(memory.target.release, ReleasePhase.GOOD) is ReleasePhase.GOOD


# The rest -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "age", "compared"), [("1", 3600.0, True), ("1", 3601.0, False), ("2", 10.0, False)]
)
def test_a_baseline_is_compared_with_unless_it_is_old_or_the_releases_own(release, age, compared):
    """Nothing is held against itself."""
    memory = recalled(baseline=Baseline(release=release, at=WALL - age, samples={"web": SAMPLE}))
    assert (memory.baseline, memory.baseline_of) == (({"web": SAMPLE}, release) if compared else ({}, None))


def test_a_hold_is_recalled_as_it_was_said():
    """Its time is for people, and stays Unix time."""
    hold = Hold(reason="an incident", by="root", at=WALL - 5.0)
    assert recalled(hold=hold).hold == hold


def test_rollbacks_of_the_last_day_are_counted_where_the_platform_was_asked():
    """The oldest first, in the core's seconds; but not the release's own, which would forbid that it is ended."""
    turns = [
        rollback_record(RollbackPhase.VERIFIED, release=release, asked=asked)
        for release, asked in [("8", 1), ("7", 1), ("6", 0), ("2", 1), ("5", 1)]
    ]
    begun = (WALL - 10.0, WALL - 500.0, WALL - 20.0, WALL - 30.0, WALL - DAY)
    rollbacks = tuple(replace(turn, begun=at) for turn, at in zip(turns, begun, strict=True))
    assert recalled(rollbacks=rollbacks).rollbacks == (NOW - 500.0, NOW - 10.0)


@pytest.mark.parametrize("phase", RollbackPhase)
def test_a_rollback_is_unfinished_until_its_end_is_the_releases_end(phase):
    """One that is verified too: who wrote that may have been killed before writing what becomes of the release."""
    bad = record("2", ReleasePhase.BAD)
    unfinished = recalled(bad, rollbacks=(rollback_record(phase, by="root"),)).unfinished
    assert (unfinished is None) is (phase in (RollbackPhase.HELD, RollbackPhase.FAILED))
    assert unfinished is None or (unfinished.release, unfinished.target.release, unfinished.by) == ("2", "1", "root")
    assert recalled(bad, rollbacks=(rollback_record(phase, release="1"),)).unfinished is None


def test_what_replaces_a_release_may_have_been_replaced_itself():
    """Release 2 by 1, and 1 by 0: then 0 runs. A ring of them ends."""
    turns = (
        rollback_record(RollbackPhase.VERIFIED, release="2", target="1", asked=1),
        rollback_record(RollbackPhase.VERIFIED, release="1", target="0", asked=1),
    )
    two, one, zero = (record(name, ReleasePhase.ROLLED_BACK) for name in "210")
    stored = Stored(records=(two, one), rollbacks=turns, good=None, baseline=None, hold=None)
    assert replaced_by(stored, "2").release == "0"
    assert recalled(two, one, rollbacks=turns).unfinished.target.release == "0"
    assert replaced_by(replace(stored, records=(two, record("1", ReleasePhase.GOOD))), "2").release == "1"
    ring = (*turns, rollback_record(RollbackPhase.VERIFIED, release="0", target="2", asked=1))
    assert replaced_by(replace(stored, records=(two, one, zero), rollbacks=ring), "2").release == "2"
