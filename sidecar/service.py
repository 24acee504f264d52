"""The sidecar as a process of its own: the agent, its health port, and the signals it obeys."""

import signal
from collections.abc import AsyncIterator, Callable

import anyio
import anyio.to_thread

from sidecar import __version__
from sidecar.agent import Agent
from sidecar.clock import boottime
from sidecar.core.errors import SidecarError
from sidecar.core.events import Event, EventKind, Severity, StopRequested
from sidecar.core.plan import Plan
from sidecar.serve.board import Board
from sidecar.serve.health_json import About
from sidecar.serve.listener import Listening, listen

Tell = Callable[[Event], None]

_STOPPING = (signal.SIGTERM, signal.SIGINT)


async def serve(plan: Plan, load: Callable[[], Plan], tell: Tell, *, service_id: str | None) -> signal.Signals:
    """Run until a signal asks to stop; returns that signal.

    ``load`` reads the configuration anew, for SIGHUP. Raises ``SidecarError`` when the health port cannot be had.

    The order matters. Signals are obeyed before anything else exists. The health port answers before the first probe
    runs, because platforms count from the start; and it is the last to close, because they ask until the end.
    """
    board = Board(About(version=__version__, service_id=service_id), boottime)
    agent = Agent(plan, publish=board.publish, tell=tell)
    with anyio.open_signal_receiver(*_STOPPING, signal.SIGHUP) as signals:
        async with listen(plan.server, board, beat=agent.beat) as listening:
            _announce(plan, listening, tell)
            async with agent.running():
                number = await _obey(signals, agent, plan, load, tell)
                agent.tracker.record(StopRequested())
                await _outlive_gateway(signals, agent, plan.server.linger)
    _say(tell, EventKind.STOPPED, Severity.INFO, f"stopped by {number.name}")
    return number


async def _obey(
    signals: AsyncIterator[signal.Signals], agent: Agent, first: Plan, load: Callable[[], Plan], tell: Tell
) -> signal.Signals:
    """Reload at each SIGHUP; returns the first other signal."""
    async for number in signals:
        if number is not signal.SIGHUP:
            return number
        try:
            plan = await anyio.to_thread.run_sync(load)
        except SidecarError as error:
            message = f"cannot reload the configuration, so the one before stays in force:\n{error}"
            _say(tell, EventKind.RELOAD_REFUSED, Severity.ERROR, message)
        else:
            agent.replan(plan)
            for table in _fixed(first, plan):
                message = f"[{table}] in {plan.source} has changed: that takes effect at the next start"
                _say(tell, EventKind.REMARK, Severity.WARNING, message)
    raise RuntimeError("the signals have ended")


def _fixed(first: Plan, later: Plan) -> list[str]:
    """Name the tables that have changed since the start, but cannot take effect while the sidecar runs."""
    tables = (
        ("server", first.server != later.server),
        ("gateway", first.gateway != later.gateway),
        ("log", first.log_format is not later.log_format),
    )
    return [name for name, changed in tables if changed]


async def _outlive_gateway(signals: AsyncIterator[signal.Signals], agent: Agent, linger: float) -> None:
    """Answer until the gateway is gone: as long as it serves, somebody may ask. A second signal ends the wait."""
    with anyio.move_on_after(linger):
        async with anyio.create_task_group() as waiting:

            async def await_gateway() -> None:
                await agent.gateway_gone()
                waiting.cancel_scope.cancel()

            waiting.start_soon(await_gateway)
            async for number in signals:
                if number is not signal.SIGHUP:
                    waiting.cancel_scope.cancel()


def _announce(plan: Plan, listening: Listening, tell: Tell) -> None:
    """Say what was started and which URLs to open."""
    url = listening.urls[0]
    probes = ", ".join(f"{probe.name} ({probe.kind})" for probe in plan.probes)
    message = "\n".join(
        [
            f"sidecar {__version__} watches the gateway at {plan.gateway.host}:{plan.gateway.port}, by {plan.source}",
            f"probes: {probes}",
            *(f"open {url}{path}" for path in ("/health/ready", "/health", "/health/startup", "/metrics")),
        ]
    )
    _say(tell, EventKind.STARTED, Severity.INFO, message)
    for remark in plan.remarks:
        _say(tell, EventKind.REMARK, Severity.INFO, remark)
    for warning in listening.warnings:
        _say(tell, EventKind.REMARK, Severity.WARNING, warning)


def _say(tell: Tell, kind: EventKind, severity: Severity, message: str) -> None:
    tell(Event(kind=kind, at=boottime(), severity=severity, message=message))
