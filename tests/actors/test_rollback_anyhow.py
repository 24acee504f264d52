"""Rollbacks attacked: sidecars frozen or killed at any point, replicas in any order, a platform and a store that fail.

The actors are driven by hand, from one wait to the next, so that every order of things can be tried without a clock.
"""

import types

import msgspec
from builders import rollback_record
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from servers.stores import MemoryStore

from sidecar.actors.rollback import Rollback
from sidecar.actors.seat import Pace
from sidecar.core.errors import IllegalTransitionError
from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import (
    ENDS,
    FINAL,
    Restorable,
    RollbackOrder,
    RollbackPhase,
    advance,
)
from sidecar.core.rules import RollbackPlan
from sidecar.ledger.turns import confirm
from sidecar.platforms.contract import (
    Platform,
    PlatformError,
    Progress,
    Restoration,
    UnavailableError,
    UncertainError,
)
from sidecar.store.contract import StoreError

RULES = RollbackPlan(timeout=20.0, verify_within=300.0)
PACE = Pace(first=2.0, longest=8.0, settle=10.0, silence=30.0)
TARGET = KnownGood(release="1", at=0.0, deployments=("d-1",))
NAMES = ("a", "b", "c")
WHO = st.integers(0, len(NAMES) - 1)
MOODY = {"get", "put", "claim"}
"""The store's calls that take their time, and can fail."""

OWN_BAD = rollback_record(RollbackPhase.VERIFIED, release="1", target="0", replica="z", asked=1)


@types.coroutine
def tick():
    """Wait until the test lets this sidecar go on."""
    yield


class World:
    """What all sidecars share: the time, the store's and the platform's mood, and what has really been done."""

    def __init__(self):
        self.now = 1000.0
        self.store_mood = "works"
        self.platform_mood = "works"
        self.can_tell = True
        self.deployments = ["d-1", "d-2"]
        self.becomes = Restoration.PENDING
        self.in_flight = []

    async def sleep(self, seconds):
        """Return when so much time has passed."""
        until = self.now + seconds
        await tick()
        while self.now < until:
            await tick()


class Request:
    """A rollback that was asked for, and is heard until its deadline, or never."""

    def __init__(self, world):
        self.world, self.deadline, self.open, self.heard = world, world.now + RULES.timeout, True, False
        world.in_flight.append(self)

    @property
    def counts(self):
        """It was heard, or still may be."""
        return self.heard or (self.open and self.world.now <= self.deadline)

    def hear(self):
        """Carry it out, unless it is too late."""
        if self.open and self.world.now <= self.deadline:
            self.heard = True
            self.world.deployments.append(f"d-{len(self.world.deployments) + 1}")
        self.open = False


class AnyStore(MemoryStore):
    """Fails before or after it has done something, whenever the world is in that mood."""

    def __init__(self, world):
        super().__init__()
        self.world = world

    async def _before(self, call):
        if call in MOODY:
            await tick()
            self._fail_in("fails", "the store fails")

    async def _after(self, call):
        if call in MOODY:
            self._fail_in("does and fails", "the store does, and fails")

    def _fail_in(self, mood, why):
        if self.world.store_mood == mood:
            raise StoreError(why)


class AnyPlatform(Platform):
    """One sidecar's way to the platform, which answers in the world's mood when the sidecar goes on."""

    name = "the platform"

    def __init__(self, sidecar):
        self.world, self.sidecar = sidecar.world, sidecar

    async def accepted(self):
        """Accept."""
        return "yes"

    async def find(self, _):
        """Find the target, or not."""
        await tick()
        if self.world.platform_mood == "is away":
            raise UnavailableError("away")
        if self.world.platform_mood == "refuses":
            raise PlatformError("no image")
        return Restorable("d-1", tuple(self.world.deployments))

    async def roll_back(self, *_):
        """Hear it, or not, and say so, or not."""
        assert not self.sidecar.refused, "the platform is asked although the step was refused"
        assert not self.sidecar.target_bad, "a bad release is to be restored"
        assert not any(request.counts for request in self.world.in_flight), "asked for what may have been heard"
        request = Request(self.world)
        await tick()
        if self.world.now > request.deadline or self.world.platform_mood == "loses answers":
            raise UncertainError("no answer")
        if self.world.platform_mood == "works" or request.heard:
            request.hear()
            if request.heard:
                return
        request.open = False
        if self.world.platform_mood == "is away":
            raise UnavailableError("away", 5.0)
        raise PlatformError("refused")

    async def progress(self, _, found):
        """Tell what is there."""
        await tick()
        if self.world.platform_mood in ("is away", "loses answers"):
            raise UnavailableError("away")
        if not self.world.can_tell:
            return Progress(Restoration.UNKNOWN, "cannot tell")
        new = set(self.world.deployments) - set(found.known)
        return Progress(self.world.becomes, "new") if new else Progress(Restoration.UNHEARD, "nothing new")

    async def aclose(self):
        """Do nothing."""


