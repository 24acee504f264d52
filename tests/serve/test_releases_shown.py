"""Release, rollback and hold as the endpoints show them."""

import json
from datetime import datetime

import pytest
from builders import plan, probe
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families
from serve.situations import ABOUT, GATEWAY, Scene

from sidecar.core.facts import GatewayAppeared, HoldBegun, MemoryRecalled, RollbackAdvanced, RollbackOrdered
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import Hold, KnownGood, ReleasePhase
from sidecar.core.releases.rollback import RollbackStep
from sidecar.core.releases.sample import Sample
from sidecar.core.rules import PlatformKind, ReleasePlan, RollbackPlan
from sidecar.core.verdict import Outcome
from sidecar.serve.routes import Route

PAGES = [Route.LIVE, Route.READY, Route.STARTUP]
RULES = ReleasePlan(id="MARK-2", start_samples=0)
PLAN = replace(
    plan(probe("gateway")), release=RULES, rollback=RollbackPlan(platform=PlatformKind.COMMAND, argv=("MARK-roll",))
)
KNOWN = Memory(
    target=KnownGood(release="MARK-1", at=1.7e9),
    baseline={"gateway": Sample(answered={3: 70})},
    baseline_of="MARK-1",
    unfit=None,
)


def baking():
    """A release takes traffic, and is held against the one before."""
    scene = Scene(PLAN, ABOUT)
    scene.tracker.record(MemoryRecalled(KNOWN))
    scene.tracker.record(GatewayAppeared(GATEWAY))
    scene.report("gateway", Outcome.PASS, times=2)
    assert scene.snapshot.state.release.phase is ReleasePhase.BAKING
    return scene


def rolled_back():
    """It is being rolled back, by a person's order, and another has stopped all automation since."""
    scene = baking()
    scene.tracker.record(RollbackOrdered(None, "MARK-reason", "MARK-root", forced=False))
    scene.tracker.record(RollbackAdvanced(RollbackStep.SEEK, "MARK-detail"))
    scene.tracker.record(HoldBegun(Hold(reason="MARK-incident", by="MARK-ann", at=1.7e9)))
    return scene


def unjudged():
    """No release is known by name."""
    return Scene(replace(PLAN, release=ReleasePlan()), ABOUT)


def page(scene, *, details):
    """The page about readiness."""
    return json.loads(scene.get(Route.READY, details=details)[2])


def samples(scene, *, details):
    """The samples of the page of metrics, by name and labels' values."""
    body = scene.get(Route.METRICS, details=details)[2].decode()
    found = [sample for family in text_string_to_metric_families(body) for sample in family.samples]
    return {(sample.name, *sample.labels.values()): sample.value for sample in found}


@pytest.mark.parametrize("situation", [baking, rolled_back])
@pytest.mark.parametrize("route", Route)
def test_the_public_learns_no_release_no_person_and_no_reason(situation, route):
    """Neither names nor words of people are on any public page."""
    assert b"MARK" not in situation().board.reply(route, details=False, head_only=False, keep_alive=True)


@pytest.mark.parametrize("situation", [baking, rolled_back])
@pytest.mark.parametrize("route", PAGES)
def test_the_public_pages_have_no_more_keys_than_ever(situation, route):
    """Whatever goes on with the release."""
    shown = json.loads(situation().get(route, details=False)[2])
    assert shown.keys() == {"status", "deploymentStatus", "checks"}


def test_the_authorised_see_the_release_and_what_it_is_held_against():
    """How far it has come, since when and why, and what was measured of it so far."""
    scene = baking()
    shown = page(scene, details=True)
    assert shown["releaseId"] == "MARK-2"
    release, state = shown["release"], scene.snapshot.state.release
    assert (release["id"], release["phase"], release["baseline"]) == ("MARK-2", "baking", "MARK-1")
    assert release["samples"] == {"gateway": state.samples["gateway"].total}
    assert release["reason"] == state.reason
    since = scene.snapshot.wall + state.since - scene.snapshot.at
    assert datetime.fromisoformat(release["since"]).timestamp() == pytest.approx(since, abs=0.01)
    assert release.keys() == {"id", "phase", "since", "reason", "samples", "baseline"}
    assert "hold" not in shown


def test_the_authorised_see_the_rollback_and_the_hold():
    """Who has ordered what, and how far it is."""
    shown = page(rolled_back(), details=True)
    release, hold = shown["release"], shown["hold"]
    assert (release["phase"], release["by"]) == ("bad", "MARK-root")
    assert release["reason"] == "rollback ordered by MARK-root: MARK-reason"
    assert release["rollback"] == {"target": "MARK-1", "phase": "seeking", "detail": "MARK-detail"}
    assert (hold["reason"], hold["by"]) == ("MARK-incident", "MARK-ann")
    assert datetime.fromisoformat(hold["since"]).timestamp() == 1.7e9


def test_where_no_release_is_judged_none_is_shown():
    """Neither on the page nor in the metrics; a hold is counted all the same."""
    scene = unjudged()
    assert page(scene, details=True).keys() & {"release", "releaseId", "hold"} == set()
    names = {name for name, *_ in samples(scene, details=True)}
    assert {"sidecar_release_phase", "sidecar_rollback_under_way"} & names == set()
    assert samples(scene, details=True)["sidecar_hold",] == 0


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize(("situation", "phase", "under_way"), [(baking, "baking", 0), (rolled_back, "bad", 1)])
def test_the_metrics_tell_how_far_it_is(situation, phase, under_way, details):
    """A release is in exactly one phase; the name of it is a label of nothing."""
    found = samples(situation(), details=details)
    phases = {labels[0]: value for (name, *labels), value in found.items() if name == "sidecar_release_phase"}
    assert phases == {each.value: float(each == phase) for each in ReleasePhase}
    assert found["sidecar_rollback_under_way",] == under_way
    assert found["sidecar_hold",] == under_way
