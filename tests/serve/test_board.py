"""What stands on the board: every answer in every situation, in every dialect."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from serve.situations import (
    GATEWAY,
    OUT,
    PROBES,
    SITUATIONS,
    expired,
    expired_starting,
    ready,
    starting,
    unhealthy,
)

from sidecar.core.facts import GatewayAppeared, GatewayExited, MaintenanceBegun, ObserverLate, StopRequested
from sidecar.core.verdict import Evidence, Outcome
from sidecar.serve import health_json
from sidecar.serve.routes import Route

ANSWERS = [
    (situation, route, code, status)
    for situation, (live, is_ready, startup, status) in SITUATIONS.items()
    for route, code in ((Route.LIVE, live), (Route.READY, is_ready), (Route.STARTUP, startup))
]


def _name(value):
    return getattr(value, "__name__", str(value))


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize(("situation", "route", "code", "status"), ANSWERS, ids=_name)
def test_every_situation_has_its_answers(situation, route, code, status, details):
    """Code, status and deployment status are what the situation calls for, whoever asks."""
    found, fields, body = situation().get(route, details=details)
    assert found == code
    assert fields["content-type"] == "application/health+json"
    assert json.loads(body)["deploymentStatus"] == status


@pytest.mark.parametrize("situation", SITUATIONS, ids=_name)
def test_all_dialects_agree(situation):
    """HTTP codes, JSON and metrics never contradict each other."""
    assert_agreement(situation())


REPORTS = st.tuples(
    st.sampled_from([probe.name for probe in PROBES]), st.sampled_from(Outcome), st.sampled_from(Evidence)
)
HAPPENINGS = st.one_of(
    REPORTS,
    st.sampled_from(
        [
            GatewayAppeared(GATEWAY),
            GatewayExited(GATEWAY),
            ObserverLate(5.0),
            StopRequested(),
            MaintenanceBegun(OUT),
        ]
    ),
    st.floats(0.0, 60.0),
)


@given(st.booleans(), st.lists(HAPPENINGS, max_size=30))
def test_all_dialects_agree_whatever_happens(started, happenings):
    """However facts and time mix, HTTP codes, JSON and metrics never contradict each other."""
    scene = ready() if started else starting()
    for happening in happenings:
        match happening:
            case float():
                scene.now += happening
            case (name, outcome, evidence):
                scene.report(name, outcome, evidence=evidence if outcome is Outcome.FAIL else None)
            case fact:
                scene.tracker.record(fact)
        assert_agreement(scene)


def assert_agreement(scene):
    """Hold all pages of a scene against each other."""
    metrics = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(scene.get(Route.METRICS)[2].decode())
        for sample in family.samples
    }
    for details in (False, True):
        for route, metric in ((Route.LIVE, "live"), (Route.READY, "ready"), (Route.STARTUP, "started")):
            code, _, body = scene.get(route, details=details)
            page = json.loads(body)
            assert code in (200, 503)
            assert (page["status"] == "fail") is (code == 503)
            assert (page["status"] == "pass") is (code == 200 and page["deploymentStatus"] == "ready")
            assert metrics[f"sidecar_{metric}",] == (code == 200)
            assert metrics["sidecar_status", page["deploymentStatus"]] == 1
            assert sum(value for (name, *_), value in metrics.items() if name == "sidecar_status") == 1
            for key, (check,) in page["checks"].items():
                probe = key.removesuffix(":responseTime")
                if metrics["sidecar_probe_state", probe, "failing"]:
                    assert check["status"] == "fail"
                if check["status"] == "pass":
                    assert metrics["sidecar_probe_state", probe, "passing"]
    is_ready = scene.get(Route.READY)[0] == 200
    assert is_ready is (page["deploymentStatus"] in ("ready", "degraded"))
    if scene.now > scene.snapshot.state.health.believe_until:
        assert not is_ready


def test_a_snapshot_past_its_time_never_says_ready():
    """At the moment itself the snapshot is believed, after it readiness is 503, and says why to those who may know."""
    scene = ready()
    scene.now = scene.snapshot.state.health.believe_until
    assert scene.get(Route.READY)[0] == 200
    scene.now += 0.001
    code, _, body = scene.get(Route.READY, details=True)
    page = json.loads(body)
    assert (code, page["status"], page["deploymentStatus"]) == (503, "fail", "unhealthy")
    assert "evidence is too old: the sidecar has not heard from its probes" in page["output"]
    assert b"\nsidecar_ready 0\n" in scene.get(Route.METRICS)[2]
    assert b'\nsidecar_status{status="unhealthy"} 1\n' in scene.get(Route.METRICS)[2]


def test_expiry_leaves_liveness_and_startup_alone():
    """That the observer is silent proves nothing about the gateway."""
    assert expired().get(Route.LIVE)[0] == 200
    assert expired().get(Route.STARTUP)[0] == 200


def test_new_evidence_ends_an_expiry():
    """The next snapshot is believed again."""
    scene = expired()
    assert scene.get(Route.READY)[0] == 503
    scene.pass_all()
    assert scene.get(Route.READY)[0] == 200


@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("situation", [expired, expired_starting])
def test_nothing_needs_to_work_in_order_to_say_that_nothing_works(situation, details, monkeypatch):
    """Readiness is 503 past a snapshot's time even if its page cannot be rendered."""
    scene = situation()
    told = json.loads(scene.get(Route.READY, details=details)[2])["deploymentStatus"]
    scene.report("trial", Outcome.PASS)  # what was rendered is forgotten, and the rest stays too old
    monkeypatch.setattr(health_json, "render", lambda *_, **__: 1 / 0)
    code, _, body = scene.get(Route.READY, details=details)
    assert (code, json.loads(body)) == (503, {"status": "fail", "deploymentStatus": told, "checks": {}})


