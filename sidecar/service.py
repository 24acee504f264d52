"""The sidecar as a process of its own: the agent, its health port, and the signals it obeys."""

import gc
import signal
import socket
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from sidecar import __version__
from sidecar.actors.notify import Notifier
from sidecar.actors.parent import Parent, adopt_orphans
from sidecar.agent import Agent
from sidecar.background import in_background
from sidecar.clock import boottime
from sidecar.core.drain import SIGNALS
from sidecar.core.errors import SidecarError
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import Fact, StopRequested
from sidecar.core.plan import Plan
from sidecar.core.severity import Severity
from sidecar.gateway.child import Command
from sidecar.gateway.figures import read_figures
from sidecar.orders import Orders
from sidecar.serve.board import Board
from sidecar.serve.control import control_socket, take_orders
from sidecar.serve.health_json import About
from sidecar.serve.listener import Listening, listen
from sidecar.serve.misdirected import Misdirected
from sidecar.serve.socketfile import choose_place
from sidecar.store import open_store, replica_of
from sidecar.store.contract import Store

if TYPE_CHECKING:
    from sidecar.journal.keeper import Journal

Tell = Callable[[Event], None]

TOLD_WITHIN = 2.0
"""Seconds for the last messages; what is not delivered by then is sent at the next start."""

_STOPPING = (signal.SIGTERM, signal.SIGINT)


async def serve(
    plan: Plan, load: Callable[[], Plan], tell: Tell, *, environ: Mapping[str, str], command: Command | None = None
) -> signal.Signals | int:
    """Run until a signal asks to stop, beside a gateway or, with a command, as its parent.

    Returns that signal; as a parent the exit status to end with, which is the gateway's own. ``load`` reads the
    configuration anew, for a reload. Raises ``SidecarError`` when the health port or the control socket cannot be had,
    the store's URL cannot be used, or the command cannot be started.

    The order matters. Signals are obeyed before anything else exists. The health port answers before the gateway
    starts and the first probe runs, because platforms count from the start; and it is the last to close, because they
    ask until the end. What an operator said before a restart holds before the first probe runs.
    """
    board = Board(About(version=__version__, service_id=environ.get("RAILWAY_SERVICE_ID")), boottime)
    store = open_store(plan.state, plan.server.port)
    journal = _make_journal(plan, store, lambda: agent, tell)
    log = tell if journal is None else partial(_tell_all, (tell, journal.note_event))
    notifier = Notifier(plan, store, running=lambda: agent.tracker.state.running, publish=board.show_sinks, log=log)
    tell = partial(_tell_all, (log, notifier.tell))
    observe = _forget if journal is None else journal.note
    agent = Agent(plan, store=store, publish=board.publish, tell=tell, command=command, observe=observe)

    def replan(later: Plan) -> None:
        agent.replan(later)
        notifier.replan(agent.tracker.state.plan)

    orders = Orders(plan, agent, board, load=load, replan=replan, tell=tell)
    warn = partial(_say, tell, EventKind.REMARK, Severity.WARNING)
    look = Misdirected(environ.get("RAILWAY_PUBLIC_DOMAIN"), plan.gateway.port, warn).look
    if command is not None and (refusal := adopt_orphans()):
        warn(refusal)
    with anyio.open_signal_receiver(*_STOPPING, signal.SIGHUP) as signals:
        async with (
            aclosing(store),
            nullcontext() if journal is None else journal.keeping(),
            _notifying(notifier),
            listen(plan.server, board, beat=agent.beat, look=look) as listening,
            _control(plan, environ, tell) as control,
        ):
            _announce(plan, command, listening, control, tell)
            await orders.recall_maintenance()
            async with agent.running(), take_orders(control, orders.carry_out):
                gc.freeze()  # what is there by now stays: looking through it for garbage takes up to 25 ms each time
                number = await _until_stopped(signals, agent, orders)
                if number is not None:
                    agent.tracker.record(StopRequested())
                    await _stop(signals, number, agent, plan.server.linger)
            orders.close()
            return _tell_end(number, agent, tell)


def _make_journal(plan: Plan, store: Store, agent: Callable[[], Agent], tell: Tell) -> "Journal | None":
    """Make the journal; none where the store forgets everything at the end, because nobody could read it."""
    if not store.lasting:
        return None
    from sidecar.journal.keeper import Journal  # noqa: PLC0415 - 0.3 MB

    return Journal(
        plan,
        store,
        replica_of(plan.state, plan.server.port),
        snapshot=lambda: agent().tracker.snapshot,
        figures=lambda: read_figures(plan.gateway.port, agent().gateway.process),
        tell=tell,
    )


def _forget(_fact: Fact, _now: float) -> None:
    """Without a journal nobody writes facts down."""


def _tell_all(hearers: Sequence[Tell], event: Event) -> None:
    for tell in hearers:
        tell(event)


