"""From an observation to a verdict."""

import pytest

from sidecar.core.judge import judge
from sidecar.core.verdict import Evidence, Finding, Observation, Outcome


def seen(*findings, elapsed=0.01):
    """An observation with these findings."""
    return Observation(started=1.0, wall=2.0, elapsed=elapsed, findings=findings)


GOOD = Finding("status is 200", "200", holds=True)
BROKEN = Finding("status is 200", "503", holds=False)
DOUBT = Finding("the resolver answers", "EAI_AGAIN", False, Outcome.UNKNOWN, Evidence.OBSERVER)
WARNING = Finding("memory is at most 1 MiB", "2 MiB", holds=False, otherwise=Outcome.WARN)


@pytest.mark.parametrize(
    ("findings", "outcome"),
    [
        ((GOOD,), Outcome.PASS),
        ((GOOD, WARNING), Outcome.WARN),
        ((WARNING, DOUBT, GOOD), Outcome.UNKNOWN),
        ((WARNING, DOUBT, BROKEN), Outcome.FAIL),
        ((), Outcome.UNKNOWN),
    ],
)
def test_the_gravest_broken_rule_decides(findings, outcome):
    """Fail outweighs unknown, unknown outweighs warn, warn outweighs pass; no finding at all is unknown."""
    assert judge(seen(*findings)).outcome is outcome


def test_a_failure_shows_rule_and_observed_value():
    """The reason names what was expected and what was found."""
    assert judge(seen(GOOD, BROKEN)).reason == "status is 200: found 503"


def test_a_slow_pass_is_a_warning_and_a_slow_failure_stays_a_failure():
    """Slowness warns of an execution that passed; it never softens a failure."""
    assert judge(seen(GOOD, elapsed=0.9), slow=0.5).outcome is Outcome.WARN
    assert "at most 500 ms: found 900 ms" in judge(seen(GOOD, elapsed=0.9), slow=0.5).reason
    assert judge(seen(BROKEN, elapsed=0.9), slow=0.5).outcome is Outcome.FAIL


def test_evidence_comes_with_failures_and_doubts_only():
    """A pass or a warning carries no evidence of a failure."""
    assert judge(seen(BROKEN)).evidence is Evidence.WRONG
    assert judge(seen(DOUBT)).evidence is Evidence.OBSERVER
    assert judge(seen(WARNING)).evidence is None
