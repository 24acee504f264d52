"""What a replica keeps in its store beside the ledger, by name."""

from sidecar.store.naming import name_of


def journal_of(replica: str) -> str:
    """Name the stream of a replica's journal."""
    return name_of("journal", replica)


def flights_of(replica: str) -> str:
    """Name the stream of a replica's flight records."""
    return name_of("flights", replica)


def notices_of(replica: str) -> str:
    """Name the document that holds what a replica has told people."""
    return name_of("replica", replica, "notices")


def outbox_of(replica: str, sink: str) -> str:
    """Name the stream of what a replica has not told a sink yet."""
    return name_of("outbox", replica, sink)
