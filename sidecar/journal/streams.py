"""Where the journal is kept in the store, and how much of it."""

from sidecar.store.naming import name_of

KEPT = 20_000
"""Entries of a replica's journal: at some hundred bytes each a few megabytes, and days to weeks of the past."""

FLIGHTS_KEPT = 20
"""Flight records of a replica."""


def journal_of(replica: str) -> str:
    """Name the stream of a replica's journal."""
    return name_of("journal", replica)


def flights_of(replica: str) -> str:
    """Name the stream of a replica's flight records."""
    return name_of("flights", replica)
