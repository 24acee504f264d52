"""docs/notifications.md is true: its example is what a receiver gets, and its code verifies what is signed."""

import json
import re
import time
from pathlib import Path

import pytest
from core.telling import Narrator
from msgspec.structs import replace

from sidecar.config import load
from sidecar.core.events import Event, EventKind
from sidecar.core.severity import Severity
from sidecar.registry import known_kinds, load_kind
from sidecar.sinks.cloudevent import cloud_event
from sidecar.sinks.signature import sign, signing_key
from sidecar.sinks.words import text, title

PAGE = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text(encoding="utf-8")
UNHEALTHY = Event(
    kind=EventKind.STATUS_CHANGED,
    at=0.0,
    severity=Severity.ERROR,
    message="ready -> unhealthy (ready 503, live 200, startup 200)",
    cause="local",
    before="ready",
    after="unhealthy",
    evidence=("gateway: status is 100-499: found 503",),
)


def example(language):
    """The one example in this language."""
    [found] = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    return found


@pytest.fixture
def notice():
    """The notice of the page."""
    narrator = Narrator()
    narrator.now = 1795639537.125
    [notice] = narrator.hear(UNHEALTHY)
    return notice


def test_the_example_is_what_a_receiver_gets(notice):
    """Every key and every value."""
    assert json.loads(cloud_event(notice)) == json.loads(example("json"))


def test_the_text_is_what_a_chat_gets(notice):
    """Line by line."""
    assert f"{title(notice)}\n{text(notice)}\n" == example("text")


def test_count_is_told_where_a_message_stands_for_several(notice):
    """With since when."""
    several = replace(notice, count=3, counted_from=notice.at - 300)
    assert "Since: 2026-11-25T20:45:37Z (3 times since 2026-11-25T20:40:37Z)" in text(several)
    assert json.loads(cloud_event(several))["data"]["countedFrom"] == "2026-11-25T20:40:37.125000Z"


def test_the_configuration_is_valid():
    """As it stands there, with the variables set."""
    environ = {"HOOK_SECRET": "whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "PAGER_URL": "json://pager.test"}
    plan = load(example("toml"), environ, load_kind=load_kind, known_kinds=known_kinds)
    assert list(plan.notify.sinks) == ["operations", "pager"]


@pytest.mark.parametrize("secret", ["whsec_MDEyMzQ1Njc4OWFiY2RlZg==", "a secret of words"])
def test_the_code_verifies_what_is_signed(secret):
    """And nothing else: not another body, not another key, not an old message."""
    names = {}
    exec(example("python"), names)  # noqa: S102 - it is our own page
    is_genuine, body, now = names["is_genuine"], b'{"x": 1}', int(time.time())

    def headers(at):
        return {
            "webhook-id": "web-1:status:unhealthy:1",
            "webhook-timestamp": str(at),
            "webhook-signature": sign(signing_key(secret), "web-1:status:unhealthy:1", at, body),
        }

    assert is_genuine(headers(now), body, secret)
    assert not is_genuine(headers(now), body + b" ", secret)
    assert not is_genuine(headers(now), body, "another secret of words")
    assert not is_genuine(headers(now - 3600), body, secret)


@pytest.mark.parametrize("metric", ["pending", "failing", "delivered_total", "failures_total", "lost_total"])
def test_every_metric_is_in_the_page(metric):
    """By its name."""
    assert f"`sidecar_sink_{metric}`" in PAGE
