"""Thresholds, latches and causes, as tables."""

import pytest
from builders import probe, verdict

from sidecar.core.health import CheckState, cause_of, is_undecided, new_check, stale_at, step_check
from sidecar.core.verdict import Cause, Evidence, Outcome

P, W, F, U = Outcome.PASS, Outcome.WARN, Outcome.FAIL, Outcome.UNKNOWN
PLAN = probe("web", failure_threshold=3, success_threshold=2)


def stepped(outcomes, plan=PLAN, cause=Cause.LOCAL):
    """A check after these outcomes, one a second."""
    check = new_check(plan, 0.0)
    for second, outcome in enumerate(outcomes, start=1):
        proven = cause if outcome is F else None
        check = step_check(check, verdict(outcome, float(second)), proven, plan, float(second))
    return check


@pytest.mark.parametrize(
    ("outcomes", "state", "undecided"),
    [
        ([], CheckState.PENDING, True),
        ([P], CheckState.PENDING, True),
        ([P, P], CheckState.PASSING, False),
        ([P, W], CheckState.PASSING, False),
        ([P, P, F, F], CheckState.PASSING, True),
        ([P, P, F, F, F], CheckState.FAILING, False),
        ([P, P, F, F, P, F, F], CheckState.PASSING, True),
        ([P, P, F, F, U, F], CheckState.FAILING, False),
        ([F, F, F], CheckState.FAILING, False),
        ([F, F, F, P], CheckState.FAILING, True),
        ([F, F, F, P, P], CheckState.PASSING, False),
        ([F, F, F, U, U], CheckState.FAILING, False),
        ([P, P, U, U, U, U], CheckState.PASSING, False),
    ],
)
def test_thresholds_decide_on_consecutive_verdicts_and_unknown_counts_for_neither(outcomes, state, undecided):
    """Three failures or two successes in a row decide; unknown neither counts nor interrupts."""
    check = stepped(outcomes)
    assert check.state is state
    assert is_undecided(check) is undecided


@pytest.mark.parametrize(
    ("outcomes", "latched"), [([P], False), ([P, P], True), ([P, P, F, F, F], True), ([U, U, U], False)]
)
def test_a_check_latches_once_it_has_passed_and_never_on_unknown(outcomes, latched):
    """A latch needs a decided pass, and stays."""
    assert stepped(outcomes).latched is latched


@pytest.mark.parametrize(
    ("outcomes", "since"),
    [([F, F, F], 1.0), ([F, P, F, F], 3.0), ([F, F, U, F], 4.0), ([F, F, W], None), ([F, U], None)],
)
def test_local_failure_is_unbroken_only_without_a_pass_a_warning_or_an_unknown_between(outcomes, since):
    """The moment from which ``drain_after`` counts is the first of an unbroken row of failures."""
    assert stepped(outcomes).local_since == since


def test_a_failure_without_proven_cause_breaks_the_row():
    """Only failures that are each proven local add up to a local failure."""
    assert stepped([F, F, F], cause=None).local_since is None


def test_unknown_verdicts_do_not_renew_what_is_known():
    """What is known grows stale while verdicts are unknown."""
    plan = probe("web", stale_after=30.0)
    check = stepped([P, U, U, U], plan)
    assert stale_at(check, plan) == 1.0 + 30.0


@pytest.mark.parametrize(
    ("evidence", "alone", "with_sick_upstream"),
    [
        (Evidence.GONE, Cause.LOCAL, Cause.LOCAL),
        (Evidence.REFUSED, Cause.LOCAL, Cause.LOCAL),
        (Evidence.SILENT, Cause.LOCAL, Cause.LOCAL),
        (Evidence.WRONG, Cause.LOCAL, None),
        (Evidence.LIMIT, Cause.LOCAL, None),
        (Evidence.MISCONFIGURED, None, None),
        (Evidence.OBSERVER, Cause.OBSERVER, Cause.OBSERVER),
    ],
)
def test_a_cause_is_local_only_with_local_evidence(evidence, alone, with_sick_upstream):
    """A wrong reply is the gateway's own fault only while every upstream passes; 404 proves nothing."""
    failed = verdict(F, 1.0, evidence=evidence)
    assert cause_of(failed, upstreams_pass=True) is alone
    assert cause_of(failed, upstreams_pass=False) is with_sick_upstream
