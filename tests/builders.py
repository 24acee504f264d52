"""Short ways to plans, verdicts and processes, for tests of the core and of what reads its snapshots."""

from time import time

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.identity import GatewayProcess
from sidecar.core.notices.notice import Notice
from sidecar.core.notices.plan import NoticeKind
from sidecar.core.plan import DrainPlan, OnFailure, Plan, ProbePlan, Target
from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import Restorable, RollbackRecord
from sidecar.core.severity import Severity
from sidecar.core.verdict import Evidence, Observation, Outcome, Verdict


class NoSpec(Struct, frozen=True):
    """A kind without settings."""


def probe(name, *, target=Target.GATEWAY, on_failure=None, startup=True, **changes):
    """A probe's plan with the defaults of its target."""
    usual = OnFailure.DRAIN if target is Target.GATEWAY else OnFailure.DEGRADE
    return ProbePlan(
        name=name,
        kind="test",
        target=target,
        on_failure=on_failure or usual,
        startup=startup,
        spec=NoSpec(),
        **changes,
    )


def plan(*probes, **drain):
    """A plan with these probes and drain settings."""
    return Plan(probes=probes, drain=DrainPlan(**drain))


def verdict(outcome, at, *, evidence=None, reason="", elapsed=0.01):
    """A verdict on an observation that began at ``at``."""
    if evidence is None and outcome is Outcome.FAIL:
        evidence = Evidence.REFUSED
    if evidence is None and outcome is Outcome.UNKNOWN:
        evidence = Evidence.OBSERVER
    observation = Observation(started=at, wall=1.7e9 + at, elapsed=elapsed)
    return Verdict(outcome, reason or f"it is {outcome.value}", observation, evidence)


def notice(number=1, **changes):
    """A notice that the deployment is unhealthy; another number makes it another one."""
    usual = Notice(
        id=f"web-1:status:unhealthy:{number}",
        kind=NoticeKind.STATUS,
        topic="status",
        event="unhealthy",
        severity=Severity.ERROR,
        reach=Severity.ERROR,
        at=time(),
        since=time(),
        open=True,
        what=f"ready -> unhealthy ({number})",
        reasons=("gateway: status is 100-499: found 503",),
        cause="local",
        replica="web-1",
        release="2.7.1",
        does="readiness is 503",
        command="`sidecar status` shows what holds it",
    )
    return replace(usual, **changes)


def process(pid=100, started=0.0):
    """A process of the gateway."""
    return GatewayProcess("boot", pid, int(started * 100), started)


def rollback_record(phase, *, release="2", target="1", replica="a", asked=0, **changes):
    """What is written down of a rollback that has come so far."""
    return RollbackRecord(
        release=release,
        target=KnownGood(release=target, at=0.0),
        phase=phase,
        replica=replica,
        begun=0.0,
        seen=0.0,
        found=Restorable(f"d-{target}"),
        asked=asked,
        **changes,
    )
