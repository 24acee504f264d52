"""``sidecar run``: the agent in the foreground."""

import click

from sidecar.cli.foreground import run
from sidecar.cli.options import config_option


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
    run(path, arguments)
