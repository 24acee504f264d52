"""What is known of releases, and what a replica must not forget, written down in a store. All times are Unix times."""

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.baseline import Baseline
from sidecar.core.identity import GatewayProcess
from sidecar.core.release import Hold, ReleasePhase, Target
from sidecar.core.sample import Sample
from sidecar.store.contract import Store
from sidecar.store.documents import decode, encode, load, load_all, name_of

KEPT_FOR = 90 * 86_400.0
"""Seconds after which a release, a rollback or a replica is forgotten of which nothing was heard since."""


class ReleaseRecord(Struct, frozen=True, kw_only=True):
    """One release, as one replica has seen it."""

    id: str
    replica: str = ""
    """Who has written it."""
    phase: ReleasePhase
    since: float
    """When this phase began; moved on by every pause."""
    updated: float
    """When this was written."""
    reason: str = ""
    by: str | None = None
    """Who has brought it there, if a person has."""
    served: bool = False
    schema: str | None = None
    """The version of the database's schema it works with."""
    deployments: tuple[str, ...] = ()
    """The platform's names for the deployments it ran as, newest first."""
    command: tuple[str, ...] = ()
    """Parent mode: the command that started it."""
    samples: Mapping[str, Sample] = {}
    within: Mapping[str, int] = {}
    looks: int = 0
    unhealthy: float = 0.0
    restarts: int = 0


class RollbackRecord(Struct, frozen=True, kw_only=True):
    """One rollback: of this release, onto that target. There is one for each release at most."""

    release: str
    target: Target
    phase: str
    """How far it has come."""
    at: float
    """When it was begun."""
    by: str
    """The replica that carries it out."""
    detail: str = ""


class Latches(Struct, frozen=True, kw_only=True):
    """Which checks have passed once, and of whom that is true."""

    deployment: str | None = None
    """The deployment whose upstreams were seen to work."""
    upstream: tuple[str, ...] = ()
    process: GatewayProcess | None = None
    """The process of the gateway that was seen to work."""
    gateway: tuple[str, ...] = ()


class Drains(Struct, frozen=True):
    """When drains began, oldest first."""

    begun: tuple[float, ...]


class Seen(Struct, frozen=True):
    """When a replica was last there."""

    at: float


class Ledger:
    """Reads and writes as one replica. Every method raises ``StoreError`` where the store cannot be used or understood.

    Nothing that several replicas write is read, changed and written back: what they share is a claim, or the same from
    whomever it comes.
    """

    def __init__(self, store: Store, replica: str) -> None:
        self.store = store
        self.replica = replica

    async def save_release(self, record: ReleaseRecord) -> None:
        """Write down how far a release has come for this replica."""
        own = replace(record, replica=self.replica)
        await self.store.put(name_of("release", record.id, self.replica), encode(own))

    async def release(self, release: str) -> ReleaseRecord | None:
        """Tell how far a release has come for this replica; of a new one, what another replica has written last."""
        own = await load(self.store, name_of("release", release, self.replica), ReleaseRecord)
        if own is not None:
            return own
        return next(iter(_newest(await load_all(self.store, ReleaseRecord, "release", release))), None)

    async def releases(self) -> list[ReleaseRecord]:
        """Give every record, the one written last first: one for each replica that has seen the release."""
        return _newest(await load_all(self.store, ReleaseRecord, "release"))

    async def save_good(self, target: Target) -> None:
        """Write down the last release known to be good."""
        await self.store.put("good", encode(target))

    async def good(self) -> Target | None:
        """Give the last release known to be good."""
        return await load(self.store, "good", Target)

    async def save_baseline(self, baseline: Baseline) -> None:
        """Write down what later releases are held against."""
        await self.store.put("baseline", encode(baseline))

    async def baseline(self) -> Baseline | None:
        """Give what later releases are held against."""
        return await load(self.store, "baseline", Baseline)

    async def save_hold(self, hold: Hold) -> None:
        """Write down that all automation stops."""
        await self.store.put("hold", encode(hold))

    async def hold(self) -> Hold | None:
        """Tell whether all automation has stopped."""
        return await load(self.store, "hold", Hold)

    async def remove_hold(self) -> None:
        """Let automation go on."""
        await self.store.remove("hold")

    async def claim_rollback(self, record: RollbackRecord) -> RollbackRecord:
        """Claim the one rollback of a release; gives the record that stands: this one, or what another has claimed.

        When it fails, the claim may stand all the same; made again with the same record, it tells.
        """
        name = name_of("rollback", record.release)
        return decode(name, await self.store.claim(name, encode(record)), RollbackRecord)

    async def save_rollback(self, record: RollbackRecord) -> None:
        """Write down how far a rollback has come: for the replica alone whose claim stands, or for a person."""
        await self.store.put(name_of("rollback", record.release), encode(record))

    async def rollback(self, release: str) -> RollbackRecord | None:
        """Give the rollback of a release."""
        return await load(self.store, name_of("rollback", release), RollbackRecord)

    async def rollbacks(self) -> list[RollbackRecord]:
        """Give all rollbacks, the one begun last first."""
        found = await load_all(self.store, RollbackRecord, "rollback")
        return sorted(found, key=lambda record: record.at, reverse=True)

    async def save_latches(self, latches: Latches) -> None:
        """Write down which checks of this replica have passed once."""
        await self.store.put(self._own("latches"), encode(latches))

    async def latches(self) -> Latches:
        """Tell which checks of this replica have passed once."""
        return await load(self.store, self._own("latches"), Latches) or Latches()

    async def save_drains(self, begun: tuple[float, ...]) -> None:
        """Write down when this replica was drained."""
        await self.store.put(self._own("drains"), encode(Drains(begun)))

    async def drains(self) -> tuple[float, ...]:
        """Tell when this replica was drained, oldest first."""
        drains = await load(self.store, self._own("drains"), Drains)
        return drains.begun if drains else ()

    async def tidy(self, current: str | None, now: float) -> None:
        """Say that this replica is there, and forget what is older than anybody will ask for.

        Of the current release nothing is forgotten, however long it has been running.
        """
        await self.store.put(self._own("seen"), encode(Seen(now)))
        for record in await self.releases():
            if record.id != current and record.updated < now - KEPT_FOR:
                await self.store.remove(name_of("release", record.id, record.replica))
        for rollback in await self.rollbacks():
            if rollback.release != current and rollback.at < now - KEPT_FOR:
                await self.store.remove(name_of("rollback", rollback.release))
        names = await self.store.names("replica/")
        for gone in [name for name in names if name.endswith("/seen") and await self._is_gone(name, now)]:
            for name in names:
                if name.startswith(gone.removesuffix("seen")):
                    await self.store.remove(name)

    async def _is_gone(self, name: str, now: float) -> bool:
        seen = await load(self.store, name, Seen)
        return seen is not None and seen.at < now - KEPT_FOR

    def _own(self, what: str) -> str:
        return name_of("replica", self.replica, what)


def _newest(records: list[ReleaseRecord]) -> list[ReleaseRecord]:
    return sorted(records, key=lambda record: record.updated, reverse=True)
