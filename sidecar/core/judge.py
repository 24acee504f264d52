"""From an observation to a verdict."""

from sidecar.core.verdict import Evidence, Finding, Observation, Outcome, Verdict

_GRAVITY = (Outcome.FAIL, Outcome.UNKNOWN, Outcome.WARN)
"""Gravest first. A proven failure outweighs a doubt, a doubt outweighs a warning."""


def judge(observation: Observation, slow: float | None = None) -> Verdict:
    """Judge the facts of one execution.

    The gravest broken rule decides; among equals, the first that was found. ``slow`` (seconds) warns of an
    execution that passed but took longer. An observation without a single finding proves nothing: unknown.
    """
    if not observation.findings:
        return Verdict(Outcome.UNKNOWN, "the probe reported no finding", observation, Evidence.OBSERVER)
    for outcome in _GRAVITY:
        for finding in observation.findings:
            if not finding.holds and finding.otherwise is outcome:
                evidence = None if outcome is Outcome.WARN else finding.evidence
                return Verdict(outcome, word(finding), observation, evidence)
    if slow is not None and observation.elapsed > slow:
        took = f"total is at most {milliseconds(slow)}: found {milliseconds(observation.elapsed)}"
        return Verdict(Outcome.WARN, took, observation)
    return Verdict(Outcome.PASS, word(observation.findings[-1]), observation)


def word(finding: Finding) -> str:
    """Put rule and observed value into one line: "status is 200-299: found 503"."""
    return f"{finding.rule}: found {finding.observed}" if finding.observed else finding.rule


def milliseconds(seconds: float) -> str:
    """Write a duration for people, in milliseconds."""
    return f"{seconds * 1000:.0f} ms" if seconds >= 0.01 else f"{seconds * 1000:.2f} ms"
