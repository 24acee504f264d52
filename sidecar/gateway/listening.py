"""Which listeners take a connection to an address: the order in which Linux chooses among those of one port."""

import socket
from collections.abc import Iterable

from sidecar.linux.sockdiag import Listener
from sidecar.linux.tcptable import readable


def answering(listeners: Iterable[Listener], host: str) -> list[Listener]:
    """Select the listeners that answer at ``host``.

    The kernel prefers a socket bound to the very address, then one bound to every IPv4 address, then one bound to
    every address of both families. More than one comes back where several share the place (``SO_REUSEPORT``), or
    where ``host`` means more than one address: a name other than ``localhost`` is not resolved, and may mean any.
    """
    listeners = list(listeners)
    if host == "localhost":
        chosen = [*_best(listeners, "127.0.0.1"), *_best(listeners, "::1")]
    elif (address := _numeric(host)) is not None:
        chosen = _best(listeners, address)
    else:
        chosen = listeners
    return list({listener.inode: listener for listener in chosen}.values())


def _best(listeners: list[Listener], address: str) -> list[Listener]:
    places = ("::",) if ":" in address else ("0.0.0.0", "::")  # noqa: S104 - looked for, not bound
    for place in (address, *places):
        found = [listener for listener in listeners if listener.address == place]
        if found:
            return found
    return []


def _numeric(host: str) -> str | None:
    """Write an address the way the kernel's are written here; None for a name. A wildcard means this machine."""
    for family, loopback in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            packed = socket.inet_pton(family, host.strip("[]"))
        except OSError:
            continue
        return readable(family, packed) if any(packed) else loopback
    return None
