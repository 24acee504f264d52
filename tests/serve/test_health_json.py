"""The health+json dialect: who sees what, and that nothing breaks it."""

import json
from datetime import datetime

import pytest
from builders import plan, probe, process, verdict
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from msgspec.structs import replace
from serve.situations import GATEWAY, PLAN, PROBES, SITUATIONS, Scene, degraded, draining, ready, starting, withheld

from sidecar.core.facts import GatewayAppeared, ProbeReported
from sidecar.core.plan import GatewayPlan, ServerPlan
from sidecar.core.rules import ReleasePlan
from sidecar.core.verdict import Finding, Outcome, Phase
from sidecar.serve.health_json import About, render
from sidecar.serve.routes import Route


class _Spec(Struct, frozen=True):
    url: str = "http://MARK-spec/"


def _page(scene, route=Route.READY, *, details=True):
    return json.loads(scene.get(route, details=details)[2])


def _marked(situation):
    """Bring about a situation in which every text but the probes' names carries a mark."""
    before = situation()
    plan = replace(
        before.snapshot.state.plan,
        probes=tuple(replace(each, spec=_Spec(), kind="MARK-kind") for each in PROBES),
        gateway=GatewayPlan(host="MARK-host", port=7007, pid_file="MARK-pid-file", process_name="MARK-process"),
        server=ServerPlan(token="MARK-token"),
        release=ReleasePlan(id="MARK-release"),
        source="MARK-source",
        secrets=frozenset({"MARK-secret"}),
        remarks=("MARK-remark",),
    )
    scene = Scene(plan, About(version="MARK-version", service_id="MARK-service"))
    scene.tracker.record(GatewayAppeared(None, "MARK-unproven"))
    for name in before.snapshot.state.checks:
        for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.FAIL, Outcome.FAIL):
            scene.now += 1
            given = verdict(outcome, scene.now, reason="MARK-reason")
            seen = replace(
                given.observation,
                findings=(Finding("MARK-rule", "MARK-observed", holds=False),),
                phases=(Phase("MARK-phase", 0.1),),
                notes={"MARK-note": "MARK-value"},
            )
            scene.tracker.record(ProbeReported(name, replace(given, observation=seen)))
    return scene


@pytest.mark.parametrize("route", Route)
def test_the_public_sees_status_and_names_only(route):
    """Nothing of addresses, versions, reasons, notes or settings is in what the public sees."""
    scene = _marked(ready)
    for head_only in (False, True):
        assert b"MARK" not in scene.board.reply(route, details=False, head_only=head_only, keep_alive=True)


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("route", [Route.LIVE, Route.READY, Route.STARTUP])
def test_the_public_page_has_these_keys_alone(situation, route):
    """In every situation the public page is status, deployment status, and each probe's status."""
    page = _page(situation(), route, details=False)
    assert page.keys() == {"status", "deploymentStatus", "checks"}
    assert page["checks"].keys() == {f"{each.name}:responseTime" for each in PROBES}
    assert all(check.keys() == {"status"} for (check,) in page["checks"].values())


def test_the_authorised_see_what_the_public_does_not():
    """Reasons, notes, phases, release, versions and the gateway's address are all on the detailed page."""
    text = _marked(ready).get(Route.READY, details=True)[2].decode()
    shown = (
        "reason", "note", "value", "phase", "release", "version", "service", "source", "remark", "host", "unproven",
        "kind",
    )  # fmt: skip
    assert [word for word in shown if f"MARK-{word}" not in text] == []


@pytest.mark.parametrize("route", Route)
def test_settings_and_secrets_are_shown_to_nobody(route):
    """A probe's own settings and the server's token are on no page at all."""
    text = _marked(ready).get(route, details=True)[2].decode()
    assert [word for word in ("spec", "token", "secret", "pid-file") if f"MARK-{word}" in text] == []


def test_the_page_is_as_the_draft_has_it():
    """Fields and values are those of draft-inadarei-api-health-check-06."""
    scene = degraded()
    page = _page(scene)
    assert page["version"] == "1.2.3"
    assert page["serviceId"] == "service-7"
    assert page["status"] == "warn"
    assert page["output"] == "cache: it is fail"
    (cache,) = page["checks"]["cache:responseTime"]
    assert cache["componentId"] == "cache"
    assert cache["componentType"] == "component"
    assert (cache["observedValue"], cache["observedUnit"]) == (10.0, "ms")
    assert (cache["status"], cache["output"]) == ("fail", "it is fail")
    assert datetime.fromisoformat(cache["time"]).timestamp() == pytest.approx(1.7e9 + scene.now)
    assert "output" not in page["checks"]["gateway:responseTime"][0]


