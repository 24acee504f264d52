"""Runs the probes: each on its schedule, each under a deadline that is kept from outside."""

from asyncio import Future, TimerHandle, get_running_loop
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from math import inf
from time import time
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from sidecar.contract import Probe, ProbeFailure, Run
from sidecar.core.judge import judge
from sidecar.core.plan import Plan, ProbePlan, Target
from sidecar.core.schedule import GRID, next_tick
from sidecar.core.verdict import Evidence, Outcome, Verdict

CONCURRENCY = 128
"""How many executions may be under way at once."""

LATE = 0.25
"""An event loop that is later than this part of a probe's deadline, or of a second, has missed too much to judge."""

CLOSE_WITHIN = 1.0
"""Seconds that a probe has to let go of what it holds."""


class Engine:
    """Keeps one long-lived task a probe. ``async with`` it; ``replan`` says what is to run."""

    def __init__(
        self,
        *,
        make_probe: Callable[[ProbePlan, Callable[[], None]], Probe[Any]],
        report: Callable[[ProbePlan, Verdict], None],
        delay: Callable[[ProbePlan], float],
        late: Callable[[float], None],
        note_lag: Callable[[float], None],
        clock: Callable[[], float],
        seed: int,
    ) -> None:
        self._make_probe = make_probe
        self._report = report
        self._delay = delay
        self._late = late
        self._note_lag = note_lag
        self._clock = clock
        self._seed = seed
        self._runners: dict[str, _Runner] = {}
        self._late_at = 0.0
        """When a delay was told last, by the clock: one that began before then is the same."""

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._slots = anyio.Semaphore(CONCURRENCY, fast_acquire=True)
            self._tasks: TaskGroup = await stack.enter_async_context(anyio.create_task_group())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        self._tasks.cancel_scope.cancel()
        return await self._stack.__aexit__(kind, error, trace)

    def replan(self, plan: Plan) -> None:
        """Run exactly this plan's probes; those that have not changed run on undisturbed.

        Those that are new begin at once, but no more on one tick than can be under way at once.
        """
        wanted = {probe.name: probe for probe in plan.probes}
        for name, runner in list(self._runners.items()):
            if wanted.get(name) != runner.plan:
                self._runners.pop(name).scope.cancel()
        added = [probe for name, probe in wanted.items() if name not in self._runners]
        for number, probe in enumerate(added):
            runner = self._runners[probe.name] = _Runner(probe, plan.secrets)
            runner.probe = self._make_probe(probe, runner.look_again)
            pause = probe.initial_delay + number // CONCURRENCY * GRID
            self._tasks.start_soon(self._keep_running, runner, pause, name=f"probe {probe.name}")

    def probe_now(self, target: Target) -> None:
        """Run the probes of this target at once, instead of waiting for their next tick."""
        for runner in self._runners.values():
            if runner.plan.target is target:
                runner.wake()

    def beat(self, name: str, credential: bytes) -> bool:
        """Hand a report over to the probe of this name; tell whether it took it."""
        runner = self._runners.get(name)
        with suppress(Exception):  # a kind is anybody's code, and whoever reports must not learn of its accidents
            return runner is not None and runner.probe.beat(credential)
        return False

    async def _keep_running(self, runner: "_Runner", pause: float) -> None:
        loop = get_running_loop()
        with runner.scope:
            try:
                await runner.sleep_until(loop.time() + pause)
                while True:
                    async with self._slots:
                        began = loop.time()
                        await execute(runner.probe, runner.plan, runner.secrets, self._clock, self._reporter(runner))
                    due = next_tick(began, self._delay(runner.plan), self._seed)
                    slept_past = self._clock() - loop.time()
                    lag = await runner.sleep_until(max(due, loop.time()))
                    self._judge_lag(lag, self._clock() - loop.time() - slept_past)
            finally:
                await close(runner.probe)

    def _reporter(self, runner: "_Runner") -> Callable[[Verdict], None]:
        def report(verdict: Verdict) -> None:
            if not runner.scope.cancel_called:
                self._report(runner.plan, verdict)

        return report

    def _judge_lag(self, lag: float, suspended: float) -> None:
        """Tell of a loop that woke too late, or of a machine that was suspended meanwhile; once, not for each probe."""
        self._note_lag(lag)
        missed, now = max(lag, suspended), self._clock()
        if missed > 1.0 and now - missed > self._late_at:
            self._late_at = now
            self._late(missed)


