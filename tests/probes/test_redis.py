"""The ``redis`` kind against real servers."""

import anyio
import pytest
from servers.redis import RedisServer

from probes.redis import KIND, RedisProbe, Spec
from sidecar.contract import Evidence, GatewayPlan, OnFailure, Outcome, ProbeFailure, Run, Setting, Target
from sidecar.core.judge import judge
from sidecar.core.verdict import Verdict

pytestmark = pytest.mark.anyio


@pytest.fixture
async def probe_of():
    """Make probes that are closed at the end, as the engine does."""
    made = []

    def make(url, **keys):
        setting = Setting(
            name="cache", timeout=2, gateway=GatewayPlan(), gateway_process=lambda: None, user_agent="test"
        )
        made.append(RedisProbe(Spec(url=url, **keys), setting))
        return made[-1]

    yield make
    for probe in made:
        await probe.aclose()


async def look(probe: RedisProbe, within: float = 10) -> Verdict:
    """Look once and judge what was seen; a look that takes too long is cancelled, as by the engine."""
    run = Run()
    try:
        with anyio.fail_after(within):
            await probe.observe(run)
    except ProbeFailure as failure:
        run.record(failure)
    return judge(run.observation(started=0, wall=0, elapsed=0))


def phases(verdict: Verdict) -> list[str]:
    """The timed parts, in order."""
    return [phase.name for phase in verdict.observation.phases]


async def count_clients(server: RedisServer) -> int:
    """Ask the server how many connections it has beside the one that asks."""
    return (await tell(server, "CLIENT", "LIST")).count(b"addr=") // 2 - 1