class Sidecar:
    """One replica, alive or not."""

    def __init__(self, name, world, store, *, target_bad):
        self.name, self.world, self.store, self.target_bad = name, world, store, target_bad
        self.on_hold = self.refused = False
        self.phase = RollbackPhase.IDLE
        self.life = None

    def start(self):
        """Decide, or decide again, that the release is to be rolled back."""
        self.phase, self.refused = RollbackPhase.IDLE, False
        actor = Rollback(
            RollbackOrder(release="2", target=TARGET),
            RULES,
            platform=AnyPlatform(self),
            store=self.store,
            replica=self.name,
            advance=self.advance,
            pace=PACE,
            wall=lambda: self.world.now,
            sleep=self.world.sleep,
        )
        self.life = actor.run()

    def advance(self, step, _):
        """Grant a step by the table, unless an operator holds."""
        if self.on_hold and step not in ENDS:
            self.refused = True
            raise IllegalTransitionError("on hold")
        self.phase = advance(self.phase, step)

    def go_on(self):
        """Go on to the next wait, or the end."""
        try:
            self.life.send(None)
        except StopIteration:
            self.life = None
            assert self.phase in FINAL

    def kill(self):
        """End it where it stands."""
        self.life.close()
        self.life = None


class AnyOrder(RuleBasedStateMachine):
    """Everything that can happen to a rollback, in any order."""

    def __init__(self):
        super().__init__()
        self.world = World()
        self.store = AnyStore(self.world)
        self.sidecars = []

    @initialize(
        can_tell=st.sampled_from([True, True, True, False]),
        target_bad=st.sampled_from([False] * 7 + [True]),
        begun=st.integers(1, len(NAMES)),
    )
    def begin(self, can_tell, target_bad, begun):
        """A release is bad, and some have found it out; perhaps its target was bad, too."""
        self.world.can_tell = can_tell
        if target_bad:
            self.store.kept["rollback/1/1"] = msgspec.json.encode(OWN_BAD)
        self.sidecars = [Sidecar(name, self.world, self.store, target_bad=target_bad) for name in NAMES]
        for sidecar in self.sidecars[:begun]:
            sidecar.start()

    def alive(self):
        """Sidecars that carry something out."""
        return [sidecar for sidecar in self.sidecars if sidecar.life is not None]

    @precondition(lambda self: len(self.alive()) < len(NAMES))
    @rule()
    def another_begins(self):
        """For the first time, after it was killed, or once more after an end."""
        next(sidecar for sidecar in self.sidecars if sidecar.life is None).start()

    @precondition(lambda self: self.alive())
    @rule(number=WHO, times=st.integers(1, 12))
    def one_goes_on(self, number, times):
        """While all others are as if frozen."""
        sidecar = self.one_of(number)
        for _ in range(times):
            if sidecar.life is not None:
                sidecar.go_on()

    @precondition(lambda self: self.alive())
    @rule(
        number=WHO,
        point=st.sampled_from(["claiming", "asking", "in flight", "verifying"]),
        fate=st.sampled_from(["lives", "is frozen", "is killed", "is started again"]),
    )
    def one_comes_to_a_point(self, number, point, fate):
        """Where being frozen or killed may do the most harm."""
        sidecar, before = self.one_of(number), self.seen(point)
        for _ in range(40):
            if sidecar.life is None or self.seen(point) > before:
                break
            sidecar.go_on()
            self.world.now += 2.0 * (self.world.store_mood == "works")
        if sidecar.life is None or fate == "lives":
            return
        if fate == "is frozen":
            self.go_on(8.0, 40, [one for one in self.alive() if one is not sidecar])
            self.go_on(1.0, 2, [sidecar])
            return
        sidecar.kill()
        if fate == "is started again":
            sidecar.start()
            self.go_on(1.0, 10, [sidecar])

    @precondition(lambda self: self.alive())
    @rule(seconds=st.sampled_from([2.0, 8.0]), times=st.integers(1, 30))
    def all_go_on_for_a_while(self, seconds, times):
        """As they do when nothing is wrong."""
        self.go_on(seconds, times, self.alive())

    @precondition(lambda self: self.alive())
    @rule(number=WHO, again=st.booleans())
    def one_is_killed(self, number, again):
        """Without a word, and perhaps started again at once."""
        sidecar = self.one_of(number)
        sidecar.kill()
        if again:
            sidecar.start()

    @rule(seconds=st.sampled_from([5.0, 21.0, 60.0, 400.0]))
    def time_passes(self, seconds):
        """And nobody moves."""
        self.world.now += seconds

    @rule(
        platform=st.sampled_from(["works", "works", "works", "loses answers", "is away", "refuses"]),
        store=st.sampled_from(["works", "works", "works", "fails", "does and fails"]),
        becomes=st.sampled_from([Restoration.PENDING, Restoration.HEALTHY, Restoration.FAILED]),
        on_hold=st.sampled_from([*NAMES, *[None] * 5]),
    )
    def something_changes(self, platform, store, becomes, on_hold):
        """The mood of the platform, that of the store, the new deployment, an operator's mind."""
        self.world.platform_mood, self.world.store_mood, self.world.becomes = platform, store, becomes
        for sidecar in self.sidecars:
            sidecar.on_hold = sidecar.name == on_hold

    @precondition(lambda self: any(request.open for request in self.world.in_flight))
    @rule()
    def a_request_is_heard_late(self):
        """Although who has sent it may be gone."""
        next(request for request in self.world.in_flight if request.open).hear()

    @precondition(lambda self: len(self.world.deployments) > 2 and self.world.becomes is Restoration.HEALTHY)
    @rule()
    def the_restored_release_confirms(self):
        """By its own sidecar."""
        self.to_the_end(confirm(self.store, "1", "new", self.world.now, self.world.now))

    def go_on(self, seconds, times, sidecars):
        """Let some go on, and time with them."""
        for _ in range(times):
            self.world.now += seconds
            for sidecar in sidecars:
                for _ in range(4):
                    if sidecar.life is not None:
                        sidecar.go_on()

    def one_of(self, number):
        """One of those alive."""
        return self.alive()[number % len(self.alive())]

    def seen(self, point):
        """How often this point was come to so far."""
        if point == "in flight":
            return len(self.world.in_flight)
        return sum(f'"{point}"'.encode() in value for _, value in self.store.written)

    @invariant()
    def at_most_one_rollback_is_effective(self):
        """Whatever happens."""
        assert sum(request.heard for request in self.world.in_flight) <= 1

    def to_the_end(self, life):
        """Let one go on to its end, in a world without trouble."""
        self.world.store_mood = "works"
        try:
            while True:
                life.send(None)
        except StopIteration:
            return

    def teardown(self):
        """Without further trouble, all come to an end, and all to one that fits what was done."""
        self.world.platform_mood = self.world.store_mood = "works"
        self.world.becomes = Restoration.HEALTHY
        for _ in range(3000):
            for sidecar in self.alive():
                sidecar.go_on()
            self.world.now += 1.0
        assert not self.alive(), "a rollback does not come to an end"
        self.at_most_one_rollback_is_effective()


