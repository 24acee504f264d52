"""Whatever is done to a store in whatever order, it does what a dict would do."""

import asyncio
import itertools

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from sidecar.core.plan import StatePlan
from sidecar.store import open_store

NAMES = st.sampled_from(["hold", "release/1", "release/2", "release/ä", "releases"])
STREAMS = st.sampled_from(["events", "outbox"])
VALUES = st.binary(max_size=50)


class Comparison(RuleBasedStateMachine):
    """A store beside a model of it; now and then the store is opened anew."""

    plan: StatePlan
    places = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.place = next(self.places)
        self.store = self.open()
        self.documents: dict[str, bytes] = {}
        self.streams: dict[str, list[bytes]] = {"events": [], "outbox": []}
        self.seen = dict.fromkeys(self.streams, 0)
        """The highest number that was ever seen in a stream."""

    def open(self):
        """Open the store at this machine's own place."""
        plan = self.plan
        if plan.dir is not None:
            plan = StatePlan(dir=f"{plan.dir}/{self.place}")
        elif plan.url is not None:
            plan = StatePlan(store=plan.store, url=plan.url, prefix=f"{plan.prefix}-{self.place}")
        return open_store(plan, 9000)

    def done(self, work):
        """Run to its end."""
        return self.runner.run(work)

    @rule(name=NAMES, value=VALUES)
    def put(self, name, value):
        """Put a document."""
        self.done(self.store.put(name, value))
        self.documents[name] = value

    @rule(name=NAMES)
    def remove(self, name):
        """Remove one, which may not be there."""
        self.done(self.store.remove(name))
        self.documents.pop(name, None)

    @rule(name=NAMES, value=VALUES)
    def claim(self, name, value):
        """Claim one, which may be there."""
        assert self.done(self.store.claim(name, value)) == self.documents.setdefault(name, value)

    @rule(stream=STREAMS, values=st.lists(VALUES, max_size=4), keep=st.integers(0, 5))
    def append(self, stream, values, keep):
        """Append some entries; their numbers are greater than all before."""
        before = self.seen[stream]
        self.done(self.store.append(stream, values, keep))
        kept = [*self.streams[stream], *values]
        self.streams[stream] = kept[max(0, len(kept) - keep) :]
        numbers = [number for number, _ in self.done(self.store.read(stream, 100))]
        fresh = numbers[len(numbers) - min(len(values), keep) :] if min(len(values), keep) else []
        assert all(number > before for number in fresh)
        self.seen[stream] = max([before, *numbers])

    @rule(stream=STREAMS, chosen=st.sets(st.integers(0, 4)))
    def drop(self, stream, chosen):
        """Drop the entries at these places."""
        entries = self.done(self.store.read(stream, 100))
        self.done(self.store.drop(stream, [number for place, (number, _) in enumerate(entries) if place in chosen]))
        self.streams[stream] = [value for place, value in enumerate(self.streams[stream]) if place not in chosen]

    @rule()
    def reopen(self):
        """Close it and open it again."""
        if self.store.lasting:
            self.done(self.store.aclose())
            self.store = self.open()

    @invariant()
    def same(self):
        """Show that nothing differs."""
        found, releases = self.done(self.store.documents("")), self.done(self.store.documents("release/"))
        assert list(found.items()) == sorted(self.documents.items())
        assert releases == {name: value for name, value in found.items() if name.startswith("release/")}
        for name in self.documents:
            assert self.done(self.store.get(name)) == self.documents[name]
        for stream, values in self.streams.items():
            entries = self.done(self.store.read(stream, 100))
            assert [value for _, value in entries] == values
            assert self.done(self.store.read(stream, 2)) == entries[:2]
            assert [number for number, _ in entries] == sorted({number for number, _ in entries})

    def teardown(self) -> None:
        """Close it."""
        self.done(self.store.aclose())
        self.runner.close()


@pytest.mark.parametrize("kind", ["sqlite", "redis", "passing"])
def test_a_store_does_what_a_dict_would_do(kind, request) -> None:
    """Documents, claims and streams, also across being closed and opened again."""
    plan = StatePlan() if kind == "passing" else request.getfixturevalue(f"{kind}_plan")
    machine = type("Machine", (Comparison,), {"plan": plan})
    run_state_machine_as_test(machine, settings=settings(max_examples=10, stateful_step_count=25, deadline=None))
