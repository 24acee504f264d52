"""What a replica has left untold when it is gone: another one that shares its store delivers it.

A deployment replaces every replica by one with another name. Its last messages, such as that it was rolled back, may
not have been delivered by then; and of what it has told people, nobody else would ever tell the end.
"""

import asyncio
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from time import time

import anyio
import msgspec

from sidecar.actors.outbox import Outbox
from sidecar.core.notices.notice import Notice, Teller, wants
from sidecar.core.notices.plan import SinkPlan
from sidecar.core.notices.telling import Telling, close
from sidecar.ledger.records import Ledger, Present
from sidecar.store.contract import Store, StoreError
from sidecar.store.streams import notices_of

LOOK_EVERY = 30.0
"""Seconds between two looks who is there; by chance up to a half more, so that one of the others is the first."""

SILENT_LOOKS = 6
"""A replica that has written nothing new so many looks in a row is gone. Looks are counted, because clocks differ."""

MakeOutbox = Callable[[str, SinkPlan, str, Callable[[], None]], Outbox]
"""Makes the outbox of a sink, by its name and its table, with what this replica has left; and with ``changed``."""

_Silent = Mapping[str, tuple[Present, int]]
"""What each replica has written last, and how many looks ago that was new."""


async def settle_estates(ledger: Ledger, *, teller: Callable[[], Teller], make_outbox: MakeOutbox) -> None:
    """Be there for others to see, and see to what those have left who are not there any more, until cancelled.

    Of those that are there the first by name does it; should two think so at once, they send the same messages, which
    bear the same idempotency keys. Who comes back sees to its own.
    """
    silent: _Silent = {}
    begun: dict[str, anyio.CancelScope] = {}

    async def settle(replica: str, present: Present) -> None:
        with begun[replica], suppress(StoreError):  # it is still there to be seen at the next look
            await _settle(ledger, replica, present, teller(), make_outbox)
        del begun[replica]

    async with anyio.create_task_group() as tasks:
        while True:
            try:
                await ledger.be_present(Present(time(), teller().release))
                silent = _count(silent, await ledger.present())
            except StoreError:
                silent = {}  # who could not write either is not gone
            gone = {replica: present for replica, (present, looks) in silent.items() if looks >= SILENT_LOOKS}
            for replica in begun.keys() - gone.keys():
                begun[replica].cancel()
            if ledger.replica == min(silent.keys() - gone.keys(), default=None):
                for replica in gone.keys() - begun.keys():
                    begun[replica] = anyio.CancelScope()
                    tasks.start_soon(settle, replica, gone[replica], name=f"estate of {replica}")
            await anyio.sleep(LOOK_EVERY * (1.0 + os.urandom(1)[0] / 512))


def _count(silent: _Silent, present: Mapping[str, Present]) -> _Silent:
    before = ((replica, now, silent.get(replica)) for replica, now in present.items())
    return {replica: (now, was[1] + 1 if was and was[0] == now else 0) for replica, now, was in before}


async def _settle(ledger: Ledger, replica: str, present: Present, teller: Teller, make_outbox: MakeOutbox) -> None:
    """Deliver what waits, and the end of what is open; then there is nothing more to be seen of this replica."""
    telling = await _read(ledger.store, replica)
    gone = Teller(replica=replica, release=present.release, rules=teller.rules, secrets=teller.secrets)
    why = f"as nothing is heard any more of replica {replica}"
    notices = close(telling, why, present.at, gone) if telling is not None else ()
    async with anyio.create_task_group() as tasks:
        for name, sink in teller.rules.sinks.items():
            wanted = [notice for notice in notices if wants(sink, notice)]
            tasks.start_soon(_deliver, name, sink, replica, wanted, make_outbox)
    await ledger.store.remove(notices_of(replica))
    await ledger.settled(replica)


async def _read(store: Store, replica: str) -> Telling | None:
    """Read what a replica has told; None if that is nothing, or another version has written it."""
    data = await store.get(notices_of(replica))
    try:
        return None if data is None else msgspec.json.decode(data, type=Telling)
    except msgspec.DecodeError:
        return None


async def _deliver(name: str, sink: SinkPlan, replica: str, notices: list[Notice], make_outbox: MakeOutbox) -> None:
    """Send until nothing is left; a sink that fails is tried as long as ever."""
    changed = asyncio.Event()
    outbox = make_outbox(name, sink, replica, changed.set)

    async def until(holds: Callable[[], bool]) -> None:
        while not holds():
            changed.clear()
            await changed.wait()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(outbox.run)
        await until(lambda: outbox.recalled)
        for notice in notices:  # the ends come after what was left
            outbox.put(notice)
        await until(lambda: outbox.is_settled)
        outbox.stop()
