"""The engine: schedules and deadlines, on a real event loop with small probes."""

import math
from asyncio import get_running_loop

import anyio
import pytest
from builders import NoSpec

from sidecar import engine
from sidecar.clock import boottime
from sidecar.contract import Evidence, Outcome, Probe, ProbeFailure, Setting
from sidecar.core.plan import GatewayPlan, OnFailure, Plan, ProbePlan, Target
from sidecar.core.schedule import GRID
from sidecar.engine import Engine, close, execute

pytestmark = pytest.mark.anyio


def planned(name="p", **changes):
    """A probe's plan that is due again at once."""
    usual = {
        "kind": "test",
        "target": Target.UPSTREAM,
        "on_failure": OnFailure.DEGRADE,
        "startup": True,
        "interval": 0.01,
        "fast_interval": 0.01,
        "timeout": 30.0,
        "spec": NoSpec(),
    }
    return ProbePlan(name=name, **{**usual, **changes})


class Scripted(Probe):
    """A probe whose look is a function; it remembers that it was closed."""

    def __init__(self, look):
        setting = Setting(name="p", timeout=1.0, gateway=GatewayPlan(), gateway_process=lambda: None, user_agent="test")
        super().__init__(NoSpec(), setting)
        self.look = look
        self.closed = anyio.Event()

    async def observe(self, run):
        """Look as the script says."""
        await self.look(run)

    async def aclose(self):
        """Note that the end has come."""
        self.closed.set()


class Reported(Scripted):
    """A probe that takes reports."""

    def beat(self, credential):
        """Take the right one, refuse the wrong one, and break at any other."""
        return {b"right": True, b"wrong": False}[credential]


@pytest.fixture
def _however_late(monkeypatch):
    """A machine that is busy may keep the deadline late: that is another test's matter."""
    monkeypatch.setattr("sidecar.engine.LATE", math.inf)


async def executed(look, plan=None, secrets=frozenset()):
    """The verdicts of one execution."""
    verdicts = []
    await execute(Scripted(look), plan or planned(), secrets, boottime, verdicts.append)
    return verdicts


async def passes(run):
    """Look, and find everything well."""
    run.expect("it is there", "yes", True)


async def hangs(_):
    """Look for ever."""
    await anyio.sleep_forever()


async def test_an_execution_is_judged_and_reported_once():
    """A look that ends gives one verdict with its duration."""
    [verdict] = await executed(passes)
    assert verdict.outcome is Outcome.PASS
    assert verdict.observation.elapsed >= 0


@pytest.mark.usefixtures("_however_late")
async def test_a_silent_target_fails_at_the_deadline_and_says_how_far_it_came():
    """What the notebook holds at the deadline is kept; a target that never replied is silent."""

    async def connects_and_hangs(run):
        run.phase("connect")
        await anyio.sleep_forever()

    [verdict] = await executed(connects_and_hangs, planned(timeout=0.02))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.evidence is Evidence.SILENT
    assert verdict.reason == "replies within 0.02 s: found nothing after connect"
    assert [phase.name for phase in verdict.observation.phases] == ["connect"]


@pytest.mark.usefixtures("_however_late")
async def test_a_target_that_began_to_reply_is_not_silent():
    """A reply that was begun and not ended may wait for somebody else: it is no proof of a local fault by itself."""

    async def replies_and_hangs(run):
        run.phase("first_byte")
        await anyio.sleep_forever()

    [verdict] = await executed(replies_and_hangs, planned(timeout=0.02))
    assert verdict.evidence is Evidence.WRONG


@pytest.mark.usefixtures("_however_late")
async def test_a_probe_that_swallows_its_cancellation_delays_no_verdict():
    """The deadline is kept from outside: the verdict is there although the probe goes on."""
    release = anyio.Event()
    verdicts = []
    reported = anyio.Event()

    async def stubborn(_):
        with anyio.CancelScope(shield=True):
            await release.wait()

    def report(verdict):
        verdicts.append(verdict)
        reported.set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(execute, Scripted(stubborn), planned(timeout=0.02), frozenset(), boottime, report)
        await reported.wait()
        assert not release.is_set()
        release.set()
    assert [verdict.outcome for verdict in verdicts] == [Outcome.FAIL]


