"""What is known of releases, and what a replica must not forget, written down in a store. All times are Unix times."""

from collections.abc import Mapping
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from sidecar.core.identity import GatewayProcess
from sidecar.core.releases.baseline import Baseline
from sidecar.core.releases.release import Hold, KnownGood, ReleasePhase
from sidecar.core.releases.rollback import RollbackRecord
from sidecar.core.releases.sample import Sample
from sidecar.store.contract import Store, StoreError
from sidecar.store.documents import decode, encode, load, load_all
from sidecar.store.naming import name_of, word_of


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
    """When a replica was last there, and whom it tells."""

    at: float
    sinks: tuple[str, ...] = ()


class Present(Struct, frozen=True):
    """That a replica is there. ``at`` is by its own clock, with which nobody else's can be compared."""

    at: float
    release: str | None = None
    """What it runs."""


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

    async def releases(self) -> list[ReleaseRecord]:
        """Give every record, the one written last first: one for each replica that has seen the release."""
        found = await load_all(self.store, ReleaseRecord, "release")
        return sorted(found, key=lambda record: record.updated, reverse=True)

    async def save_good(self, target: KnownGood) -> None:
        """Write down the last release known to be good."""
        await self.store.put("good", encode(target))

    async def good(self) -> KnownGood | None:
        """Give the last release known to be good."""
        return await load(self.store, "good", KnownGood)

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

    async def rollbacks(self) -> list[RollbackRecord]:
        """Give the rollbacks as their actors have written them, the one begun last first; each turn is one record."""
        found = await load_all(self.store, RollbackRecord, "rollback")
        return sorted(found, key=lambda record: (record.begun, record.seen), reverse=True)

    async def forget_release(self, record: ReleaseRecord) -> None:
        """Forget what one replica has seen of a release."""
        await self.store.remove(name_of("release", record.id, record.replica))

    async def forget_rollback(self, release: str) -> None:
        """Forget that a release was rolled back."""
        await self._remove_all(f"{name_of('rollback', release)}/")

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

    async def show_up(self, seen: Seen) -> None:
        """Write down that this replica is there."""
        await self.store.put(self._own("seen"), encode(seen))

    async def gone(self, since: float) -> dict[str, Seen]:
        """Give the replicas of which nothing was heard since then, as they were seen last."""
        found = (item for item in (await self.store.documents("replica/")).items() if item[0].endswith("/seen"))
        seen = {word_of(name.split("/")[1]): decode(name, value, Seen) for name, value in found}
        return {replica: last for replica, last in seen.items() if last.at < since}

    async def be_present(self, present: Present) -> None:
        """Write down that this replica is there, where the others look for it."""
        await self.store.put(_present(self.replica), encode(present))

    async def present(self) -> dict[str, Present]:
        """Give the replicas that are there, or were and have left something that nobody has settled yet."""
        found = await self.store.documents("present/")
        present = {}
        for name, value in found.items():
            with suppress(StoreError):  # another version has written it: one that this one cannot replace
                present[word_of(name.split("/")[1])] = decode(name, value, Present)
        return present

    async def settled(self, replica: str) -> None:
        """Note that nothing is left of a replica that others would have to see to."""
        await self.store.remove(_present(replica))

    async def forget_replica(self, replica: str) -> None:
        """Forget everything that a replica has kept for itself."""
        await self._remove_all(f"{name_of('replica', replica)}/")
        await self.settled(replica)

    async def _remove_all(self, prefix: str) -> None:
        await self.store.remove(*await self.store.documents(prefix))

    def _own(self, what: str) -> str:
        return name_of("replica", self.replica, what)


def _present(replica: str) -> str:
    return name_of("present", replica)
