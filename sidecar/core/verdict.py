"""What a probe saw (observation), and what that means (verdict)."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct


class Outcome(StrEnum):
    """What one execution of a probe proves about its target."""

    PASS = "pass"  # noqa: S105 - no password
    WARN = "warn"
    FAIL = "fail"
    UNKNOWN = "unknown"
    """The observer could not tell. Changes no count, satisfies nothing, condemns nothing."""


class Evidence(StrEnum):
    """Of what sort the proof of a failure is: it decides whose fault the failure can be."""

    GONE = "gone"
    """The process does not exist any more."""
    REFUSED = "refused"
    """The connection was refused: nobody listens."""
    SILENT = "silent"
    """No reply before the deadline, or the connection was cut before one."""
    WRONG = "wrong"
    """A reply that contradicts a rule: 5xx, body, JSON-RPC error."""
    LIMIT = "limit"
    """A resource of the process is over a limit that was declared to fail."""
    MISCONFIGURED = "misconfigured"
    """The reply names a misconfigured probe (401, 403, 404, 406): it proves nothing about the target."""
    OBSERVER = "observer"
    """The sidecar itself was starved, cut off, or mistaken."""


class Cause(StrEnum):
    """Where a failure comes from, as far as it is proven."""

    LOCAL = "local"
    """This replica."""
    SHARED = "shared"
    """Most of the fleet sees it."""
    OBSERVER = "observer"
    """The sidecar itself is starved or cut off."""


class Finding(Struct, frozen=True):
    """One rule held against one observed value."""

    rule: str
    """The rule in words, as the operator would say it: "status is 200-299"."""
    observed: str
    holds: bool
    otherwise: Outcome = Outcome.FAIL
    """What it means when the rule does not hold."""
    evidence: Evidence = Evidence.WRONG


class Phase(Struct, frozen=True):
    """One timed part of an execution, such as ``connect``; seconds."""

    name: str
    seconds: float


class Observation(Struct, frozen=True, kw_only=True):
    """The facts of one execution. It holds no opinion about health."""

    started: float
    """When the execution began, in seconds of the clock that counts suspension (CLOCK_BOOTTIME)."""
    wall: float
    """The same moment as Unix time: for people, never for arithmetic."""
    elapsed: float
    """Duration in seconds."""
    findings: tuple[Finding, ...] = ()
    phases: tuple[Phase, ...] = ()
    notes: Mapping[str, str | int | float] = {}
    """Further values seen (a version, a size), shown to the authorised."""


class Verdict(Struct, frozen=True):
    """The judgement on one observation, with a reason that shows rule and observed value."""

    outcome: Outcome
    reason: str
    observation: Observation
    evidence: Evidence | None = None
    """Of what sort the proof is, when the outcome is ``fail`` or ``unknown``."""