@pytest.mark.parametrize(
    ("outcomes", "status", "output"),
    [
        ([], "warn", "no verdict yet"),
        ([Outcome.FAIL], "warn", "it is fail"),
        ([Outcome.UNKNOWN], "warn", "cannot tell: it is unknown"),
        ([Outcome.PASS], "pass", None),
        ([Outcome.PASS, Outcome.WARN], "warn", "it is warn"),
        ([Outcome.PASS, Outcome.UNKNOWN], "warn", "cannot tell: it is unknown"),
        ([Outcome.PASS, Outcome.FAIL], "warn", "it is fail"),
        ([Outcome.PASS] + [Outcome.FAIL] * 3, "fail", "it is fail"),
        ([Outcome.FAIL] * 3 + [Outcome.UNKNOWN], "fail", "cannot tell: it is unknown"),
        ([Outcome.FAIL] * 3 + [Outcome.PASS], "pass", None),
    ],
)
def test_a_check_is_worded_in_three_words(outcomes, status, output):
    """Only a pass without a doubt is ``pass``, only a decided failure ``fail``; the rest is ``warn``, and says why."""
    scene = starting()
    for outcome in outcomes:
        scene.report("cache", outcome)
    (check,) = _page(scene)["checks"]["cache:responseTime"]
    assert (check["status"], check.get("output")) == (status, output)


def test_a_gating_check_that_was_not_known_for_too_long_fails():
    """The check that makes readiness 503 because nothing is known of it is not shown as passing."""
    scene = ready()
    for _ in range(40):
        for name in ("gateway", "cache", "trial"):
            scene.report(name, Outcome.PASS)
        scene.report("database", Outcome.UNKNOWN)
    page = _page(scene, details=False)
    assert page["status"] == "fail"
    assert page["checks"]["database:responseTime"] == [{"status": "fail"}]


def test_the_drain_is_told_with_its_reason():
    """Phase, reason and count of the drain are on the detailed page, and the gateway's pid."""
    page = _page(draining())
    assert page["drain"]["phase"] == "lame_duck"
    assert page["drain"]["total"] == 1
    assert "gateway has failed for" in page["drain"]["reason"]
    assert page["gateway"]["pid"] == GATEWAY.pid


def test_a_withheld_drain_names_its_guard():
    """Which guard forbids the drain that is due, and why, is on the detailed page."""
    told = _page(withheld())["drain"]["withheld"]
    assert told["guard"] == "min_uptime"
    assert "min_uptime is 86400 s" in told["reason"]


def test_until_when_the_page_is_believed_is_told():
    """The moment is told as Unix time that belongs to the clock of the probes."""
    scene = ready()
    snapshot = scene.snapshot
    left = snapshot.state.health.believe_until - snapshot.at
    told = datetime.fromisoformat(_page(scene)["believeUntil"]).timestamp()
    assert told == pytest.approx(snapshot.wall + left, abs=0.01)


@pytest.mark.parametrize("details", [False, True])
def test_without_probes_there_is_a_page_all_the_same(details):
    """No probes, no doubts: ready, believed for ever."""
    page = _page(Scene(plan()), details=details)
    assert (page["status"], page["checks"]) == ("pass", {})


def test_text_that_is_no_unicode_does_not_break_the_page():
    """Bytes of the environment that are no UTF-8 come as lone surrogates; the page replaces them."""
    scene = Scene(replace(plan(probe("gate\udcffway")), release=ReleasePlan(id="\udcfe")))
    assert _page(scene)["releaseId"] == "?"
    assert list(_page(scene, details=False)["checks"]) == ["gate?way:responseTime"]


NUMBERS = st.floats(allow_nan=True, allow_infinity=True)


@given(st.tuples(NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS), st.text())
def test_no_clock_and_no_value_breaks_the_page(numbers, text):
    """A clock that jumps anywhere, and numbers that are none, leave a page that is JSON."""
    wall, elapsed, at, started, note = numbers
    scene = Scene(replace(PLAN, release=ReleasePlan(id=text)))
    scene.tracker.record(GatewayAppeared(process(started=1.0)))
    given = verdict(Outcome.FAIL, scene.now, reason=text, elapsed=elapsed)
    seen = replace(given.observation, wall=wall, notes={text: note})
    scene.tracker.record(ProbeReported("cache", replace(given, observation=seen)))
    snapshot = replace(scene.snapshot, wall=wall, at=at)
    state = replace(snapshot.state, gateway=replace(snapshot.state.gateway, since=started))
    for route in (Route.LIVE, Route.READY, Route.STARTUP):
        page = render(route, replace(snapshot, state=state), state.health, About(version=text), details=True)
        assert json.loads(page.body)["status"] in ("warn", "fail")
