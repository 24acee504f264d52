"""Maintenance that survives a restart of the sidecar, and ends by itself."""

from time import time

from msgspec import Struct

from sidecar.clock import boottime
from sidecar.core.state import Maintenance
from sidecar.linux.procfs import boot_id
from sidecar.store.contract import Store
from sidecar.store.documents import encode, load
from sidecar.store.naming import name_of


class _Written(Struct, frozen=True, kw_only=True):
    """The document. Within one boot ``until`` decides, which no set clock can move; after it, the wall clock."""

    reason: str
    by: str
    boot_id: str
    since: float
    until: float
    wall_until: float


async def keep(store: Store, replica: str, maintenance: Maintenance) -> None:
    """Write it down. Raises ``StoreError``."""
    written = _Written(
        reason=maintenance.reason,
        by=maintenance.by,
        boot_id=boot_id(),
        since=maintenance.since,
        until=maintenance.until,
        wall_until=time() + (maintenance.until - boottime()),
    )
    await store.put(_name(replica), encode(written))


async def recall(store: Store, replica: str) -> Maintenance | None:
    """Read what was written down; None when there is nothing, or its time is over. Raises ``StoreError``."""
    written = await load(store, _name(replica), _Written)
    if written is None:
        return None
    maintenance = _recalled(written, boot_id(), boottime(), time())
    if maintenance is None:
        await forget(store, replica)
    return maintenance


async def forget(store: Store, replica: str) -> None:
    """Remove what was written down. Raises ``StoreError``."""
    await store.remove(_name(replica))


def _recalled(written: _Written, boot: str, now: float, wall: float) -> Maintenance | None:
    """Find out how much of it is left: a clock that was set back makes it no longer than it was meant to be."""
    length = written.until - written.since
    left = written.until - now if written.boot_id == boot else written.wall_until - wall
    left = min(left, length)
    if left <= 0:
        return None
    return Maintenance(reason=written.reason, by=written.by, since=now - (length - left), until=now + left)


def _name(replica: str) -> str:
    return name_of("replica", replica, "maintenance")
