"""The command line. It is click's, but for the one command that stays in memory: that runs without click."""

import signal
import sys
from io import TextIOWrapper

from sidecar.cli.ending import CANNOT_RUN, complain, die_of
from sidecar.cli.plain import read_run
from sidecar.config import ConfigError
from sidecar.core.errors import SidecarError


def main() -> None:
    """Run the command line; a problem that the operator can mend is told without a traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a narrow encoding is no reason not to answer
    try:
        _obey(sys.argv[1:])
    except KeyboardInterrupt:
        die_of(signal.SIGINT)
    except SidecarError as error:
        complain(_word(error))
        sys.exit(CANNOT_RUN)


def _obey(arguments: list[str]) -> None:
    order = read_run(arguments)
    if order is not None:
        from sidecar.cli.foreground import run  # noqa: PLC0415 - as every command is, only when it is used

        run(order.path, order.command)
    from sidecar.cli.commands import obey  # noqa: PLC0415 - click is 1.3 MB that the agent does without

    obey(arguments)


def _word(error: SidecarError) -> str:
    if isinstance(error, ConfigError) and (count := len(error.problems) + error.left_off) > 1:
        return f"cannot use the configuration: {count} problems\n{error}"
    return str(error)
