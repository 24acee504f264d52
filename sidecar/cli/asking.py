"""Speaking to the running sidecar through its control socket."""

import os
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from sidecar.config import load_server
from sidecar.configfile import read_config
from sidecar.core.errors import SidecarError
from sidecar.serve.orders import ANSWER_AT_MOST, Answer, Order, write_line
from sidecar.serve.socketfile import socket_places, too_long

WITHIN = 60.0
"""Seconds for an answer: a reload may read a configuration from a slow disk."""


class NoSidecarError(SidecarError):
    """No sidecar runs where it was looked for."""


def find_socket(given: str | None, config: str | None) -> list[str]:
    """Name the places at which the sidecar's control socket may lie.

    A configuration that cannot be used hinders nobody: the sidecar may run with the one before. Where a path would be
    too long for a socket, the sidecar has passed it over too.
    """
    if given:
        return [given]
    text = ""
    with suppress(SidecarError):
        text, _ = read_config(config, os.environ)
    places = socket_places(load_server(text, os.environ), os.environ)
    return [path for path in places if not too_long(path)] or places


def ask(places: list[str], order: Order, within: float = WITHIN) -> Answer:
    """Give an order to the sidecar that answers first, and return its answer.

    Raises ``NoSidecarError`` when none does, ``SidecarError`` when it may not be asked or does not answer in time.
    """
    for path in places:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(within)
            try:
                connection.connect(path)
            except (FileNotFoundError, ConnectionRefusedError, NotADirectoryError):
                continue
            except OSError as error:
                raise SidecarError(f"cannot reach the sidecar at {path}: {_word(error)}") from None
            try:
                connection.sendall(write_line(order))
                data = b"".join(_receive(connection, within))
            except OSError as error:
                raise SidecarError(f"the sidecar at {path} does not answer: {_word(error)}") from None
        return _read(data, path)
    raise NoSidecarError(f"no sidecar runs here: none answers at {' or '.join(places)}{_others(places)}")


def _receive(connection: socket.socket, within: float) -> Iterator[bytes]:
    until, received = time.monotonic() + within, 0
    while True:
        connection.settimeout(max(0.001, until - time.monotonic()))
        data = connection.recv(1 << 16)
        received += len(data)
        yield data
        if not data or data.endswith(b"\n") or received > ANSWER_AT_MOST:
            return


def _read(data: bytes, path: str) -> Answer:
    try:
        return msgspec.json.decode(data, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError):
        what = "closed the connection without an answer" if not data else "said something else than an answer"
        raise SidecarError(f"the program at {path} {what}: is it a sidecar of this version?") from None


def _others(places: list[str]) -> str:
    """Name the sockets of other sidecars: whoever looks for one may have meant another port."""
    found = {str(path) for place in places for path in Path(place).parent.glob("mcp-gateway-sidecar-*.sock")}
    others = ", ".join(sorted(path for path in found.difference(places) if _is_answered(path)))
    return f"; of others there is {others}: name one with --socket" if others else ""


def _is_answered(path: str) -> bool:
    """Tell whether somebody listens: a sidecar that was killed has left its file."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.setblocking(False)
        try:
            connection.connect(path)
        except BlockingIOError:  # its backlog is full
            return True
        except OSError:
            return False
        return True


def _word(error: OSError) -> str:
    if isinstance(error, BlockingIOError):
        return "too many others are waiting for it already"
    return "the time is up" if isinstance(error, TimeoutError) else (error.strerror or str(error)).lower()
