"""Writing for people and for pipes: what is shown only on a terminal, and what happens when nobody reads."""

import os
import sys
from collections.abc import Iterable, Sequence
from shutil import get_terminal_size
from types import TracebackType
from typing import Self

import click

from sidecar.core.errors import SidecarError
from sidecar.log import is_coloured

_WIPE = "\r\033[K"


def write(text: str) -> None:
    """Write a result to the standard output.

    A reader who has left, as in ``| head -1``, is no error: the exit status still tells the truth. Raises
    ``SidecarError`` when it cannot be written for another reason, such as a full disk.
    """
    try:
        click.echo(text, color=is_coloured(1))
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        # What could not be written is still held, and would be tried and complained about again at the exit.
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - it is no path to work with
            os.dup2(nowhere.fileno(), 1)
        if not isinstance(error, BrokenPipeError):
            raise SidecarError(f"cannot write the result: {(error.strerror or str(error)).lower()}") from None


def width() -> int | None:
    """Tell how many columns the standard output has; None where nobody counts them."""
    return get_terminal_size().columns if os.isatty(1) else None


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out rows of cells as columns of even width."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


class Progress:
    """A line on the terminal that says how far the probes have come; nothing elsewhere. It is gone at the end."""

    def __init__(self, names: Iterable[str]) -> None:
        self._waiting = dict.fromkeys(names)
        self._total = len(self._waiting)
        self._shown = os.isatty(2) and os.environ.get("TERM") != "dumb"

    def __enter__(self) -> Self:
        self._show()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._put(_WIPE)

    def done(self, name: str) -> None:
        """Count one as done."""
        self._waiting.pop(name, None)
        self._show()

    def _show(self) -> None:
        done = self._total - len(self._waiting)
        waiting = f", waiting for {', '.join(self._waiting)}" if self._waiting else ""
        text = f"{done} of {self._total} probes done{waiting}"
        # A line that breaks at the edge could not be wiped any more.
        self._put(_WIPE + text[: get_terminal_size().columns - 1])

    def _put(self, text: str) -> None:
        if self._shown:
            click.echo(text, err=True, nl=False)
