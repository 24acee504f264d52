"""Maintenance that survives a restart of the sidecar, and ends by itself."""

from time import time

import msgspec
from msgspec import Struct

from sidecar.clock import boottime
from sidecar.core.errors import SidecarError
from sidecar.core.state import Maintenance
from sidecar.linux.procfs import boot_id
from sidecar.statefile import read_state, remove_state, write_state


class _Written(Struct, frozen=True, kw_only=True):
    """The file. Within one boot ``until`` decides, which no set clock can move; after it, the wall clock."""

    reason: str
    by: str
    boot_id: str
    since: float
    until: float
    wall_until: float


def keep(directory: str, port: int, maintenance: Maintenance) -> None:
    """Write it down. Raises ``SidecarError``."""
    written = _Written(
        reason=maintenance.reason,
        by=maintenance.by,
        boot_id=boot_id(),
        since=maintenance.since,
        until=maintenance.until,
        wall_until=time() + (maintenance.until - boottime()),
    )
    write_state(directory, _name(port), msgspec.json.encode(written))


def recall(directory: str, port: int) -> Maintenance | None:
    """Read what was written down; None when there is nothing, or its time is over. Raises ``SidecarError``."""
    data = read_state(directory, _name(port))
    if data is None:
        return None
    try:
        written = msgspec.json.decode(data, type=_Written)
    except msgspec.DecodeError as error:
        raise SidecarError(f"cannot read the maintenance in {directory}/{_name(port)}: {error}") from None
    maintenance = _recalled(written, boot_id(), boottime(), time())
    if maintenance is None:
        forget(directory, port)
    return maintenance


def forget(directory: str, port: int) -> None:
    """Remove what was written down. Raises ``SidecarError``."""
    remove_state(directory, _name(port))


def _recalled(written: _Written, boot: str, now: float, wall: float) -> Maintenance | None:
    """Find out how much of it is left: a clock that was set back makes it no longer than it was meant to be."""
    length = written.until - written.since
    left = written.until - now if written.boot_id == boot else written.wall_until - wall
    left = min(left, length)
    if left <= 0:
        return None
    return Maintenance(reason=written.reason, by=written.by, since=now - (length - left), until=now + left)


def _name(port: int) -> str:
    """Name the file by the health port, which tells the sidecars of one machine apart."""
    return f"maintenance-{port}.json"
