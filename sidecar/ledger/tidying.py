"""Forgets what nobody will ask for: with each deployment come a release and replicas that have never been there before.

A store that is full refuses every write, and then nothing is rolled back any more.
"""

from sidecar.ledger.records import Ledger, Seen
from sidecar.store.streams import flights_of, journal_of, outbox_of

DAY = 86_400.0

KEPT_FOR = 90 * DAY
"""Seconds after which a release, a rollback or a replica is forgotten of which nothing was heard since."""

STREAMS_KEPT_FOR = 7 * DAY
"""The same for the journal of a replica, and for what it has left untold."""

RELEASES_KEPT = 100
"""So many releases are remembered, those that were written of last: all are read whenever replicas catch up."""


async def tidy(ledger: Ledger, current: str | None, now: float, *, sinks: tuple[str, ...] = ()) -> None:
    """Say that this replica is there, and forget what is too old. Raises ``StoreError``.

    Of the current release nothing is forgotten, however long it has been running, and the last good one is not
    forgotten for others that came after it. ``sinks`` are those that this replica tells.
    """
    await ledger.show_up(Seen(now, sinks))
    await _tidy_releases(ledger, current, now)
    await _tidy_rollbacks(ledger, current, now - KEPT_FOR)
    for replica, seen in (await ledger.gone(now - STREAMS_KEPT_FOR)).items():
        for stream in (journal_of(replica), flights_of(replica), *(outbox_of(replica, sink) for sink in seen.sinks)):
            await ledger.store.append(stream, [], 0)
    for replica in await ledger.gone(now - KEPT_FOR):
        await ledger.forget_replica(replica)


async def _tidy_releases(ledger: Ledger, current: str | None, now: float) -> None:
    good, records = await ledger.good(), await ledger.releases()
    latest = [*dict.fromkeys(record.id for record in records)][:RELEASES_KEPT]
    kept = {current, *latest, good.release if good else None}
    for record in records:
        if record.id not in kept or (record.id != current and now - record.updated > KEPT_FOR):
            await ledger.forget_release(record)


async def _tidy_rollbacks(ledger: Ledger, current: str | None, since: float) -> None:
    rollbacks = await ledger.rollbacks()
    kept = {current, *(rollback.release for rollback in rollbacks if rollback.seen >= since)}
    for release in {rollback.release for rollback in rollbacks} - kept:
        await ledger.forget_rollback(release)
