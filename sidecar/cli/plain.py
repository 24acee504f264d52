"""``sidecar run`` as it stands in a Procfile or a unit: read without click, so that the agent need not hold it."""

from collections.abc import Sequence
from typing import NamedTuple


class RunOrder(NamedTuple):
    """What ``sidecar run`` is asked for."""

    path: str | None
    """The configuration."""
    command: tuple[str, ...]
    """What starts the gateway; empty where somebody else does."""


def read_run(arguments: Sequence[str]) -> RunOrder | None:
    """Read ``run [--config FILE] [-- COMMAND...]``, written just so; None for anything else, which is click's to read.

    What is read here means the same to click. Help, mistakes and other spellings are click's alone.
    """
    match arguments:
        case ["run"]:
            return RunOrder(None, ())
        case ["run", "--", _, *_]:
            return RunOrder(None, tuple(arguments[2:]))
        case ["run", "--config", path] if not path.startswith("-"):
            return RunOrder(path, ())
        case ["run", "--config", path, "--", _, *_] if not path.startswith("-"):
            return RunOrder(path, tuple(arguments[4:]))
    return None