@asynccontextmanager
async def _notifying(notifier: Notifier) -> AsyncIterator[None]:
    """Send messages until the block is left, and then what is still to be told, as far as that is done in time."""
    async with in_background(notifier.run, "notifier"):
        yield
        await notifier.finish(TOLD_WITHIN)


def _tell_end(number: signal.Signals | None, agent: Agent, tell: Tell) -> signal.Signals | int:
    """Say why it ended; returns what to end with."""
    if number is None:
        _say(tell, EventKind.STOPPED, Severity.ERROR, "stopped because the gateway crashes too often")
        return agent.exit_status
    if agent.parent is None:
        _say(tell, EventKind.STOPPED, Severity.INFO, f"stopped by {number.name}")
        return number
    ending = agent.parent.ending
    _say(tell, EventKind.STOPPED, Severity.INFO, f"stopped by {number.name}; the gateway's command {ending.words}")
    return ending.status


async def _until_stopped(signals: AsyncIterator[signal.Signals], agent: Agent, orders: Orders) -> signal.Signals | None:
    """Wait for a signal to stop; None when the gateway has crashed too often."""
    number = None
    async with anyio.create_task_group() as waiting:

        async def obey() -> None:
            nonlocal number
            number = await _obey(signals, orders)
            waiting.cancel_scope.cancel()

        waiting.start_soon(obey)
        await agent.given_up.wait()
        waiting.cancel_scope.cancel()
    return number


async def _obey(signals: AsyncIterator[signal.Signals], orders: Orders) -> signal.Signals:
    """Reload at each SIGHUP; returns the first other signal."""
    async for number in signals:
        if number is not signal.SIGHUP:
            return number
        await orders.reload()
    raise RuntimeError("the signals have ended")


@asynccontextmanager
async def _control(plan: Plan, environ: Mapping[str, str], tell: Tell) -> AsyncIterator[socket.socket | None]:
    """Open the control socket for as long as the block lasts. Where no place for it is found, the sidecar runs without.

    Raises ``SidecarError`` when another sidecar has it.
    """
    try:
        path = await anyio.to_thread.run_sync(choose_place, plan.server, environ)
    except SidecarError as error:
        _say(tell, EventKind.REMARK, Severity.WARNING, str(error))
        yield None
        return
    async with control_socket(path) as listener:
        yield listener


async def _stop(signals: AsyncIterator[signal.Signals], number: signal.Signals, agent: Agent, linger: float) -> None:
    """Answer until the gateway is gone: as long as it serves, somebody may ask."""
    if agent.parent is None:
        await _outlive_gateway(signals, agent, linger)
        return
    async with anyio.create_task_group() as hurrying:
        hurrying.start_soon(_kill_at_next, signals, agent.parent)
        await _stop_command(number, agent, agent.parent)
        hurrying.cancel_scope.cancel()


async def _stop_command(number: signal.Signals, agent: Agent, parent: Parent) -> None:
    """Hand the signal on, and wait for the end that it asks for; SIGKILL when the time is up, as in a drain."""
    rules = agent.tracker.state.plan.drain
    with anyio.move_on_after(rules.stop_lame_duck):
        await parent.wait_ended()
    # A second signal would tell many gateways to drop the work in flight: one that a drain has sent is enough.
    if agent.tracker.state.drain.phase not in SIGNALS:
        parent.hand_on(number)
    with anyio.move_on_after(rules.grace if rules.escalate else None):
        await parent.wait_ended()
    parent.kill()
    await parent.wait_ended()


async def _kill_at_next(signals: AsyncIterator[signal.Signals], parent: Parent) -> None:
    async for number in signals:
        if number is not signal.SIGHUP:
            parent.kill()


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


def _announce(
    plan: Plan, command: Command | None, listening: Listening, control: socket.socket | None, tell: Tell
) -> None:
    """Say what was started, which URLs to open, and where orders are taken."""
    url = listening.urls[0]
    started = [f"the gateway is started here: {command.name}, with PORT={plan.gateway.port}"] if command else []
    probes = ", ".join(f"{probe.name} ({probe.kind})" for probe in plan.probes)
    message = "\n".join(
        [
            f"sidecar {__version__} watches the gateway at {plan.gateway.host}:{plan.gateway.port}, by {plan.source}",
            *started,
            f"probes: {probes}",
            *(f"open {url}{path}" for path in ("/health/ready", "/health", "/health/startup", "/metrics")),
            *([f"control socket: {control.getsockname()}"] if control is not None else []),
        ]
    )
    _say(tell, EventKind.STARTED, Severity.INFO, message)
    for remark in plan.remarks:
        _say(tell, EventKind.REMARK, Severity.INFO, remark)
    for warning in listening.warnings:
        _say(tell, EventKind.REMARK, Severity.WARNING, warning)


def _say(tell: Tell, kind: EventKind, severity: Severity, message: str) -> None:
    tell(Event(kind=kind, at=boottime(), severity=severity, message=message))
