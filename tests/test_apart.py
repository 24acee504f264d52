"""Somebody else's probe: whatever it does, it ends for us when it is cut off."""

from contextlib import suppress

import anyio
import pytest
from builders import NoSpec
from servers.looking import look

from sidecar.apart import Apart
from sidecar.contract import Evidence, GatewayPlan, Outcome, Probe, ProbeFailure, Setting
from sidecar.engine import close

pytestmark = pytest.mark.anyio


class Scripted(Probe):
    """A probe whose look is a function."""

    def __init__(self, script):
        super().__init__(NoSpec(), SETTING)
        self.script = script
        self.closed = anyio.Event()

    async def observe(self, run):
        """Look as the script says."""
        await self.script(run)

    def beat(self, credential):
        """Take the right one."""
        return credential == b"right"

    async def aclose(self):
        """Note that the end has come."""
        self.closed.set()


SETTING = Setting(name="p", timeout=30, gateway=GatewayPlan(), gateway_process=lambda: None, user_agent="test")


def apart(script):
    """Set a probe with this look apart; returns both."""
    probe = Scripted(script)
    return Apart(probe.spec, SETTING, probe), probe


async def test_what_it_finds_is_found():
    """Findings, failures and accidents are judged as those of any other."""

    async def passes(run):
        run.expect("it is there", "yes", True)

    async def fails(_):
        raise ProbeFailure("it is there", "no", evidence=Evidence.REFUSED)

    async def breaks(_):
        raise ZeroDivisionError("no way")

    verdicts = [await look(apart(script)[0]) for script in (passes, fails, breaks)]
    assert [verdict.outcome for verdict in verdicts] == [Outcome.PASS, Outcome.FAIL, Outcome.UNKNOWN]
    assert verdicts[1].evidence is Evidence.REFUSED
    assert verdicts[2].reason == "the probe itself works: found ZeroDivisionError: no way"


async def test_one_that_cancels_itself_is_unknown():
    """It would end the task that runs it, and never look again."""

    async def cancels_itself(_):
        raise anyio.get_cancelled_exc_class()

    verdict = await look(apart(cancels_itself)[0])
    assert (verdict.outcome, verdict.reason) == (
        Outcome.UNKNOWN,
        "the probe itself works: found RuntimeError: it has cancelled itself",
    )


async def test_one_that_swallows_its_cancellation_is_left_behind_and_not_doubled():
    """Its deadline is a failure to reply; while that look goes on, the next ones cannot tell. Then it looks again."""
    release, looks = anyio.Event(), 0

    async def stubborn(run):
        nonlocal looks
        looks += 1
        while not release.is_set():
            with suppress(BaseException):
                await release.wait()
        run.expect("it is there", "yes", True)

    probe, inner = apart(stubborn)
    assert (await look(probe, within=0.02)).reason == "replies within 0.02 s: found nothing"
    verdict = await look(probe)
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert verdict.reason.startswith("the look before has ended: found it goes on past its deadline")
    assert looks == 1
    release.set()
    assert (await look(probe)).outcome is Outcome.PASS
    await close(probe)
    assert inner.closed.is_set()


async def test_a_look_that_was_cut_off_may_tidy_up():
    """Its cancellation arrives, and what it does then is waited for before the next look."""
    tidied = anyio.Event()

    async def tidies_up(run):
        if tidied.is_set():
            run.expect("it is there", "yes", True)
            return
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
            tidied.set()

    probe, _ = apart(tidies_up)
    assert (await look(probe, within=0.02)).outcome is Outcome.FAIL
    assert (await look(probe)).outcome is Outcome.PASS


async def test_a_farewell_without_an_end_is_left():
    """Within the time that every probe has."""
    probe, inner = apart(None)
    release = anyio.Event()

    async def stubborn():
        while not release.is_set():
            with suppress(BaseException):
                await release.wait()

    inner.aclose = stubborn
    await close(probe)
    assert not release.is_set()
    release.set()


async def test_reports_are_handed_on():
    """Whoever reports reaches the probe itself."""
    probe, _ = apart(None)
    assert [probe.beat(credential) for credential in (b"right", b"wrong")] == [True, False]
