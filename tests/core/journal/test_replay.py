"""Replay: the past by other rules, and what it leaves alone."""

import pytest
from builders import plan, probe
from msgspec.structs import replace

from sidecar.core.drain import DrainPhase, DrainStep
from sidecar.core.events import EventKind
from sidecar.core.journal.entries import (
    DrainAdvanced,
    DrainOrdered,
    GatewayAppeared,
    GatewayExited,
    Lost,
    MaintenanceBegun,
    MemoryRecalled,
    Process,
    Replanned,
    SidecarRuns,
    SidecarStarted,
    Verdicts,
    Watched,
)
from sidecar.core.journal.replay import replay
from sidecar.core.plan import Target
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import KnownGood
from sidecar.core.rules import PlatformKind, ReleasePlan, RollbackPlan
from sidecar.core.verdict import Evidence, Outcome

T0 = 1.7e9
GATEWAY = Process(100, 5000, T0 - 1000)


def watched(*names):
    """What was watched, by name."""
    return tuple(
        Watched(name=name, kind="test", target=Target.GATEWAY, interval=5.0, fast_interval=1.0, timeout=2.0)
        for name in names
    )


def started(at=0.0, *names):
    """The sidecar's start."""
    return SidecarStarted(at=T0 + at, plan="p", probes=watched(*(names or ["web"])), replica="r1", version="0")


def appeared(at=0.1, process=GATEWAY):
    """The gateway's appearance."""
    return GatewayAppeared(at=T0 + at, process=process)


def verdicts(first, last, outcome=Outcome.PASS, *, every=1.0, name="web", evidence=None):
    """Verdicts from second to second."""
    evidence = evidence or (Evidence.REFUSED if outcome is Outcome.FAIL else None)
    count = round((last - first) / every) + 1
    return Verdicts(
        at=T0 + first,
        last=T0 + last,
        count=count,
        probe=name,
        outcome=outcome,
        evidence=evidence,
        reason=f"it is {outcome}",
        fastest=0.01,
        mean=0.01,
        slowest=0.01,
    )


def rules(*probes, **drain):
    """A plan with quick drains."""
    usual = {"drain_after": 10.0, "min_uptime": 0.0, "lame_duck": 2.0, "quiesce": 4.0, "grace": 8.0}
    return plan(*(probes or [probe("web")]), **(usual | drain))


OUTAGE = [started(), appeared(), verdicts(1, 20), verdicts(21, 60, Outcome.FAIL), verdicts(61, 100)]
"""Forty seconds of refused connections."""


def times(kind, events):
    """When something happened, in seconds since the start."""
    return [round(event.at - T0, 3) for event in events if event.kind is kind]


def statuses(events):
    """The changes of status, with their seconds."""
    return [(round(event.at - T0, 3), event.after) for event in events if event.kind is EventKind.STATUS_CHANGED]


def test_the_outage_is_replayed_by_the_thresholds_of_the_plan():
    """Three failures make it unhealthy with one threshold, ten with another."""
    assert statuses(replay(OUTAGE, rules(drain_after=900.0)))[1:] == [(23.0, "unhealthy"), (61.0, "ready")]
    later = rules(probe("web", failure_threshold=10), drain_after=900.0)
    assert statuses(replay(OUTAGE, later))[1:] == [(30.0, "unhealthy"), (61.0, "ready")]


def test_a_longer_patience_spares_the_drain():
    """After ten seconds of failure there is a drain, within a minute there is none."""
    assert times(EventKind.DRAIN_BEGUN, replay(OUTAGE, rules(drain_after=10.0))) == [31.0]
    assert times(EventKind.DRAIN_BEGUN, replay(OUTAGE, rules(drain_after=60.0))) == []


def test_a_drain_that_the_past_did_not_have_takes_as_long_as_the_rules_allow():
    """Nobody knows about work in flight, nor how soon the gateway would have gone."""
    events = [event for event in replay(OUTAGE, rules()) if event.kind.startswith("drain_")]
    assert [(event.at - T0, event.after) for event in events[:4]] == [
        (31.0, DrainPhase.LAME_DUCK),
        (33.25, DrainPhase.QUIESCING),
        (37.5, DrainPhase.SIGNALLED),
        (45.75, DrainPhase.IDLE),
    ]


