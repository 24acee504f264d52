"""Where the journal is kept in the store, and how much of it."""

KEPT = 20_000
"""Entries of a replica's journal: at some hundred bytes each a few megabytes, and days to weeks of the past."""

FLIGHTS_KEPT = 20
"""Flight records of a replica."""


def journal_of(replica: str) -> str:
    """Name the stream of a replica's journal."""
    return f"journal/{_word(replica)}"


def flights_of(replica: str) -> str:
    """Name the stream of a replica's flight records."""
    return f"flights/{_word(replica)}"


def _word(replica: str) -> str:
    return replica.replace("/", "-")
