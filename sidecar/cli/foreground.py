"""The agent in the foreground, from the configuration to the exit status."""

import os
import signal
from collections.abc import Callable, Sequence
from typing import NoReturn

from sidecar import loop
from sidecar.actors.parent import gateway_command
from sidecar.agent import load_plan
from sidecar.cli.ending import complain, die_of, leave
from sidecar.core.plan import Plan
from sidecar.gateway.child import Command, CommandError
from sidecar.log import Log
from sidecar.service import serve


def run(path: str | None, command: Sequence[str]) -> NoReturn:
    """Run until a signal asks to stop, beside a gateway or, with a command, as its parent.

    Raises ``SidecarError`` when it cannot begin.
    """

    def load() -> Plan:
        return load_plan(path, os.environ)

    plan = load()
    try:
        started = gateway_command(command, plan, os.environ) if command else None
        log = Log(plan.log_format)  # before the loop, which would get the number of a standard error that is closed
        loop.run(_serve, plan, load, log, started)
    except CommandError as error:
        complain(str(error))
        leave(error.status)


async def _serve(plan: Plan, load: Callable[[], Plan], log: Log, started: Command | None) -> NoReturn:
    """Serve to the end, and leave from within the loop, whose own end waits for every task for ever."""
    with log:
        end = await serve(plan, load, log.tell, command=started, environ=os.environ)
    if isinstance(end, signal.Signals):
        die_of(end)
    leave(end)
