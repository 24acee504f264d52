"""Entries: what they look like as lines, and which lines are none."""

import pytest
from builders import process

from sidecar.core import facts
from sidecar.core.events import Event, EventKind
from sidecar.core.identity import Ending
from sidecar.core.journal.entries import TEXT_AT_MOST, Verdicts, keep, read_entry, write_entry
from sidecar.core.journal.transcript import entry_of, fact_of, told
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import Hold, KnownGood, ReleaseState
from sidecar.core.releases.rollback import RollbackOrder, RollbackStep
from sidecar.core.releases.sample import Sample
from sidecar.core.severity import Severity
from sidecar.core.state import Maintenance, Standing
from sidecar.core.verdict import Outcome

OFFSET = 1_700_000_000.0

FACTS = [
    facts.GatewayAppeared(process(7, 3.0)),
    facts.GatewayAppeared(None, "it belongs to another user"),
    facts.GatewayExited(process(7, 3.0)),
    facts.ChildStarted(process(8, 4.0)),
    facts.ChildEnded(Ending(137, "was killed by SIGKILL")),
    facts.StopRequested(),
    facts.ObserverLate(2.5),
    facts.MaintenanceBegun(Maintenance(reason="a move", by="root", since=10.0, until=70.0)),
    facts.MaintenanceEnded("it is over", "root"),
    facts.TimePassed(),
    facts.DrainOrdered("it leaks", "root"),
    facts.ReplacementOrdered("an earlier release takes its place"),
    facts.MemoryRecalled(
        Memory(
            release=ReleaseState(id="v2", since=10.0, at=11.0, saved=12.0, samples={"web": Sample(answered={3: 2})}),
            target=KnownGood(release="v1", at=OFFSET),
            bad=frozenset({"v0"}),
            hold=Hold(reason="a freeze", by="root", at=OFFSET),
            rollbacks=(5.0,),
            unfit=None,
        )
    ),
    facts.StandingRecalled(Standing(upstream=("db",), process=process(7, 3.0), gateway=("web",), drains=(4.0,))),
    facts.TrafficMeasured(Sample(answered={3: 2}, errors=1)),
    facts.HoldBegun(Hold(reason="a freeze", by="root", at=OFFSET)),
    facts.HoldEnded("root"),
    facts.ReleasePromoted("it is well", "root"),
    facts.RollbackOrdered(KnownGood(release="v1", at=OFFSET), "it is slow", "root", forced=True),
    facts.RollbackAdvanced(RollbackStep.ASK, "asked"),
]


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
def test_a_fact_survives_the_journal(fact):
    """Written down and read again it says the same, but for its times, which are Unix time then."""
    entry = entry_of(fact, 100.0 + OFFSET, OFFSET)
    again = fact_of(read_entry(write_entry(entry)))
    assert type(again) is type(fact)
    assert entry_of(again, 100.0 + OFFSET, 0.0) == entry


def test_no_command_line_is_written_down():
    """It may hold a credential; a replay starts nothing."""
    target = KnownGood(release="v1", at=OFFSET, command=("gateway", "--token=hunter2"))
    order = RollbackOrder(release="v2", target=target)
    recalled = facts.MemoryRecalled(Memory(target=target, unfinished=order))
    for fact in (recalled, facts.RollbackOrdered(target, "slow", "root")):
        line = write_entry(entry_of(fact, 100.0 + OFFSET, OFFSET))
        assert b"hunter2" not in line
        assert b'"release":"v1"' in line


def test_an_entry_is_a_line_that_people_can_read():
    """Its sort comes first, what is empty is left out."""
    entry = entry_of(FACTS[2], 100.5 + OFFSET, OFFSET)
    assert write_entry(entry) == (
        b'{"entry":"gateway_exited","at":1700000100.5,"process":{"pid":7,"start_ticks":300,"started":1700000003.0}}'
    )


def test_an_event_is_kept_as_it_was_told():
    """For people, with its reasons."""
    event = Event(
        kind=EventKind.STATUS_CHANGED,
        at=100.5,
        severity=Severity.ERROR,
        message="ready -> unhealthy",
        before="ready",
        after="unhealthy",
        evidence=("web: it fails",),
    )
    assert write_entry(told(event, event.at + OFFSET)) == (
        b'{"entry":"event","at":1700000100.5,"kind":"status_changed","severity":"error","message":"ready -> unhealthy",'
        b'"before":"ready","after":"unhealthy","evidence":["web: it fails"]}'
    )


def test_an_event_is_bounded():
    """However much it says, its entry keeps some kilobytes."""
    event = Event(
        kind=EventKind.REMARK, at=0.0, severity=Severity.INFO, message="é" * 100_000, evidence=("é" * 100_000,) * 1000
    )
    assert len(write_entry(told(event, OFFSET))) < 12_000


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"x", "malformed"),
        (b"{}", "missing required field `entry`"),
        (b'{"entry":"nobody_knows","at":1}', "nobody_knows"),
        (b'{"entry":"stop_requested","at":-1}', ">= 0"),
        (b'{"entry":"stop_requested","at":1e300}', "<= 2.5e11|<= 250000000000"),
        (b'{"entry":"stop_requested","at":"now"}', "float"),
        (b'\xff{"entry":"stop_requested","at":1}', "malformed|utf-8"),
        (b" " * (1 << 20) + b"{}", "a line of 1048578 bytes"),
        (
            b'{"entry":"verdicts","at":9,"last":8,"probe":"web","outcome":"pass","reason":"","fastest":0,"mean":0,"slowest":0}',
            "the last verdict is before the first",
        ),
    ],
)
def test_what_is_no_entry_says_why(line, problem):
    """Whatever a file holds, it raises one error with the reason."""
    with pytest.raises(ValueError, match=problem):
        read_entry(line)


def test_a_row_without_an_end_is_refused():
    """Nobody has made a million verdicts in five minutes."""
    with pytest.raises(ValueError, match="<= 100000"):
        read_entry(write_entry(Verdicts(at=1, last=2, count=10**9, probe="web", outcome=Outcome.PASS, reason="",
                                        fastest=0, mean=0, slowest=0)))  # fmt: skip


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("plain", "plain"),
        ("two\nlines", "two\nlines"),
        ("\x1b[31mred", "\N{REPLACEMENT CHARACTER}[31mred"),
        ("half \udcff a pair", "half \N{REPLACEMENT CHARACTER} a pair"),
        ("x" * 600, "x" * TEXT_AT_MOST + "…"),
    ],
)
def test_a_text_is_cut_and_cannot_steer_a_terminal(text, kept):
    """What is kept of it can be encoded, and printed anywhere."""
    assert keep(text) == kept
