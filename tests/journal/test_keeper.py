"""The keeper: when entries are written, what is lost where the store fails, and what a flight record holds."""

import anyio
import pytest
from builders import plan, probe, verdict
from servers.stores import FailingStore

from sidecar.clock import boottime
from sidecar.core.events import Event, EventKind
from sidecar.core.facts import ProbeReported
from sidecar.core.journal.entries import Lost, SidecarStarted, Told, Verdicts
from sidecar.core.severity import Severity
from sidecar.core.verdict import Outcome
from sidecar.journal import keeper
from sidecar.journal.keeper import Journal
from sidecar.journal.reading import parse, read_flights, read_journal
from sidecar.tracker import Tracker

pytestmark = pytest.mark.anyio

STREAM, FLIGHTS = "journal/r1", "flights/r1"


class Kept:
    """A journal with a tracker that feeds it."""

    def __init__(self, figures=lambda: {"in_flight": 3}):
        rules = plan(probe("web", failure_threshold=1))
        self.store = FailingStore()
        self.said = []
        self.journal = Journal(
            rules, self.store, "r1", snapshot=lambda: self.tracker.snapshot, figures=figures, tell=self.said.append
        )
        self.tracker = Tracker(
            rules,
            boottime,
            publish=lambda _: None,
            tell=self.journal.note_event,
            act=lambda _: None,
            observe=self.journal.note,
        )

    def report(self, outcome, **more):
        """Let the probe report."""
        self.tracker.record(ProbeReported("web", verdict(outcome, boottime(), **more)))

    def remark(self, text="a remark"):
        """Let something be told."""
        event = Event(kind=EventKind.REMARK, at=boottime(), severity=Severity.INFO, message=text)
        self.journal.note_event(event)

    @property
    def entries(self):
        """What has reached the store."""
        return parse(self.store.entries(STREAM)).entries


@pytest.fixture
def quick(monkeypatch):
    """Times that a test can wait for."""
    monkeypatch.setattr(keeper, "BATCH_EVERY", 0.01)
    monkeypatch.setattr(keeper, "RETRY_EVERY", 0.01)


@pytest.mark.usefixtures("quick")
async def test_entries_gather_and_are_written_in_one_go():
    """Whatever comes within the time of a batch is one append."""
    kept = Kept()
    for number in range(50):
        kept.remark(str(number))
    async with kept.journal.keeping():
        await kept.store.until("append", 1)
        assert [entry.message for entry in kept.entries if isinstance(entry, Told)] == [str(n) for n in range(50)]
        assert isinstance(kept.entries[0], SidecarStarted)
    assert kept.store.ended["append"] == 1


async def test_a_turn_for_the_worse_is_written_at_once():
    """The batch's five seconds are not waited for, and a flight record is frozen beside it."""
    kept = Kept()
    async with kept.journal.keeping():
        kept.report(Outcome.PASS)
        kept.report(Outcome.FAIL, reason="it is down")
        with anyio.fail_after(keeper.BATCH_EVERY - 1):
            await kept.store.until("append", 2)
        [frozen] = await read_flights(kept.store, "r1")
        assert [entry.outcome for entry in kept.entries if isinstance(entry, Verdicts)] == [Outcome.PASS, Outcome.FAIL]
    assert frozen.reasons == ("web: it is down",)
    assert frozen.gateway.figures == {"in_flight": 3}
    assert [look.outcome for look in frozen.probes["web"].looks] == [Outcome.PASS, Outcome.FAIL]


async def test_figures_that_cannot_be_read_spoil_no_flight_record():
    """What the kernel keeps from us is said in their place."""

    def refused():
        raise OSError(1, "operation not permitted")

    kept = Kept(refused)
    async with kept.journal.keeping():
        kept.report(Outcome.PASS)
        kept.report(Outcome.FAIL)
    [frozen] = await read_flights(kept.store, "r1")
    assert "operation not permitted" in frozen.gateway.figures["unreadable"]


async def test_what_grows_still_is_written_at_the_end():
    """The rows of verdicts that have not ended are closed with the sidecar."""
    kept = Kept()
    async with kept.journal.keeping():
        kept.report(Outcome.PASS)
    assert [entry.outcome for entry in kept.entries if isinstance(entry, Verdicts)] == [Outcome.PASS]


@pytest.mark.usefixtures("quick")
async def test_a_store_that_fails_loses_the_oldest_and_the_journal_says_how_many(monkeypatch):
    """The youngest wait for the store to come back; a remark tells of the beginning and the end, once each."""
    monkeypatch.setattr(keeper, "HELD_AT_MOST", 10)
    kept = Kept()
    kept.store.fail("the disk is full")
    async with kept.journal.keeping():
        for number in range(30):
            kept.remark(str(number))
        await kept.store.until("append", 3)
        assert kept.journal.failing == "the disk is full"
        assert kept.entries == []
        kept.store.recover()
        await kept.store.until("append", kept.store.ended["append"] + 1)
    first, *rest = kept.entries
    assert (type(first), first.count) == (Lost, 21)
    assert [entry.message for entry in rest] == [str(number) for number in range(20, 30)]
    assert kept.journal.lost == 21
    assert [event.message for event in kept.said] == [
        "the journal is not kept: the disk is full",
        "the journal is kept again; 21 entries are lost",
    ]


@pytest.mark.usefixtures("quick")
async def test_what_the_store_took_although_it_said_no_is_read_once():
    """Whether a write that failed has happened is not known; so it is written again, and counted once."""
    kept = Kept()
    kept.store.fail("the connection was lost", when_done=True)
    async with kept.journal.keeping():
        kept.remark("once")
        await kept.store.until("append", 2)
        kept.store.recover()
    reading = await read_journal(kept.store, "r1")
    assert len(kept.store.entries(STREAM)) > len(reading.entries)
    assert [entry.message for entry in reading.entries if isinstance(entry, Told)] == ["once"]


async def test_a_store_that_hangs_does_not_hold_up_the_end(monkeypatch):
    """What is left has its time, and no more."""
    monkeypatch.setattr(keeper, "CLOSE_WITHIN", 0.05)
    kept = Kept()
    kept.store.hang()
    async with kept.journal.keeping():
        kept.remark()
    assert kept.entries == []


@pytest.mark.usefixtures("quick")
async def test_without_news_nothing_wakes_it():
    """After the start there is nothing to write, and nothing is tried."""
    kept = Kept()
    async with kept.journal.keeping():
        await kept.store.until("append", 1)
        for _ in range(100):
            await anyio.sleep(0.001)
        assert kept.store.ended["append"] == 1


async def test_a_flight_record_by_another_version_is_left_out():
    """Who reads them sees the others."""
    kept = Kept()
    async with kept.journal.keeping():
        kept.report(Outcome.PASS)
        kept.report(Outcome.FAIL)
    await kept.store.append(FLIGHTS, [b'{"of":"the future"}'], 20)
    assert len(await read_flights(kept.store, "r1")) == 1
