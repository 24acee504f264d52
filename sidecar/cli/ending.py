"""How a command ends: its last word, its exit status, or the signal that stopped it."""

import os
import signal
import sys
from typing import NoReturn

CANNOT_RUN = 2
"""The exit status when a command could not do its work: usage, configuration, a port in use."""


def complain(message: str) -> None:
    """Say on the standard error why the command ends."""
    if sys.stderr is not None:  # it is when the descriptor was closed at the start
        print(f"sidecar: {message}", file=sys.stderr)


def die_of(number: signal.Signals) -> NoReturn:
    """End by the signal that asked for it, so that whoever waits for the process learns the truth.

    A shell shows 128 and the signal's number: 130 after Ctrl-C.
    """
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    leave(128 + number)  # the first process of a container is spared by its own signals, see pid_namespaces(7)


def leave(status: int) -> NoReturn:
    """End with this status, and at once, awaiting nothing that a probe has abandoned.

    That may be a thread stuck in a dead mount, or a task that swallows its cancellation.
    """
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:  # as above
            stream.flush()
    os._exit(status)