def test_shadow_drains_send_no_signal():
    """With ``shadow`` the drain is over when the signal would have been sent."""
    events = [event for event in replay(OUTAGE, rules(shadow=True)) if event.kind.startswith("drain_")]
    assert [event.after for event in events[:3]] == [DrainPhase.LAME_DUCK, DrainPhase.QUIESCING, DrainPhase.IDLE]


def advanced(at, step):
    """What the past's drain did."""
    return DrainAdvanced(at=T0 + at, step=step)


def test_a_drain_that_the_past_had_takes_its_steps_when_it_took_them():
    """How long work in flight lasted is evidence: the signal comes when it came."""
    past = [*OUTAGE, advanced(33.01, DrainStep.QUIESCE), advanced(34.5, DrainStep.SIGNAL)]
    past += [GatewayExited(at=T0 + 34.75, process=GATEWAY), appeared(50, Process(200, 9, T0 + 49))]
    events = [event for event in replay(past, rules()) if event.kind.startswith("drain_")]
    assert [round(event.at - T0, 3) for event in events] == [31.0, 33.01, 34.5, 34.75]


def test_a_step_of_the_past_that_is_too_early_by_the_new_rules_is_not_taken():
    """Lame duck lasts as long as the new rules say, whatever the past did."""
    past = [*OUTAGE, advanced(33.01, DrainStep.QUIESCE)]
    events = [event for event in replay(past, rules(lame_duck=6.0)) if event.kind is EventKind.DRAIN_ADVANCED]
    assert events[0].at - T0 == 37.25


@pytest.mark.parametrize(
    ("rule", "steps", "after"),
    [
        ({}, [DrainStep.QUIESCE, DrainStep.SIGNAL, DrainStep.ESCALATE], ["quiescing", "signalled", "killed"]),
        ({}, [DrainStep.QUIESCE, DrainStep.FINISH], ["quiescing", "signalled"]),
        ({"shadow": True}, [DrainStep.QUIESCE, DrainStep.SIGNAL], ["quiescing", "idle"]),
        (
            {"escalate": False},
            [DrainStep.QUIESCE, DrainStep.SIGNAL, DrainStep.ESCALATE],
            ["quiescing", "signalled", "idle"],
        ),
        ({}, [DrainStep.ESCALATE], []),
    ],
    ids=["the same", "it was shadow", "it is shadow", "nobody is killed", "it is not as far"],
)
def test_a_step_of_the_past_is_the_one_that_the_rules_have_for_it(rule, steps, after):
    """Where one had only pretended, the other sends its signal, and so on; each at the moment of the past."""
    past = [started(), appeared(), verdicts(1, 20), verdicts(21, 36, Outcome.FAIL)]
    past += [advanced(33.125 + place, step) for place, step in enumerate(steps)]
    policy = rules(**({"quiesce": 100.0} | rule))
    steps_told = (EventKind.DRAIN_ADVANCED, EventKind.DRAIN_FINISHED)
    told = [event for event in replay(past, policy) if event.kind in steps_told]
    assert [event.after for event in told if (event.at - T0) % 1 == 0.125] == after


def test_a_signal_that_was_refused_calls_the_drain_off_again():
    """The evidence was too old then, and is too old in the replay."""
    past = [started(), appeared(), verdicts(1, 20), verdicts(21, 31, Outcome.FAIL), verdicts(70, 80)]
    past += [advanced(33.1, DrainStep.QUIESCE), advanced(62.0, DrainStep.CANCEL)]
    told = [event for event in replay(past, rules(quiesce=60.0)) if event.kind.startswith("drain_")]
    assert (told[-2].kind, told[-2].at - T0) == (EventKind.DRAIN_CANCELLED, 62.0)


def test_probes_that_did_not_run_are_left_out():
    """One that is new in the plan has no evidence: it keeps nothing from starting."""
    assert statuses(replay(OUTAGE, rules(probe("web"), probe("new"))))[0] == (1.0, "ready")


def test_probes_that_the_plan_does_not_have_are_left_out():
    """What they saw changes nothing."""
    past = [started(0.0, "web", "old"), appeared(), verdicts(1, 9), verdicts(1, 9, Outcome.FAIL, name="old")]
    assert statuses(replay(past, rules())) == [(1.0, "ready")]


def test_a_probe_that_came_with_a_reload_takes_part_from_then_on():
    """Before, nothing is expected of it; after, it counts."""
    reload = Replanned(at=T0 + 50.5, plan="q", probes=watched("web", "new"))
    past = [started(), appeared(), verdicts(1, 100), reload, verdicts(51, 100, Outcome.FAIL, name="new")]
    told = statuses(replay(past, rules(probe("web"), probe("new"), drain_after=900.0)))
    assert told == [(1.0, "ready"), (53.0, "unhealthy")]


