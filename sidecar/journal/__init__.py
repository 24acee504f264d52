"""The journal: every fact and event, kept in the store, and a flight record of each turn for the worse."""

from sidecar.journal.keeper import Journal
from sidecar.journal.reading import Reading, parse, read_flights, read_journal

__all__ = ["Journal", "Reading", "parse", "read_flights", "read_journal"]
