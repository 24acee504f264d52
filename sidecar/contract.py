"""All that the author of a probe sees.

A kind of probe is one file: a ``Spec`` (its keys in TOML, a frozen msgspec struct), a ``Probe`` that looks and
writes what it saw into a ``Run``, and a ``KIND`` that ties the two together. A probe reports facts; it never says
what they mean for the deployment. The caller owns the deadline: a probe needs no time-out of its own.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

from sidecar.core.identity import GatewayProcess
from sidecar.core.plan import GatewayPlan, OnFailure, Target
from sidecar.core.quantities import Duration, Secret, Size
from sidecar.core.redact import redact
from sidecar.core.verdict import Evidence, Finding, Observation, Outcome, Phase

__all__ = [
    "Duration",
    "Evidence",
    "GatewayPlan",
    "GatewayProcess",
    "Kind",
    "Memo",
    "OnFailure",
    "Outcome",
    "PassingMemo",
    "Probe",
    "ProbeFailure",
    "Run",
    "Secret",
    "Setting",
    "Size",
    "Target",
]

S = TypeVar("S", bound=Struct)

_NOTES_AT_MOST = 32
_TEXT_AT_MOST = 300
_TEXT_READ = 8192


class Memo(ABC):
    """One short text that a probe leaves for itself. Nobody else reads it."""

    lasting: bool
    """It outlives the sidecar."""

    @abstractmethod
    async def read(self) -> str:
        """Give what was written last; empty if nothing ever was. Raises ``OSError``."""

    @abstractmethod
    async def write(self, text: str) -> None:
        """Put a text in place of the last one, whole or not at all. Raises ``OSError``."""


class PassingMemo(Memo):
    """Lasts as long as the probe."""

    lasting = False

    def __init__(self) -> None:
        self._text = ""

    async def read(self) -> str:
        """Give the text."""
        return self._text

    async def write(self, text: str) -> None:
        """Keep the text."""
        self._text = text


def _look_in_time() -> None:
    """Leave it to the schedule."""


class Setting(Struct, frozen=True, kw_only=True):
    """Where a probe runs, and what it may know about its surroundings."""

    name: str
    timeout: float
    """The deadline of one execution in seconds, kept by the caller."""
    gateway: GatewayPlan
    gateway_process: Callable[[], GatewayProcess | None]
    """The gateway's process as known now; None while it is not found or not proven."""
    user_agent: str
    look_again: Callable[[], None] = _look_in_time
    """Ask to be executed at once, because something has happened between two looks. Bounded: no storm follows."""
    memo: Memo = field(default_factory=PassingMemo)
    """For the little that a kind must not forget; most kinds need none."""


class ProbeFailure(Exception):  # noqa: N818 - it is the finding that failed, not the program
    """Ends an execution with a finding that does not hold, from however deep."""

    def __init__(
        self,
        rule: str,
        observed: object,
        *,
        otherwise: Outcome = Outcome.FAIL,
        evidence: Evidence = Evidence.WRONG,
    ) -> None:
        super().__init__(f"{rule}: found {observed}")
        self.rule = rule
        self.observed = observed
        self.otherwise = otherwise
        self.evidence = evidence


class Run:
    """The notebook of one execution. What stands in it survives when the deadline ends the execution.

    No secret of the configuration can be written into it.
    """

    def __init__(self, secrets: frozenset[str] = frozenset()) -> None:
        self._secrets = secrets
        self._findings: list[Finding] = []
        self._phases: list[Phase] = []
        self._notes: dict[str, str | int | float] = {}
        self._mark = time.perf_counter()

    def expect(
        self,
        rule: str,
        observed: object,
        holds: bool,  # noqa: FBT001 - the one thing a reader looks for
        *,
        otherwise: Outcome = Outcome.FAIL,
        evidence: Evidence = Evidence.WRONG,
    ) -> bool:
        """Hold a rule against an observed value and write down both; returns ``holds``."""
        self._findings.append(Finding(self._clean(rule), self._clean(observed), holds, otherwise, evidence))
        return holds

    def record(self, failure: ProbeFailure) -> None:
        """Write down a failure that was raised."""
        self.expect(failure.rule, failure.observed, False, otherwise=failure.otherwise, evidence=failure.evidence)

    def phase(self, name: str) -> None:
        """End a timed part: the time since the previous mark (or the start) was ``name``."""
        now = time.perf_counter()
        self._phases.append(Phase(name, now - self._mark))
        self._mark = now

    def note(self, name: str, value: str | float) -> None:
        """Write down a further value for the reader, such as a version."""
        if len(self._notes) < _NOTES_AT_MOST:
            self._notes[name] = self._clean(value) if isinstance(value, str) else value

    def last_phase(self) -> str | None:
        """Name the last part that ended, to tell how far an execution came."""
        return self._phases[-1].name if self._phases else None

    def _clean(self, value: object) -> str:
        """Take secrets out, then cut: a secret that was cut first would not be known any more."""
        text = value if isinstance(value, str) else repr(value) if isinstance(value, bytes) else str(value)
        text = redact(text[:_TEXT_READ], self._secrets)
        text = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text[: _TEXT_AT_MOST + 1])
        return text if len(text) <= _TEXT_AT_MOST else text[:_TEXT_AT_MOST] + "…"

    def observation(self, *, started: float, wall: float, elapsed: float) -> Observation:
        """Close the notebook into facts."""
        return Observation(
            started=started,
            wall=wall,
            elapsed=elapsed,
            findings=tuple(self._findings),
            phases=tuple(self._phases),
            notes=dict(self._notes),
        )


class Probe(ABC, Generic[S]):
    """One configured probe. It may hold a connection or a memory between executions, but starts no work by itself."""

    def __init__(self, spec: S, setting: Setting) -> None:
        self.spec = spec
        self.setting = setting

    @abstractmethod
    async def observe(self, run: Run) -> None:
        """Look once and write what was seen into ``run``.

        Raise ``ProbeFailure`` for a failure found deep down. Any other exception makes the verdict ``unknown``:
        a broken probe says nothing about its target. Cancellation means that the deadline has passed.
        """

    def beat(self, credential: bytes) -> bool:  # noqa: ARG002 - for kinds that are reported to
        """Take a report from whoever asked the health port to hand it over; tell whether it shows the right credential.

        Called between and during executions. A kind that nobody reports to takes none.
        """
        return False

    async def aclose(self) -> None:
        """Let go of what is held. Called once, after the last execution, within a deadline."""


def _upstream(spec: Any, gateway: GatewayPlan) -> Target:  # noqa: ARG001
    return Target.UPSTREAM


def _as_it_is(spec: Any) -> Any:
    return spec


class Kind(Struct, Generic[S], frozen=True):
    """A kind of probe, as ``[probes.NAME] kind = "..."`` names it."""

    name: str
    spec: type[S]
    probe: Callable[[S, Setting], Probe[S]]
    on_failure: OnFailure = OnFailure.DEGRADE
    """The default when the probe looks at an upstream; for the gateway it is ``drain``."""
    target: Callable[[S, GatewayPlan], Target] = _upstream
    """Whom a probe with these settings looks at."""
    harmless: Callable[[S], S | None] = _as_it_is
    """Make of a spec one for a look that changes nothing and costs nothing, for ``sidecar preflight``; None where there
    is none."""
