"""Reading the journal: from the store, or from the lines of an export."""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from sidecar.core.journal.entries import Entry, read_entry
from sidecar.core.journal.flight import Flight
from sidecar.journal.kept import FLIGHTS_KEPT, KEPT
from sidecar.store.contract import Store
from sidecar.store.streams import flights_of, journal_of

_TOLD_AT_MOST = 10
"""Lines that cannot be read are told one by one up to here, and counted beyond."""


class Reading(NamedTuple):
    """What could be read, and what could not."""

    entries: list[Entry]
    problems: list[str]


async def read_journal(store: Store, replica: str) -> Reading:
    """Read a replica's journal, in its order. Raises ``StoreError``."""
    return parse(value for _, value in await store.read(journal_of(replica), KEPT))


async def read_flights(store: Store, replica: str) -> list[Flight]:
    """Read a replica's flight records, the oldest first; one that cannot be read is left out. Raises ``StoreError``."""
    flights = []
    for _, value in await store.read(flights_of(replica), FLIGHTS_KEPT):
        try:
            flights.append(msgspec.json.decode(value, type=Flight))
        except msgspec.DecodeError:
            continue  # by another version of the sidecar
    return flights


def parse(lines: Iterable[bytes]) -> Reading:
    """Read entries, one a line; what is no entry is told by its number. Empty lines are none.

    An entry that is there twice counts once: the store may have taken it although it said that it could not.
    """
    entries: dict[bytes, Entry] = {}
    problems: list[str] = []
    left_off = 0
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not stripped or stripped in entries:
            continue
        try:
            entries[stripped] = read_entry(stripped)
        except ValueError as error:
            if len(problems) < _TOLD_AT_MOST:
                problems.append(f"line {number} is no entry of the journal: {error}")
            else:
                left_off += 1
    if left_off:
        problems.append(f"{left_off} further lines are no entries of the journal")
    return Reading(list(entries.values()), problems)
