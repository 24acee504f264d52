"""What the command line offers: one file for each command, imported when it is used."""

import sys
from importlib import import_module

import click

from sidecar import __version__

_COMMANDS = {
    "check": "Run every probe once and show what it saw.",
    "config": "Look into the configuration.",
    "drain": "Drain the gateway now.",
    "init": "Write a configuration for what is found here.",
    "maintenance": "Say that this replica is out, whatever the probes see.",
    "reload": "Have the running sidecar read its configuration again.",
    "run": "Run beside a gateway, or start it: probe it, tell its health, drain it when it is sick.",
    "status": "Show how things are, and what happens next.",
    "wait": "Wait until the deployment is ready, started or live.",
}


class _LazyGroup(click.Group):
    """Imports a command only when it is used, so that none pays for another."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = import_module(f"sidecar.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101 - for the type checker
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="sidecar")
def _group() -> None:
    """Watch over an MCP gateway: probe it, tell its health, drain it when it is sick."""


def obey(arguments: list[str]) -> None:
    """Do what the arguments say, and end with the exit status. Raises ``SidecarError`` and ``KeyboardInterrupt``."""
    try:
        sys.exit(_group.main(arguments, prog_name="sidecar", standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        raise KeyboardInterrupt from None