async def test_a_probe_that_raises_is_unknown_and_never_a_failure():
    """A broken probe says nothing about its target."""

    async def broken(_):
        raise ZeroDivisionError("division by zero")

    [verdict] = await executed(broken)
    assert verdict.outcome is Outcome.UNKNOWN
    assert verdict.evidence is Evidence.OBSERVER
    assert "ZeroDivisionError" in verdict.reason


async def test_a_failure_raised_from_deep_down_keeps_its_evidence():
    """``ProbeFailure`` is a finding, not an accident."""

    async def refused(_):
        raise ProbeFailure("a connection is accepted", "refused", evidence=Evidence.REFUSED)

    [verdict] = await executed(refused)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)


async def test_secrets_are_taken_out_of_every_text():
    """Whatever a probe writes down, no secret of the configuration leaves the engine."""

    async def leaks(run):
        run.note("url", "redis://:hunter2@cache")
        run.expect("hunter2 works", "hunter2 refused", False)
        run.expect("it is short", "x" * 297 + "hunter2", False)
        raise RuntimeError("hunter2 is in an exception")

    [verdict] = await executed(leaks, secrets=frozenset({"hunter2"}))
    assert "hun" not in repr(verdict)


async def test_a_loop_that_was_held_up_makes_the_verdict_unknown(monkeypatch):
    """When the deadline itself comes late, the observer was starved: that is no fault of the target."""
    loop = get_running_loop()
    jump = 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + jump)

    async def hangs_while_time_jumps(_):
        nonlocal jump
        jump = 10.0
        await anyio.sleep_forever()

    [verdict] = await executed(hangs_while_time_jumps, planned(timeout=1.0))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)


class Bench:
    """An engine with scripted probes, whose reports are waited for."""

    def __init__(self, looks, *, reported=()):
        self.looks = looks
        self.reported = reported
        self.made = {}
        self.late = []
        self.send, self.reports = anyio.create_memory_object_stream(10_000)
        self.engine = Engine(
            make_probe=self.make,
            report=lambda plan, verdict: self.send.send_nowait((plan.name, verdict.outcome)),
            delay=lambda plan: plan.interval,
            late=self.late.append,
            note_lag=lambda _: None,
            clock=boottime,
            seed=1,
        )

    def make(self, plan, look_again):
        """Make the scripted probe of this plan."""
        kind = Reported if plan.name in self.reported else Scripted
        self.made[plan.name] = kind(self.looks[plan.name])
        self.made[plan.name].look_again = look_again
        return self.made[plan.name]

    async def until(self, name):
        """Wait for a report of this probe."""
        with anyio.fail_after(20):
            while (report := await self.reports.receive())[0] != name:
                pass
        return report[1]

    async def __aenter__(self):
        await self.engine.__aenter__()
        return self

    async def __aexit__(self, *error):
        try:
            return await self.engine.__aexit__(*error)
        finally:
            self.send.close()
            self.reports.close()


async def test_no_probe_delays_another():
    """A probe that hangs and one that swallows cancellation leave a third its pace."""
    release = anyio.Event()

    async def stubborn(_):
        with anyio.CancelScope(shield=True):
            await release.wait()

    async with Bench({"hangs": hangs, "stubborn": stubborn, "well": passes}) as bench:
        bench.engine.replan(Plan(probes=(planned("hangs"), planned("stubborn"), planned("well"))))
        for _ in range(5):
            assert await bench.until("well") is Outcome.PASS
        release.set()


async def test_a_reload_leaves_unchanged_probes_alone_and_closes_those_that_went():
    """The one that stays is the same object; the one that went is closed; the changed one is made anew."""
    async with Bench({"stays": passes, "goes": passes, "changes": passes}) as bench:
        bench.engine.replan(Plan(probes=(planned("stays"), planned("goes"), planned("changes"))))
        for name in ("stays", "goes", "changes"):
            await bench.until(name)
        before = dict(bench.made)
        bench.engine.replan(Plan(probes=(planned("stays"), planned("changes", interval=0.02))))
        with anyio.fail_after(20):
            await before["goes"].closed.wait()
            await before["changes"].closed.wait()
        await bench.until("changes")
        assert bench.made["stays"] is before["stays"]
        assert not before["stays"].closed.is_set()


