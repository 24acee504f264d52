"""Hindsight: the past beside what would have been."""

import pytest
from builders import plan, probe

from sidecar.core.drain import DrainStep
from sidecar.core.errors import SidecarError
from sidecar.core.journal.entries import (
    DrainAdvanced,
    GatewayAppeared,
    Lost,
    Process,
    SidecarRuns,
    SidecarStarted,
    Told,
    Verdicts,
    Watched,
)
from sidecar.core.journal.hindsight import Row, Sort, look_back
from sidecar.core.plan import Target
from sidecar.core.verdict import Evidence, Outcome

T0 = 1.7e9


def watched(name="web", **changes):
    """A probe as it was watched."""
    usual = {"kind": "http", "target": Target.GATEWAY, "interval": 5.0, "fast_interval": 1.0, "timeout": 2.0}
    return Watched(name=name, **(usual | changes))


def verdicts(first, last, outcome=Outcome.PASS, count=None):
    """Verdicts from second to second."""
    return Verdicts(
        at=T0 + first,
        last=T0 + last,
        count=count or last - first + 1,
        probe="web",
        outcome=outcome,
        evidence=Evidence.REFUSED if outcome is Outcome.FAIL else None,
        reason=f"it is {outcome}",
        fastest=0.01,
        mean=0.01,
        slowest=0.01,
    )


def status(at, before, after, *reasons):
    """A change of status that was told."""
    severity = "error" if after == "unhealthy" else "info"
    return Told(
        at=T0 + at, kind="status_changed", severity=severity, message="", before=before, after=after, evidence=reasons
    )


def drain_step(at, step):
    """A step of the drain's actor."""
    return DrainAdvanced(at=T0 + at, step=step)


START = SidecarStarted(at=T0, plan="p", probes=(watched(),), replica="r1", version="0")
APPEARED = GatewayAppeared(at=T0 + 0.1, process=Process(100, 5000, T0 - 1000))
PAST = [
    START,
    APPEARED,
    verdicts(1, 20),
    verdicts(21, 60, Outcome.FAIL),
    verdicts(61, 100),
    status(1, "starting", "ready"),
    status(23, "ready", "unhealthy", "web: refused"),
    Told(at=T0 + 33, kind="drain_begun", severity="warning", message="draining process 100: refused"),
    drain_step(35, DrainStep.QUIESCE),
    drain_step(36, DrainStep.SIGNAL),
    drain_step(61.5, DrainStep.FINISH),
    status(61.5, "unhealthy", "ready"),
]
"""Forty seconds of refused connections, in which the gateway was drained and did not go."""


def look(failure_threshold=3, **drain):
    """Look back at it under other rules."""
    usual = {"drain_after": 12.0, "min_uptime": 0.0, "lame_duck": 2.0, "quiesce": 4.0}
    rules = plan(probe("web", failure_threshold=failure_threshold), **(usual | drain))
    return look_back(PAST, rules, [watched()])


def test_the_same_rules_give_the_same():
    """What happened would have happened."""
    seen = look()
    assert seen.past == seen.simulated
    assert (seen.past.drains, seen.past.losses, seen.past.unready, seen.past.pages) == (1, 1, 38.5, 1)
    assert [(row.at - T0, row.sort, row.past, row.simulated) for row in seen.rows] == [
        (23.0, Sort.UNREADY, True, True),
        (23.0, Sort.PAGE, True, True),
        (33.0, Sort.DRAIN, True, True),
    ]


def test_what_other_rules_spare_and_what_they_cost():
    """A threshold of ten is slower to see it, and a patience of a minute spares the drain."""
    seen = look(10, drain_after=60.0)
    assert (seen.simulated.drains, seen.simulated.losses, seen.simulated.unready) == (0, 1, 31.0)
    assert [(row.at - T0, row.past, row.simulated) for row in seen.rows if row.sort is Sort.UNREADY] == [
        (23.0, True, False),
        (30.0, False, True),
    ]
    assert Row(T0 + 33.0, Sort.DRAIN, past=True, simulated=False, why="draining process 100: refused") in seen.rows


def test_why_is_the_reason_that_decided():
    """A loss of readiness names rule and value."""
    [row] = [row for row in look().rows if row.sort is Sort.UNREADY]
    assert row.why == "web: refused"


def test_an_outage_that_lasts_is_counted_to_the_end():
    """Readiness that never came back was lost until the journal ends."""
    rules = plan(probe("web"), drain_after=900.0)
    seen = look_back([START, APPEARED, verdicts(1, 20), verdicts(21, 60, Outcome.FAIL)], rules, [watched()])
    assert seen.simulated.unready == 37.0


def test_its_span_and_size_are_told():
    """From the first entry to the last verdict."""
    seen = look()
    assert (seen.begin - T0, seen.end - T0, seen.verdicts) == (0.0, 100.0, 100)


@pytest.mark.parametrize(
    ("entries", "probes", "remark"),
    [
        ([], [watched(), watched("new")], "new: the journal has never seen this probe, so it is left out"),
        ([], [], "web: the configuration does not have this probe, so what it saw is left out"),
        (
            [],
            [watched(interval=1.0)],
            "web: interval was 5 s and is 1 s now, which cannot be simulated: "
            "the evidence was gathered with the former",
        ),
        (
            [],
            [watched(slow=0.5)],
            "web: slow was not given and is 0.5 s now, which cannot be simulated: "
            "the evidence was gathered with the former",
        ),
        (
            [],
            [watched(settings="other")],
            "web: it looks for something else than it did; the journal has what it saw then",
        ),
        ([Lost(at=T0, count=7)], [watched()], "7 entries could not be kept at the time, and are missing"),
    ],
)
def test_what_cannot_be_simulated_is_said(entries, probes, remark):
    """A different interval, another probe, missing entries: the evidence is what it is."""
    assert look_back([*PAST, *entries], plan(probe("web")), probes).remarks == (remark,)


def test_a_beginning_that_is_gone_is_said():
    """The first minutes tell little then."""
    says = SidecarRuns(at=T0, plan="p", probes=(watched(),))
    assert look_back([says, verdicts(1, 5)], plan(probe("web")), [watched()]).remarks == (
        "the journal begins in the middle of a run: the first minutes tell little",
    )


@pytest.mark.parametrize("entries", [[], [START], [verdicts(1, 5)]], ids=["empty", "no verdicts", "nobody watched"])
def test_a_journal_that_says_nothing_is_refused(entries):
    """Neither silence nor verdicts of nobody knows whom can be replayed."""
    with pytest.raises(SidecarError, match="it does not say who was watched, and what was seen"):
        look_back(entries, plan(probe("web")), [watched()])


def test_a_journal_that_claims_too_much_is_refused():
    """Some lines must not keep a processor busy for ever."""
    claims = [verdicts(1, 5, count=100_000) for _ in range(101)]
    with pytest.raises(SidecarError, match="it claims 10100000 verdicts: expected at most 10000000"):
        look_back([START, *claims], plan(probe("web")), [watched()])
