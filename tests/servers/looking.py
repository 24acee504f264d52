"""One look of a probe, made as the engine makes it, for the tests of kinds."""

import math
from collections.abc import Callable

import anyio
import pytest

from sidecar.clock import boottime
from sidecar.contract import GatewayPlan, Kind, OnFailure, Setting, Target
from sidecar.core.plan import ProbePlan
from sidecar.core.verdict import Verdict
from sidecar.engine import execute


@pytest.fixture
async def make_closed():
    """Make probes as ``make_probe`` does, which are closed at the end."""
    made = []

    def make(kind: Kind, **keys):
        made.append(make_probe(kind, **keys))
        return made[-1]

    yield make
    for probe in made:
        await probe.aclose()


def make_probe(
    kind: Kind,
    *,
    gateway: GatewayPlan | None = None,
    timeout: float = 10.0,
    look_again: Callable[[], None] = lambda: None,
    **keys,
):
    """Make a probe of this kind with these keys."""
    setting = Setting(
        name="tested",
        timeout=timeout,
        gateway=gateway or GatewayPlan(),
        gateway_process=lambda: None,
        user_agent="test",
        look_again=look_again,
    )
    return kind.probe(kind.spec(**keys), setting)


async def look(probe, *, within: float | None = None) -> Verdict:
    """Look once, under the probe's deadline or another; gives the one verdict.

    A machine that is busy may keep the deadline late, and that is no finding here.
    """
    plan = ProbePlan(
        name=probe.setting.name,
        kind="tested",
        target=Target.UPSTREAM,
        on_failure=OnFailure.OBSERVE,
        startup=False,
        timeout=probe.setting.timeout if within is None else within,
        spec=probe.spec,
    )
    verdicts: list[Verdict] = []
    with anyio.fail_after(60), pytest.MonkeyPatch.context() as patch:
        patch.setattr("sidecar.engine.LATE", math.inf)
        await execute(probe, plan, frozenset(), boottime, verdicts.append)
    (verdict,) = verdicts
    return verdict