async def test_probes_can_be_run_at_once():
    """Who waits an hour for the next tick runs now when asked to."""
    plan = planned("slow", interval=3600.0)
    async with Bench({"slow": passes}) as bench:
        bench.engine.replan(Plan(probes=(plan,)))
        await bench.until("slow")
        await anyio.wait_all_tasks_blocked()
        bench.engine.probe_now(Target.GATEWAY)
        await anyio.wait_all_tasks_blocked()
        bench.engine.probe_now(Target.UPSTREAM)
        await bench.until("slow")


async def test_many_probes_begin_on_several_ticks(monkeypatch):
    """Those for which no place is left on the first tick begin on the next, and do not crowd that one for ever."""
    monkeypatch.setattr(engine, "CONCURRENCY", 2)
    loop = get_running_loop()
    looked = {}

    def notes(name):
        async def look(run):
            looked[name] = loop.time()
            await passes(run)

        return look

    names = ("a", "b", "c", "d", "e")
    async with Bench({name: notes(name) for name in names}) as bench:
        began = loop.time()
        bench.engine.replan(Plan(probes=tuple(planned(name, interval=3600.0) for name in names)))
        await bench.until("e")
    for name, ticks in zip(names, (0, 0, 1, 1, 2), strict=True):
        assert looked[name] - began >= ticks * GRID


async def test_a_report_reaches_the_probe_that_it_names():
    """The probe has the last word; unknown names, kinds that take no reports, and kinds that break take none."""
    async with Bench({"takes": passes, "plain": passes}, reported=("takes",)) as bench:
        bench.engine.replan(Plan(probes=(planned("plain"), planned("takes"))))
        beat = bench.engine.beat
        assert [beat("takes", credential) for credential in (b"right", b"wrong", b"breaks")] == [True, False, False]
        assert [beat(name, b"right") for name in ("plain", "absent", "")] == [False, False, False]


async def test_a_long_sleep_past_its_time_is_told_as_late(monkeypatch):
    """A loop that wakes seconds too late has missed what happened meanwhile; that is told once, not for each probe."""
    loop = get_running_loop()
    jump = 0.0
    real = loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + jump)
    async with Bench({"p": passes, "q": passes}) as bench:
        bench.engine.replan(Plan(probes=(planned("p", interval=100.0), planned("q", interval=100.0))))
        for name in ("p", "q"):
            await bench.until(name)
        await anyio.wait_all_tasks_blocked()
        jump = 150.0
        bench.engine.probe_now(Target.UPSTREAM)
        for name in ("p", "q"):
            await bench.until(name)
        assert len(bench.late) == 1
        assert bench.late[0] > 40.0


async def test_a_probe_that_cannot_be_closed_is_left_behind():
    """Closing is bounded, and its errors lead nowhere."""
    probe = Scripted(passes)

    async def fails():
        raise OSError("already gone")

    probe.aclose = fails
    await close(probe)


async def test_every_probe_is_closed_when_the_engine_ends():
    """Nothing that a probe holds outlives the engine."""
    async with Bench({"a": passes, "b": hangs}) as bench:
        bench.engine.replan(Plan(probes=(planned("a"), planned("b"))))
        await bench.until("a")
    assert all(probe.closed.is_set() for probe in bench.made.values())


async def test_a_probe_can_ask_for_a_look_between_two_ticks():
    """Who waits an hour for the next tick looks at once when its probe has noticed something."""
    async with Bench({"held": passes}) as bench:
        bench.engine.replan(Plan(probes=(planned("held", interval=3600.0),)))
        await bench.until("held")
        await anyio.wait_all_tasks_blocked()
        bench.made["held"].look_again()
        await bench.until("held")


async def test_a_probe_that_asks_all_the_time_causes_no_storm():
    """However often it asks, one look is granted at once and the next after ``fast_interval``."""
    async with Bench({"held": passes, "clock": passes}) as bench:
        plan = planned("held", interval=3600.0, fast_interval=3600.0)
        bench.engine.replan(Plan(probes=(plan, planned("clock"))))
        await bench.until("held")
        await anyio.wait_all_tasks_blocked()
        bench.made["held"].look_again()
        await bench.until("held")
        looks = []
        for _ in range(20):
            bench.made["held"].look_again()
            looks.append((await bench.reports.receive())[0])
        assert set(looks) == {"clock"}