AnyOrder.TestCase.settings = settings(max_examples=400, stateful_step_count=30, deadline=None, phases=[Phase.generate])
TestAnyOrder = AnyOrder.TestCase


# Two orders of things that chance seldom hits upon ----------------------------------------------------------------


def place(*, names=("a",)):
    """A world in which all works, and its sidecars."""
    world = World()
    store = AnyStore(world)
    return world, store, [Sidecar(name, world, store, target_bad=False) for name in names]


def go_on_until(sidecar, reached):
    """Let one go on, without time passing, until something is so."""
    for _ in range(50):
        if reached():
            return
        sidecar.go_on()
    raise AssertionError("it never comes to this")


def heard(world):
    """How often the platform has really been heard."""
    return sum(request.heard for request in world.in_flight)


def finish(world, *sidecars):
    """Let all come to an end."""
    for _ in range(1000):
        world.now += 1.0
        for sidecar in sidecars:
            if sidecar.life is not None:
                sidecar.go_on()
    assert {sidecar.phase for sidecar in sidecars if sidecar.life is None} <= FINAL


def test_a_look_counts_from_its_own_beginning_not_from_what_was_written():
    """Frozen after the record, thawed to ask, killed at once: the request is on its way, though the record is old."""
    world, store, [one] = place()
    one.start()
    go_on_until(one, lambda: b'"asking"' in store.kept.get("rollback/2/1", b""))
    world.now += 500.0
    go_on_until(one, lambda: world.in_flight)
    one.kill()
    one.start()
    for _ in range(10):
        if one.life is not None and len(world.in_flight) == 1:
            one.go_on()
            world.now += 1.0
    world.in_flight[0].hear()
    world.becomes = Restoration.HEALTHY
    finish(world, one)
    assert (heard(world), one.phase) == (1, RollbackPhase.VERIFIED)


def test_who_takes_over_late_looks_for_as_long_as_anybody():
    """Frozen in the claim, while who was taken for dead thaws and asks."""
    world, store, [first, second] = place(names=("a", "b"))
    first.start()
    go_on_until(first, lambda: b'"asking"' in store.kept.get("rollback/2/1", b""))
    second.start()
    claims = store.claim
    at_claim = []

    async def claim(name, value):
        at_claim.append(name)
        return await claims(name, value)

    store.claim = claim
    while not at_claim:
        world.now += 1.0
        second.go_on()
    world.now += 500.0
    go_on_until(first, lambda: world.in_flight)
    for _ in range(8):
        second.go_on()
        world.now += 1.0
    world.in_flight[0].hear()
    world.becomes = Restoration.HEALTHY
    finish(world, first, second)
    assert heard(world) == 1
