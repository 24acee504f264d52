"""Who carries a rollback out, kept in the store: a chain of turns, each claimed once, each written by its owner alone.

Whoever goes on from another's turn claims the next one. An owner looks for a next turn just before it asks the
platform: where there is one, the rollback is no longer its own. And whoever has claimed the next one takes it that the
owner before has just asked. So of two that meet one alone asks, unless one is stopped between that look and asking.
"""

from collections.abc import Iterable, Mapping
from itertools import count, takewhile

from msgspec.structs import replace

from sidecar.core.releases.rollback import RollbackPhase, RollbackRecord
from sidecar.store.contract import Store
from sidecar.store.documents import decode, encode, load
from sidecar.store.naming import name_of, word_of

PREFIX = "rollback/"

CLOCKS_APART = 5.0
"""Seconds by which the clocks of two machines may differ."""


COMES_WITHIN = 3600.0
"""Seconds after which a release that starts does so for another reason than that it was asked for."""


class Turns:
    """The turns of the rollback of one release.

    Every method raises ``StoreError`` where the store cannot be used or understood.
    """

    def __init__(self, store: Store, release: str) -> None:
        self._store = store
        self._place = name_of("rollback", release)

    async def last(self) -> tuple[int, RollbackRecord | None]:
        """Give the number of the last turn, from 1, and what is written in it; 0 and None where there is none."""
        turn, record = 0, None
        while (following := await load(self._store, self._name(turn + 1), RollbackRecord)) is not None:
            turn, record = turn + 1, following
        return turn, record

    async def claim(self, turn: int, record: RollbackRecord) -> bool:
        """Claim a turn; tell whether it is ours. To be repeated with the same record where the store has failed."""
        ours = encode(record)
        return await self._store.claim(self._name(turn), ours) == ours

    async def write(self, turn: int, record: RollbackRecord) -> None:
        """Write down how far our own turn has come."""
        await self._store.put(self._name(turn), encode(record))

    async def is_last(self, turn: int) -> bool:
        """Tell whether nobody has claimed the next one."""
        return await self._store.get(self._name(turn + 1)) is None

    def _name(self, turn: int) -> str:
        return f"{self._place}/{turn}"


async def last_turns(store: Store) -> list[RollbackRecord]:
    """Give the last turn of every rollback, the one begun last first. Raises ``StoreError``."""
    turns = await store.documents(PREFIX)
    records = [_last(turns, place) for place in _places(turns)]
    return sorted((record for record in records if record is not None), key=lambda record: record.begun, reverse=True)


def _places(turns: Iterable[str]) -> list[str]:
    return sorted({name.rpartition("/")[0] for name in turns})


def _last(turns: Mapping[str, bytes], place: str) -> RollbackRecord | None:
    """Find the end of the chain: what lies beyond a gap is left over from one that is being forgotten."""
    *_, last = ("", *takewhile(turns.__contains__, (f"{place}/{turn}" for turn in count(1))))
    return decode(last, turns[last], RollbackRecord) if last else None


async def confirm(store: Store, release: str, replica: str, started: float, now: float) -> list[RollbackRecord]:
    """Write down, as a healthy release's own sidecar, that the rollbacks to this release have come to their good end.

    ``started`` is when this sidecar began, ``now`` the time, as Unix times: one that already ran when the platform was
    asked proves nothing. Returns what was confirmed. Raises ``StoreError``.
    """
    confirmed = []
    for place in _places(await store.documents(PREFIX)):
        turns = Turns(store, word_of(place.removeprefix(PREFIX)))
        turn, record = await turns.last()
        while record is not None and is_unconfirmed(record, release, started):
            end = replace(
                record, phase=RollbackPhase.VERIFIED, replica=replica, seen=now, detail=f"{release} itself is healthy"
            )
            if await turns.claim(turn + 1, end):
                confirmed.append(end)
            turn, record = await turns.last()
    return confirmed


def is_unconfirmed(record: RollbackRecord, release: str, started: float) -> bool:
    """Tell whether a rollback has asked for this release since then, and nobody has said yet that it is healthy."""
    return (
        record.target.release == release
        and record.asked_at is not None
        and record.asked_at - CLOCKS_APART <= started <= record.asked_at + COMES_WITHIN
        and record.phase is not RollbackPhase.VERIFIED
    )
