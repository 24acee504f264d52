"""Run-length encoding: few entries, and no verdict farther from its time than is said."""

import pytest
from builders import verdict
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.journal.entries import write_entry
from sidecar.core.journal.runlength import LONGEST, SPREAD, begin_run, extend_run, spread_out
from sidecar.core.schedule import next_tick
from sidecar.core.verdict import Evidence, Outcome

UNIX = 1.7e9


def encode(reports, spread=SPREAD):
    """Encode reports (time, verdict, seconds it took) into entries."""
    entries, run = [], None
    for at, seen, took in reports:
        grown = run and extend_run(run, seen, at, took, spread)
        if grown is None:
            if run is not None:
                entries.append(run.entry)
            grown = begin_run("web", seen, at, took)
        run = grown
    return [*entries, run.entry]


def steady(count, every=5.0, outcome=Outcome.PASS, **more):
    """Reports at an even pace."""
    return [(UNIX + number * every, verdict(outcome, 0.0, **more), 0.01) for number in range(count)]


REPORTS = st.lists(
    st.tuples(
        st.floats(0.001, 60),
        st.sampled_from(Outcome),
        st.sampled_from([0.001, 0.002, 0.2, 0.3, 2.0]),
    ),
    min_size=1,
    max_size=60,
)


@given(REPORTS)
def test_no_verdict_is_farther_off_than_the_spread(reports):
    """Each verdict says what it said, and its time and its duration are off by ``SPREAD`` at most."""
    at, given_ = UNIX, []
    for pause, outcome, took in reports:
        at += pause
        given_.append((at, verdict(outcome, at), took))
    again = [pair for entry in encode(given_) for pair in spread_out(entry)]
    assert len(again) == len(given_)
    for (was, seen, took), (now, made) in zip(given_, again, strict=True):
        assert abs(now - was) <= SPREAD + 1e-6
        assert abs(made.observation.elapsed - took) <= SPREAD + 1e-6
        assert (made.outcome, made.evidence, made.reason) == (seen.outcome, seen.evidence, seen.reason)


@given(st.integers(0, 2**32 - 1), st.floats(0.0005, 0.2))
def test_a_calm_hour_is_a_dozen_entries(seed, took):
    """The ticks' jitter and a gateway that is now faster, now slower break no run: it ends when it is long enough."""
    at, reports = 1000.0, []
    while at < 4600.0:
        seconds = took * (1 + at % 1)
        reports.append((UNIX + at + seconds, verdict(Outcome.PASS, at), seconds))
        at = next_tick(at, 5.0, seed)
    assert len(encode(reports)) <= 3600 / LONGEST + 1


def test_the_first_and_the_last_are_exact():
    """What an entry shows of time is what was."""
    [entry] = encode(steady(7))
    assert (entry.at, entry.last, entry.count) == (UNIX, UNIX + 30.0, 7)
    assert (entry.fastest, entry.mean, entry.slowest) == (0.01, 0.01, 0.01)


@pytest.mark.parametrize(
    ("what", "other"),
    [
        ("outcome", verdict(Outcome.FAIL, 0.0)),
        ("reason", verdict(Outcome.PASS, 0.0, reason="another rule: found 200")),
    ],
    ids=["outcome", "rule"],
)
def test_a_change_begins_another_entry(what, other):
    """A verdict that says something else is not hidden in a row of others."""
    reports = [*steady(3), (UNIX + 15.0, other, 0.01)]
    assert [entry.count for entry in encode(reports)] == [3, 1], what


@pytest.mark.parametrize(
    ("outcome", "entries"), [(Outcome.PASS, 1), (Outcome.WARN, 1), (Outcome.UNKNOWN, 1), (Outcome.FAIL, 2)]
)
def test_only_of_a_failure_the_value_counts(outcome, entries):
    """How slow it is differs each time and begins no entry; whether it is 500 or 503 does."""
    evidence = Evidence.WRONG if outcome is Outcome.FAIL else None
    reports = [
        (UNIX + number * 5.0, verdict(outcome, 0.0, reason=f"a rule: found {500 + number}", evidence=evidence), 0.01)
        for number in range(2)
    ]
    assert len(encode(reports)) == entries


def test_another_sort_of_proof_begins_another_entry():
    """What decides about the cause is kept apart even where the words are the same."""
    reports = [
        (UNIX + number * 5.0, verdict(Outcome.FAIL, 0.0, evidence=evidence, reason="it fails"), 0.01)
        for number, evidence in enumerate((Evidence.SILENT, Evidence.WRONG))
    ]
    assert len(encode(reports)) == 2


def test_another_pace_begins_another_entry():
    """Three looks a second apart and then one each five seconds: no replay takes the three for slow ones."""
    quick = [(UNIX + number, verdict(Outcome.FAIL, 0.0), 0.001) for number in range(3)]
    slow = [(UNIX + 2 + 5.0 * number, verdict(Outcome.FAIL, 0.0), 0.001) for number in range(1, 4)]
    assert [entry.count for entry in encode([*quick, *slow])] == [3, 3]


def test_an_entry_covers_no_more_than_five_minutes():
    """What is not written yet is lost in a crash: so a row that never changes is written in pieces."""
    entries = encode(steady(121))
    assert [entry.count for entry in entries] == [61, 60]
    assert all(entry.last - entry.at <= LONGEST for entry in entries)


def test_an_entry_is_small_however_long_the_reason():
    """A reason of any length leaves an entry of some hundred bytes."""
    [entry] = encode([(UNIX, verdict(Outcome.FAIL, 0.0, reason="x" * 100_000), 0.01)])
    assert len(write_entry(entry)) < 1000
