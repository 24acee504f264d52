"""``sidecar run``: the agent in the foreground."""

import os
import signal
from collections.abc import Callable
from typing import NoReturn

import click

from sidecar.actors.parent import gateway_command
from sidecar.agent import load_plan
from sidecar.cli.ending import die_of, leave
from sidecar.cli.options import config_option
from sidecar.core.plan import Plan
from sidecar.gateway.child import Command, CommandError
from sidecar.log import Log
from sidecar.loop import run
from sidecar.service import serve


class _Run(click.Command):
    """Takes everything after ``--`` as it stands: click itself would drop the mark, and take any stray word for it."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        arguments: list[str] = []
        if "--" in args:
            place = args.index("--")
            args, arguments = args[:place], args[place + 1 :]
            if not arguments:
                raise click.UsageError("after -- comes the command that starts the gateway", ctx)
        ctx.params["arguments"] = tuple(arguments)
        return super().parse_args(ctx, args)


@click.command(cls=_Run, options_metavar="[OPTIONS] [-- COMMAND...]")
@config_option
def command(path: str | None, arguments: tuple[str, ...]) -> None:
    """Run beside a gateway, or start it: probe it, tell its health, drain it when it is sick.

    With a COMMAND, as in `sidecar run -- node dist/index.js`, the sidecar starts the gateway itself, without a shell
    and with the gateway's port as PORT, and starts it again after a drain or a crash.

    SIGHUP reloads the configuration. SIGTERM and SIGINT turn readiness to 503 and end the sidecar when the gateway is
    gone; a second one ends it at once. A COMMAND gets the signal handed on, and its exit status becomes the sidecar's.
    """

    def load() -> Plan:
        return load_plan(path, os.environ)

    plan = load()
    try:
        started = gateway_command(arguments, plan, os.environ) if arguments else None
        run(_run, plan, load, started)
    except CommandError as error:
        click.echo(f"sidecar: {error}", err=True)
        leave(error.status)


async def _run(plan: Plan, load: Callable[[], Plan], started: Command | None) -> NoReturn:
    """Run to the end, and leave from within the loop, whose own end waits for every task for ever."""
    with Log(plan.log_format) as log:
        end = await serve(plan, load, log.tell, command=started, environ=os.environ)
    if isinstance(end, signal.Signals):
        die_of(end)
    leave(end)