def test_a_restart_of_the_sidecar_begins_anew():
    """What it had counted is forgotten, as it was."""
    past = [started(), appeared(), verdicts(1, 20), started(21.0), appeared(21.1), verdicts(22, 30)]
    assert statuses(replay(past, rules())) == [(1.0, "ready"), (22.0, "ready")]


def test_a_clock_that_was_set_back_between_two_runs_confuses_nobody():
    """The runs follow each other as they stand in the journal."""
    past = [started(), appeared(), verdicts(1, 20), started(-500.0), appeared(-499.9), verdicts(-499, -490)]
    assert statuses(replay(past, rules())) == [(1.0, "ready"), (-499.0, "ready")]


def test_a_journal_whose_beginning_is_gone_begins_where_it_can():
    """What is said again from time to time tells who is watched and who the gateway is: so drains are possible."""
    says = SidecarRuns(at=T0 + 10.5, plan="p", probes=watched("web"), gateway=GATEWAY)
    past = [verdicts(1, 20), Lost(at=T0, count=3), says, verdicts(21, 60, Outcome.FAIL)]
    events = list(replay(past, rules()))
    assert statuses(events)[:2] == [(11.0, "ready"), (23.0, "unhealthy")]
    assert times(EventKind.DRAIN_BEGUN, events) == [31.0]


def test_said_again_in_the_middle_changes_nothing():
    """Where the beginning is known, nothing begins anew."""
    says = SidecarRuns(at=T0 + 40.5, plan="p", probes=watched("web"), gateway=GATEWAY)
    assert list(replay([*OUTAGE, says], rules())) == list(replay(OUTAGE, rules()))


def test_an_order_that_the_new_rules_refuse_is_a_remark():
    """Who disables drains is told that an operator's would have been refused."""
    past = [started(), appeared(), verdicts(1, 20), DrainOrdered(at=T0 + 10.5, reason="it leaks", by="root")]
    [remark] = [event for event in replay(past, rules(enabled=False)) if event.kind is EventKind.REMARK]
    assert "drain.enabled is false" in remark.message
    assert times(EventKind.DRAIN_BEGUN, replay(past, rules())) == [10.5]


def test_maintenance_is_replayed_with_its_end():
    """It outranks the probes for as long as it lasted."""
    word = MaintenanceBegun(at=T0 + 10.5, reason="a move", by="root", since=T0 + 10.5, until=T0 + 15.5)
    told = statuses(replay([started(), appeared(), verdicts(1, 20), word], rules()))
    assert told == [(1.0, "ready"), (10.5, "unhealthy"), (16.0, "ready")]


def test_the_order_of_entries_within_a_run_does_not_matter():
    """A row of verdicts is written when it ends, after what happened while it lasted."""
    mixed = [OUTAGE[0], OUTAGE[4], OUTAGE[2], OUTAGE[3], OUTAGE[1]]
    assert list(replay(mixed, rules())) == list(replay(OUTAGE, rules()))


@pytest.mark.parametrize(("budget", "rollbacks"), [(30.0, 1), (300.0, 0)])
def test_a_bad_release_is_rolled_back_by_the_rules_of_the_plan(budget, rollbacks):
    """What the store knew, and which release it was, is in the journal; when it is bad, the plan says."""
    target = KnownGood(release="v1", at=T0 - 9000)
    start = SidecarStarted(at=T0, plan="p", probes=watched("web"), replica="r1", version="0", release="v2")
    knew = MemoryRecalled(at=T0 + 0.2, memory=Memory(target=target, unfit=None))
    past = [start, appeared(), knew, verdicts(1, 20), verdicts(21, 100, Outcome.FAIL)]
    policy = replace(
        rules(drain_after=900.0),
        release=ReleasePlan(id="another", unhealthy_budget=budget),
        rollback=RollbackPlan(platform=PlatformKind.COMMAND, argv=("true",)),
    )
    begun = [event for event in replay(past, policy) if event.kind is EventKind.ROLLBACK_BEGUN]
    assert len(begun) == rollbacks
    assert all("release v2 -> v1" in event.message for event in begun)


def test_an_empty_journal_tells_nothing():
    """No entry, no event."""
    assert list(replay([], rules())) == []
