"""How it goes with sinks, on the endpoints: names and numbers for everybody, reasons for the authorised."""

import json

import pytest
from prometheus_client.parser import text_string_to_metric_families
from serve.situations import ready

from sidecar.cli.status import render
from sidecar.core.notices.plan import SinkKind
from sidecar.core.notices.sink import SinkState
from sidecar.serve.routes import Route

WELL = SinkState(name="chat", kind=SinkKind.APPRISE, delivered=7, last_success=1.8e9)
ILL = SinkState(
    name="ops",
    kind=SinkKind.WEBHOOK,
    pending=2,
    delivered=1,
    failures=5,
    lost=3,
    last_success=1.8e9,
    last_error="HTTP status 503",
    failing_since=1.8e9 + 60.25,
)


@pytest.fixture
def scene():
    """A deployment that is ready, with a sink that works and one that fails."""
    scene = ready()
    scene.board.show_sinks((WELL, ILL))
    return scene


def test_the_authorised_see_every_sink(scene):
    """What waits, what went well, and why something does not, since when."""
    page = json.loads(scene.get(Route.READY, details=True)[2])
    assert page["sinks"] == {
        "chat": {
            "kind": "apprise",
            "pending": 0,
            "delivered": 7,
            "failures": 0,
            "lost": 0,
            "lastSuccess": "2027-01-15T08:00:00Z",
        },
        "ops": {
            "kind": "webhook",
            "pending": 2,
            "delivered": 1,
            "failures": 5,
            "lost": 3,
            "lastSuccess": "2027-01-15T08:00:00Z",
            "lastError": "HTTP status 503",
            "failingSince": "2027-01-15T08:01:00.250000Z",
        },
    }


def test_others_see_none_of_it(scene):
    """The public page has the same keys as ever."""
    assert b"ops" not in scene.get(Route.READY)[2]


def test_a_failing_sink_changes_no_answer(scene):
    """Whoever cannot be told is no reason to take the gateway out."""
    code, _, body = scene.get(Route.READY)
    assert (code, json.loads(body)["status"]) == (200, "pass")


@pytest.mark.parametrize("details", [False, True])
def test_sinks_are_counted_in_the_metrics(scene, details):
    """By name; the reasons are not there."""
    body = scene.get(Route.METRICS, details=details)[2].decode()
    assert "503" not in body
    samples = {
        (sample.name, sample.labels["sink"]): sample.value
        for family in text_string_to_metric_families(body)
        for sample in family.samples
        if "sink" in sample.labels
    }
    assert samples == {
        ("sidecar_sink_pending", "chat"): 0,
        ("sidecar_sink_pending", "ops"): 2,
        ("sidecar_sink_failing", "chat"): 0,
        ("sidecar_sink_failing", "ops"): 1,
        ("sidecar_sink_delivered_total", "chat"): 7,
        ("sidecar_sink_delivered_total", "ops"): 1,
        ("sidecar_sink_failures_total", "chat"): 0,
        ("sidecar_sink_failures_total", "ops"): 5,
        ("sidecar_sink_lost_total", "chat"): 0,
        ("sidecar_sink_lost_total", "ops"): 3,
    }


@pytest.mark.parametrize("age", [0.0, 3600.0])
def test_what_is_new_is_shown_at_once(scene, age):
    """Whether or not the snapshot may still be believed, and without another one."""
    scene.now += age
    assert b'sidecar_sink_pending{sink="ops"} 2' in scene.get(Route.METRICS)[2]
    scene.board.show_sinks((WELL,))
    assert b"ops" not in scene.get(Route.METRICS)[2]
    assert json.loads(scene.get(Route.READY, details=True)[2])["sinks"].keys() == {"chat"}


def test_sidecar_status_shows_those_that_fail(scene):
    """Since when, why, and what waits; of the others there is nothing to say."""
    text = render(json.loads(scene.board.explained(Route.READY).body), None)
    [line] = [line for line in text.splitlines() if line.startswith("sink ")]
    assert line.startswith("sink ops     fails since 2027-01-15")
    assert line.endswith(": HTTP status 503; 2 messages wait, 3 were given up")
