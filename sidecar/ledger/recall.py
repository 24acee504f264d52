"""From what stands in the store to what the core knows of releases."""

from collections.abc import Iterable

from msgspec import Struct

from sidecar.core.releases.admission import DAY
from sidecar.core.releases.baseline import Baseline
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import JUDGED, Hold, KnownGood, ReleasePhase, ReleaseState, outranks
from sidecar.core.releases.rollback import FINAL, RollbackOrder, RollbackPhase, RollbackRecord
from sidecar.core.rules import ReleasePlan
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.ledger.turns import last_turns

BAD = frozenset({ReleasePhase.BAD, ReleasePhase.HELD, ReleasePhase.ROLLED_BACK})


class Stored(Struct, frozen=True, kw_only=True):
    """Everything about releases that stands in the store. All times are Unix times."""

    records: tuple[ReleaseRecord, ...]
    """One for each replica that has seen a release, the one written last first."""
    rollbacks: tuple[RollbackRecord, ...]
    """The last turn of each, the one begun last first."""
    good: KnownGood | None
    baseline: Baseline | None
    hold: Hold | None


async def read(ledger: Ledger) -> Stored:
    """Read it all. Raises ``StoreError``."""
    return Stored(
        records=tuple(await ledger.releases()),
        rollbacks=tuple(await last_turns(ledger.store)),
        good=await ledger.good(),
        baseline=await ledger.baseline(),
        hold=await ledger.hold(),
    )


def remember(
    stored: Stored,
    release: str,
    replica: str,
    rules: ReleasePlan,
    unfit: str | None,
    *,
    now: float,
    wall: float,
    deployment: str | None = None,
) -> Memory:
    """Make of it what this replica of this release has to know; ``now`` and ``wall`` are the same moment.

    ``deployment`` is the platform's name for this attempt at the release, if it has one.
    """
    standing = standings(stored.records)
    bad = frozenset(name for name, record in standing.items() if record.phase in BAD)
    baseline = stored.baseline
    if baseline is not None and (baseline.release == release or wall - baseline.at > rules.baseline_max_age):
        baseline = None
    own = _own(stored.records, standing, release, replica)
    if own is not None and _is_tried_again(own, deployment):
        own = None
    return Memory(
        release=_state(own, now - wall) if own is not None else None,
        target=_target(stored, standing, release),
        baseline=baseline.samples if baseline else {},
        baseline_of=baseline.release if baseline else None,
        bad=bad - {release},
        hold=stored.hold,
        rollbacks=tuple(
            sorted(
                record.begun + now - wall
                for record in stored.rollbacks
                if record.asked and record.release != release and wall - record.begun < DAY
            )
        ),
        unfinished=_unfinished(stored, release),
        unfit=unfit,
    )


def replaced_by(stored: Stored, release: str) -> KnownGood | None:
    """Tell which release runs in the place of one that was rolled back; None where it was not.

    That one may have been rolled back in its turn.
    """
    standing, seen, target = standings(stored.records), set[str](), None
    while release not in seen:
        seen.add(release)
        record = next((each for each in stored.rollbacks if each.release == release and each.asked), None)
        if record is None or release not in standing or standing[release].phase not in _REPLACED:
            break
        target, release = record.target, record.target.release
    return target


_REPLACED = (ReleasePhase.BAD, ReleasePhase.ROLLED_BACK)


def _unfinished(stored: Stored, release: str) -> RollbackOrder | None:
    """Find the rollback of this release that has no end yet; whatever forbids another one, it has to come to one.

    One that is verified is the release's own end, which may not have been written down before the sidecar was killed.
    """
    for record in stored.rollbacks:
        if record.release != release:
            continue
        if record.phase is RollbackPhase.VERIFIED:
            target = replaced_by(stored, release) or record.target
            return RollbackOrder(release=release, target=target, by=record.by)
        if record.phase not in FINAL:
            return RollbackOrder(release=release, target=record.target, by=record.by)
    return None


def standings(records: Iterable[ReleaseRecord]) -> dict[str, ReleaseRecord]:
    """Tell how each release stands: as was decided about it last, else as it was seen last.

    It is when it was decided that counts: a replica that hears of a decision writes it down once more, and later.
    """
    standing: dict[str, ReleaseRecord] = {}
    for record in records:
        known = standing.get(record.id)
        if known is None or _outranks(record, known):
            standing[record.id] = record
    return standing


def _outranks(record: ReleaseRecord, earlier: ReleaseRecord) -> bool:
    """Tell whether a record counts more than one that was written after it."""
    if record.phase in JUDGED:
        return False
    return earlier.phase in JUDGED or outranks(record, earlier)


def _is_tried_again(record: ReleaseRecord, deployment: str | None) -> bool:
    """Tell whether a release that has failed to start is deployed once more: somebody has mended what it needs."""
    failed = record.phase in (ReleasePhase.BAD, ReleasePhase.HELD) and not record.served
    return failed and deployment is not None and deployment not in record.deployments


def _own(
    records: Iterable[ReleaseRecord], standing: dict[str, ReleaseRecord], release: str, replica: str
) -> ReleaseRecord | None:
    """Find what holds for this release here: a decision, whoever has made it, before what this replica has seen."""
    decided = standing.get(release)
    if decided is None or decided.phase not in JUDGED:
        return decided
    own = (record for record in records if record.id == release and record.replica == replica)
    return next(own, decided)


def _target(stored: Stored, standing: dict[str, ReleaseRecord], release: str) -> KnownGood | None:
    """Find the last good release but this one; what is too old to be recorded may still be named."""
    good = [record for record in standing.values() if record.phase is ReleasePhase.GOOD and record.id != release]
    if good:
        newest = max(good, key=lambda record: record.since)
        return known_good(newest, stored.records)
    named = stored.good
    return named if named is not None and named.release not in standing and named.release != release else None


def known_as(stored: Stored, release: str) -> KnownGood | None:
    """Give everything by which a release can be restored, whatever it is; None where nobody has written of it."""
    record = standings(stored.records).get(release)
    if record is not None:
        return known_good(record, stored.records)
    return stored.good if stored.good is not None and stored.good.release == release else None


def known_good(record: ReleaseRecord, records: Iterable[ReleaseRecord]) -> KnownGood:
    """Make a target of a release, with all deployments that it ran as."""
    same = [other for other in records if other.id == record.id]
    return KnownGood(
        release=record.id,
        at=record.since,
        schema=record.schema,
        deployments=tuple(dict.fromkeys(name for other in same for name in other.deployments)),
        command=record.command or next((other.command for other in same if other.command), ()),
    )


def _state(record: ReleaseRecord, ahead: float) -> ReleaseState:
    """Give a record as the core's state; the clock of the core is ahead of the wall's by so much."""
    return ReleaseState(
        id=record.id,
        phase=record.phase,
        since=record.since + ahead,
        at=record.updated + ahead,
        saved=record.updated + ahead,
        reason=record.reason,
        by=record.by,
        served=record.served,
        samples=record.samples,
        within=record.within,
        looks=record.looks,
        unhealthy=record.unhealthy,
        restarts=record.restarts,
    )