@pytest.mark.parametrize("route", Route)
@pytest.mark.parametrize("details", [False, True])
@pytest.mark.parametrize("situation", [ready, unhealthy, expired])
def test_an_answer_is_rendered_once_for_a_change(situation, route, details):
    """Until the next snapshot the very same bytes are handed out; after it, new ones."""
    scene = situation()
    asked = {"details": details, "head_only": False, "keep_alive": True}
    first = scene.board.reply(route, **asked)
    assert scene.board.reply(route, **asked) is first
    scene.report("trial", Outcome.PASS)
    assert scene.board.reply(route, **asked) is not first


@pytest.mark.parametrize("route", Route)
@pytest.mark.parametrize("situation", [ready, expired])
def test_head_is_get_without_the_body(situation, route):
    """HEAD tells the length of the body that GET would have brought (RFC 9110, section 9.3.2)."""
    scene = situation()
    code, fields, body = scene.get(route)
    assert scene.get(route, head_only=True) == (code, fields, b"")
    assert int(fields["content-length"]) == len(body)


@pytest.mark.parametrize("route", Route)
def test_no_answer_is_kept_by_a_cache(route):
    """Every answer forbids caches to store it, and says whether the connection stays open."""
    assert ready().get(route)[1]["cache-control"] == "no-store"
    assert ready().get(route)[1]["connection"] == "keep-alive"
    assert ready().get(route, keep_alive=False)[1]["connection"] == "close"


@pytest.mark.parametrize("situation", SITUATIONS, ids=_name)
def test_an_explanation_agrees_with_the_answers(situation):
    """It says of every situation what is answered, and why it is not better."""
    scene = situation()
    page = json.loads(scene.board.explained(Route.READY).body)
    for key, route in (("ready", Route.READY), ("live", Route.LIVE), ("started", Route.STARTUP)):
        assert page["explain"][key] == (scene.get(route)[0] == 200)
    assert bool(page["explain"]["heldBy"]) == (page["deploymentStatus"] != "ready")


def test_an_explanation_is_rendered_for_each_request():
    """It tells how old the evidence is, and that is never the same."""
    scene = ready()
    ages = []
    for _ in range(2):
        scene.now += 1.0
        reply = scene.board.explain(Route.READY, head_only=False, keep_alive=True)
        page = json.loads(reply.partition(b"\r\n\r\n")[2])
        ages.append([check["age"] for check in page["explain"]["checks"]])
    assert [after - before for before, after in zip(*ages, strict=True)] == [1.0] * len(PROBES)


def test_maintenance_is_shown_to_those_who_may_know():
    """Reason, who, and until when; others see the status alone."""
    scene = ready()
    scene.tracker.record(MaintenanceBegun(OUT))
    detailed = json.loads(scene.get(Route.READY, details=True)[2])
    assert detailed["maintenance"].items() >= {"reason": "an upgrade", "by": "root"}.items()
    assert b"upgrade" not in scene.get(Route.READY)[2]
    assert b"\nsidecar_maintenance 1\n" in scene.get(Route.METRICS)[2]
