"""How much of the journal is kept."""

KEPT = 20_000
"""Entries of a replica's journal: at some hundred bytes each a few megabytes, and days to weeks of the past."""

FLIGHTS_KEPT = 20
"""Flight records of a replica."""
