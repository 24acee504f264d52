"""The flight record: when one is worth its while, and what stands in it."""

import msgspec
import pytest
from builders import plan, probe, process, verdict

from sidecar.core.events import Event, EventKind
from sidecar.core.facts import GatewayAppeared, ProbeReported
from sidecar.core.journal.flight import Flight, freeze, is_bad
from sidecar.core.machine import begin_state, step
from sidecar.core.severity import Severity
from sidecar.core.snapshot import Snapshot
from sidecar.core.tally import new_tally
from sidecar.core.verdict import Finding, Observation, Outcome, Phase, Verdict


def event(kind, severity=Severity.ERROR, before=None, after=None):
    """An event."""
    return Event(kind=kind, at=0.0, severity=severity, message="it happened", before=before, after=after)


@pytest.mark.parametrize(
    ("told", "bad"),
    [
        (event(EventKind.STATUS_CHANGED, before="ready", after="unhealthy"), True),
        (event(EventKind.STATUS_CHANGED, before="starting", after="unhealthy"), True),
        (event(EventKind.STATUS_CHANGED, before="unhealthy", after="unhealthy"), False),
        (event(EventKind.STATUS_CHANGED, Severity.WARNING, before="ready", after="unhealthy"), False),
        (event(EventKind.STATUS_CHANGED, Severity.WARNING, before="ready", after="degraded"), False),
        (event(EventKind.DRAIN_BEGUN, Severity.WARNING, before="idle", after="lame_duck"), True),
        (event(EventKind.RELEASE_CHANGED, before="baking", after="bad"), True),
        (event(EventKind.RELEASE_CHANGED, before="baking", after="held"), True),
        (event(EventKind.RELEASE_CHANGED, before="starting", after="held"), True),
        (event(EventKind.RELEASE_CHANGED, before="bad", after="held"), False),
        (event(EventKind.RELEASE_CHANGED, Severity.INFO, before="baking", after="good"), False),
        (event(EventKind.GATEWAY_EXITED), False),
    ],
)
def test_a_turn_for_the_worse_is_worth_a_record(told, bad):
    """Unhealthy by no one's wish, a drain, a bad release; what was asked for, or only goes on, is none."""
    assert is_bad(told) is bad


def frozen():
    """A record of a gateway that has failed, beside a database that passes."""
    rules = plan(probe("web", failure_threshold=1), probe("db"))
    state = begin_state(rules, 1000.0)
    seen = Observation(
        started=1001.0,
        wall=1.7e9 + 1,
        elapsed=0.02,
        findings=(Finding("status is 200-299", "500", holds=False), Finding("it is HTTP", "yes", holds=True)),
        phases=(Phase("connect", 0.001), Phase("body", 0.002)),
        notes={"status": 500},
    )
    ill = Verdict(Outcome.FAIL, "status is 200-299: found 500", seen)
    recent = {"web": [verdict(Outcome.PASS, 1000.5), ill], "db": [verdict(Outcome.PASS, 999.0)] * 3}
    for fact in (GatewayAppeared(process(7, 900.0)), ProbeReported("web", ill), ProbeReported("db", recent["db"][0])):
        state, _, _ = step(state, fact, 1002.0)
    tallies = {name: new_tally() for name in ("web", "db")}
    picture = Snapshot(at=1002.0, wall=1.7e9 + 2, state=state, tallies=tallies, lag=0.003, transitions=4)
    return freeze(picture, recent, event(EventKind.STATUS_CHANGED), replica="r1", version="0")


def test_it_holds_what_was_known():
    """Status with reasons, the process with its age, the drain, and the sidecar's own lag."""
    record = frozen()
    assert (record.at, record.replica, record.status, record.ready) == (1.7e9 + 2, "r1", "starting", False)
    assert (record.gateway.phase, record.gateway.pid, record.gateway.age) == ("up", 7, 102.0)
    assert (record.drain, record.lag, record.transitions, record.why) == ("idle", 0.003, 4, ("it happened",))
    assert "web: status is 200-299: found 500" in record.reasons


def test_it_holds_the_latest_looks_of_what_does_not_pass():
    """Each with its findings, those marked that do not hold, phases and notes; of what passes one is enough."""
    web, db = (frozen().probes[name] for name in ("web", "db"))
    assert (web.state, web.failures, web.since) == ("failing", 1, 1.7e9 + 2)
    assert [look.outcome for look in web.looks] == [Outcome.PASS, Outcome.FAIL]
    assert web.looks[1].findings == ("NOT status is 200-299: found 500", "it is HTTP: found yes")
    assert web.looks[1].phases == (("connect", 0.001), ("body", 0.002))
    assert web.looks[1].notes == {"status": 500}
    assert len(db.looks) == 1


def test_it_survives_being_written_down():
    """JSON, and back."""
    record = frozen()
    assert msgspec.json.decode(msgspec.json.encode(record), type=Flight) == record