class _Runner:
    """One probe with its task's state."""

    probe: Probe[Any]

    def __init__(self, plan: ProbePlan, secrets: frozenset[str]) -> None:
        self.plan = plan
        self.secrets = secrets
        self.scope = anyio.CancelScope()
        self._waker: Future[None] | None = None
        self._tripped_at = -inf
        self._trip: TimerHandle | None = None

    async def sleep_until(self, when: float) -> float:
        """Sleep until this moment of the loop's clock or until woken; returns by how much it came too late."""
        loop = get_running_loop()
        self._waker = loop.create_future()
        timer = loop.call_at(when, self.wake)
        try:
            await self._waker
        finally:
            self._waker = None
            timer.cancel()
            if self._trip is not None:
                self._trip.cancel()
                self._trip = None
        return max(0.0, loop.time() - when)

    def look_again(self) -> None:
        """End the sleep because the probe asks for it; not sooner than ``fast_interval`` after the last time it did.

        A server that accepts and closes at once would be looked at without end otherwise.
        """
        if self._waker is None or self._trip is not None:
            return
        loop = get_running_loop()
        at = max(loop.time(), self._tripped_at + self.plan.fast_interval)
        self._trip = loop.call_at(at, self._wake_tripped)

    def _wake_tripped(self) -> None:
        self._tripped_at = get_running_loop().time()
        self.wake()

    def wake(self) -> None:
        """End the sleep, if there is one."""
        if self._waker is not None and not self._waker.done():
            self._waker.set_result(None)


async def execute(
    probe: Probe[Any],
    plan: ProbePlan,
    secrets: frozenset[str],
    clock: Callable[[], float],
    report: Callable[[Verdict], None],
) -> None:
    """Execute a probe once and report its verdict exactly once, at the deadline at the latest.

    The deadline is a timer that reports by itself: even a probe that swallows its cancellation delays no verdict.
    """
    loop = get_running_loop()
    run = Run(secrets)
    began, started, wall = loop.time(), clock(), time()
    scope = anyio.CancelScope()

    def conclude() -> None:
        timer.cancel()
        facts = run.observation(started=started, wall=wall, elapsed=loop.time() - began)
        report(judge(facts, plan.slow))

    def expire() -> None:
        _expect_reply(run, plan.timeout, lag=loop.time() - began - plan.timeout)
        scope.cancel()
        conclude()

    timer: TimerHandle = loop.call_at(began + plan.timeout, expire)
    try:
        with scope:
            await _observe(probe, run)
    finally:
        timer.cancel()
    if not scope.cancel_called:
        conclude()


async def _observe(probe: Probe[Any], run: Run) -> None:
    try:
        await probe.observe(run)
    except ProbeFailure as failure:
        run.record(failure)
    except Exception as error:  # noqa: BLE001 - a broken probe says nothing about its target
        run.expect(
            "the probe itself works",
            f"{type(error).__name__}: {error}",
            False,
            otherwise=Outcome.UNKNOWN,
            evidence=Evidence.OBSERVER,
        )


def _expect_reply(run: Run, timeout: float, lag: float) -> None:
    """Write down that the deadline has passed, and what can be concluded from that."""
    if lag > LATE * min(1.0, timeout):
        observed = f"nothing, but the sidecar itself was held up for {lag:.1f} s"
        run.expect(
            f"replies within {timeout:g} s", observed, False, otherwise=Outcome.UNKNOWN, evidence=Evidence.OBSERVER
        )
        return
    reached = run.last_phase()
    # A target that has begun to reply is not silent: it may wait for somebody else.
    evidence = Evidence.WRONG if reached in _REPLYING else Evidence.SILENT
    observed = f"nothing after {reached}" if reached else "nothing"
    run.expect(f"replies within {timeout:g} s", observed, False, evidence=evidence)


_REPLYING = ("first_byte", "body")


async def close(probe: Probe[Any]) -> None:
    """Let a probe go, within its time; nothing can follow from how that ends."""
    with anyio.move_on_after(CLOSE_WITHIN, shield=True), suppress(Exception):
        await probe.aclose()
