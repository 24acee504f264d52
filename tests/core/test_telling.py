"""Who is told what, and when: by tables, and by whatever happens in whatever order."""

import pytest
from core.telling import START, Narrator, check, event, status, teller
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import json
from msgspec.structs import replace

from sidecar.core.events import EventKind
from sidecar.core.notices.notice import wants
from sidecar.core.notices.plan import NoticeKind, SinkKind, SinkPlan
from sidecar.core.notices.telling import CONFIRM_WITHIN, Telling, close
from sidecar.core.severity import Severity, is_graver

HOUR = 3600.0


def words(notices):
    """What happened, in one word each."""
    return [notice.event for notice in notices]


def sink(severity=Severity.WARNING, *kinds):
    """A sink that is told from this severity on."""
    return SinkPlan(kind=SinkKind.WEBHOOK, url="https://hooks.test/", severity=severity, kinds=kinds)


def test_a_problem_and_its_end_are_told():
    """The end says since when it had lasted, and goes wherever the begin went."""
    narrator = Narrator()
    [begin] = narrator.hear(status("unhealthy", evidence=("status is 200: found 500",)))
    assert (begin.kind, begin.event, begin.severity, begin.open) == (NoticeKind.STATUS, "unhealthy", "error", True)
    assert begin.reasons == ("status is 200: found 500",)
    narrator.wait(600)
    [end] = narrator.hear(status("ready"))
    assert (end.event, end.severity, end.reach, end.open) == ("ready", "info", "error", False)
    assert (end.at, end.since) == (START + 600, START)
    assert end.topic == begin.topic


def test_a_notice_answers_every_question():
    """What changed, since when, why, which release and replica, what the sidecar does, and what one can type."""
    [begun] = Narrator().hear(event(EventKind.MAINTENANCE_BEGUN, message="maintenance for 60 s, by root: an upgrade"))
    assert begun.what == "maintenance for 60 s, by root: an upgrade"
    assert (begun.replica, begun.release, begun.since) == ("web-1", "2.7.1", START)
    assert begun.does.startswith("readiness is 503")
    assert begun.command == "`sidecar maintenance off` ends it now"


def test_the_same_event_at_the_same_time_is_the_same_notice():
    """Its id is made of replica, topic, what happened and when: told once more after a crash, it is known again."""
    first, again = Narrator().hear(status("unhealthy")), Narrator().hear(status("unhealthy"))
    assert (
        [notice.id for notice in first]
        == [notice.id for notice in again]
        == ["web-1:status:unhealthy:1800000000000000"]
    )


@pytest.mark.parametrize(
    ("severity", "kinds", "told"),
    [
        (Severity.INFO, (), ["ready", "degraded", "unhealthy", "ready", "started"]),
        (Severity.WARNING, (), ["degraded", "unhealthy", "ready"]),
        (Severity.ERROR, (), ["unhealthy", "ready"]),
        (Severity.ERROR, (NoticeKind.STATUS,), ["unhealthy", "ready"]),
        (Severity.INFO, (NoticeKind.DRAIN,), []),
        (Severity.INFO, (NoticeKind.CHECK,), ["failing"]),
    ],
)
def test_a_sink_is_told_by_severity_and_kind(severity, kinds, told):
    """Of checks only if it asks for them; of an end wherever the begin was told, however mild the end is."""
    narrator = Narrator()
    narrator.hear(status("ready"))
    narrator.hear(status("degraded"), check("failing"), status("unhealthy"))
    narrator.wait(400)
    narrator.hear(status("ready"), event(EventKind.STARTED, Severity.INFO))
    assert words(notice for notice in narrator.told if wants(sink(severity, *kinds), notice)) == told


def test_what_gets_worse_or_better_is_told_on_the_way():
    """Each as it happens; the end goes to whoever was told the worst."""
    narrator = Narrator()
    told = narrator.hear(status("degraded"), status("unhealthy"))
    told += (
        narrator.wait(60) + narrator.hear(status("starting")) + narrator.wait(300) + narrator.hear(status("degraded"))
    )
    assert [(notice.event, notice.reach) for notice in told] == [
        ("degraded", "warning"),
        ("unhealthy", "error"),
        ("degraded", "error"),
    ]


def test_the_same_status_is_not_told_twice():
    """Liveness may change, the status does not."""
    narrator = Narrator()
    narrator.hear(status("unhealthy"))
    assert narrator.hear(status("unhealthy")) == []
    assert narrator.wait(HOUR) == []


def test_a_status_that_has_become_graver_is_told():
    """Unhealthy by a drain is a warning, unhealthy by itself is not."""
    narrator = Narrator()
    narrator.hear(status("unhealthy", Severity.WARNING))
    narrator.wait(60)
    [graver] = narrator.hear(status("unhealthy", Severity.ERROR))
    assert (graver.event, graver.severity, graver.since) == ("unhealthy", "error", START)
    assert narrator.hear(status("unhealthy", Severity.WARNING)) == []


def test_the_same_news_within_the_window_is_counted():
    """It is told when the window is over, if it is still so, with how often it came and since when."""
    narrator = Narrator(teller(dedupe=300.0, flap_high=1.0))
    narrator.hear(status("unhealthy"))
    narrator.wait(10)
    narrator.hear(status("ready"))
    for _ in range(3):
        narrator.wait(10)
        assert narrator.hear(status("unhealthy")) == []
        narrator.wait(10)
        assert narrator.hear(status("ready")) == []
    narrator.wait(10)
    assert narrator.hear(status("unhealthy")) == []
    [told] = narrator.wait(HOUR)
    assert (told.event, told.at, told.count, told.counted_from) == ("unhealthy", START + 300, 4, START)


def test_the_end_of_a_problem_is_told_at_once():
    """Also a short time after another: nobody is left believing that it is still bad."""
    narrator = Narrator()
    narrator.hear(status("ready"))
    told = narrator.hear(status("degraded"), status("ready"), status("unhealthy"), status("ready"))
    assert words(told) == ["degraded", "ready", "unhealthy", "ready"]


def test_what_happens_again_and_again_is_summed_up():
    """A drain that is withheld each minute is told at once, and then once in each window."""
    narrator = Narrator()
    for _ in range(11):
        narrator.hear(event(EventKind.DRAIN_WITHHELD, after="cool_down"))
        narrator.wait(60)
    assert [(notice.at - START, notice.count) for notice in narrator.told] == [(0, 0), (300, 4), (600, 5)]


def test_what_happens_again_after_the_window_is_told_as_if_for_the_first_time():
    """Nothing went unsaid."""
    narrator = Narrator()
    narrator.hear(event(EventKind.DRAIN_WITHHELD, after="cool_down"))
    narrator.wait(400)
    [again] = narrator.hear(event(EventKind.DRAIN_WITHHELD, after="cool_down"))
    assert (again.count, again.counted_from) == (0, None)


def test_what_is_over_makes_the_next_no_graver():
    """Who is told of errors alone hears nothing of what is merely degraded, whatever was before."""
    narrator = Narrator()
    narrator.hear(status("unhealthy"), status("ready"))
    [degraded] = narrator.hear(status("degraded"))
    assert degraded.reach == "warning"


def test_another_guard_is_other_news():
    """Only the same is the same."""
    narrator = Narrator()
    told = narrator.hear(*(event(EventKind.DRAIN_WITHHELD, after=guard) for guard in ("cool_down", "min_uptime")))
    assert [notice.topic for notice in told] == ["drain/drain_withheld/cool_down", "drain/drain_withheld/min_uptime"]


def test_a_flapping_status_is_told_once():
    """From the high threshold on only that it flaps; below the low one that it does not any more, and how it stands."""
    narrator = Narrator(teller(dedupe=0.0))
    for _ in range(8):
        narrator.hear(status("unhealthy"))
        narrator.wait(20)
        narrator.hear(status("ready"))
        narrator.wait(20)
    assert words(narrator.told) == ["unhealthy", "ready", "unhealthy", "ready", "unhealthy", "flapping"]
    assert narrator.told[-1].what == "status keeps changing, 5 times within 1200 s; now it is ready"
    [steady] = narrator.wait(HOUR)
    assert (steady.event, steady.open, steady.reach) == ("steady", False, "error")
    assert words(narrator.hear(status("unhealthy"))) == ["unhealthy"]


def test_to_go_on_flapping_is_a_problem_too():
    """Of which people are reminded, and which ends at the latest when nothing has changed for the whole window."""
    narrator = Narrator(teller(dedupe=0.0, remind_after=600.0, flap_low=0.0))
    narrator.hear(status("ready"))
    for _ in range(3):
        narrator.hear(status("unhealthy"), status("ready"))
    assert (narrator.told[-1].event, narrator.told[-1].open) == ("flapping", True)
    reminder, steady = narrator.wait(HOUR)
    assert (reminder.event, reminder.what) == (
        "reminder",
        "still so: status keeps changing, 6 times within 1200 s; now it is ready",
    )
    assert (steady.event, steady.at, steady.open) == ("steady", START + 1200, False)


def test_what_is_graver_is_told_while_it_flaps():
    """To flap between ready and degraded must not hide that it is unhealthy."""
    narrator = Narrator(teller(dedupe=0.0))
    for _ in range(4):
        narrator.hear(status("degraded"), status("ready"))
    assert words(narrator.told)[-1] == "flapping"
    assert words(narrator.hear(status("unhealthy"), status("ready"), status("unhealthy"))) == ["unhealthy"]


def test_a_problem_that_outlasts_the_flapping_is_still_one():
    """The flapping is over, the problem is not; its end is told later."""
    narrator = Narrator(teller(dedupe=0.0, remind_after=0.0))
    for _ in range(4):
        narrator.hear(status("ready"), status("unhealthy"))
    [steady] = narrator.wait(HOUR)
    assert (steady.event, steady.open) == ("steady", True)
    assert words(narrator.hear(status("ready"))) == ["ready"]


def test_flapping_holds_back_no_drain():
    """What the sidecar does is told each time."""
    narrator = Narrator()
    for _ in range(10):
        narrator.hear(status("unhealthy"), status("ready"))
        begun = narrator.hear(event(EventKind.DRAIN_BEGUN), event(EventKind.DRAIN_CANCELLED, Severity.INFO))
        assert words(begun) == ["drain_begun", "drain_cancelled"]


def test_what_lasts_is_told_again():
    """Each time ``remind_after`` has passed, with when it began, until it is over."""
    narrator = Narrator(teller(remind_after=HOUR))
    narrator.hear(status("unhealthy"))
    reminders = narrator.wait(2.5 * HOUR)
    assert [(notice.event, notice.at - START, notice.since) for notice in reminders] == [
        ("reminder", HOUR, START),
        ("reminder", 2 * HOUR, START),
    ]
    assert reminders[0].what == "still so: ? -> unhealthy"
    narrator.hear(status("ready"))
    assert narrator.wait(10 * HOUR) == []


def test_during_maintenance_what_is_seen_is_not_told():
    """Whoever has taken the replica out knows; what is still wrong when it is back is told then."""
    narrator = Narrator()
    narrator.hear(status("ready"))
    told = narrator.hear(
        event(EventKind.MAINTENANCE_BEGUN),
        status("unhealthy", Severity.WARNING, evidence=("maintenance",)),
        event(EventKind.DRAIN_WITHHELD, after="maintenance"),
    )
    assert words(told) == ["maintenance_begun"]
    assert words(narrator.wait(5 * HOUR)) == ["reminder"]
    assert words(narrator.hear(event(EventKind.MAINTENANCE_ENDED, Severity.INFO))) == ["maintenance_ended"]
    [late] = narrator.wait(1)
    assert (late.event, late.since, late.reasons) == ("unhealthy", START, ())


def test_a_good_end_of_maintenance_is_told_alone():
    """The status is ready again before anybody was told that it was not."""
    narrator = Narrator()
    narrator.hear(status("ready"), event(EventKind.MAINTENANCE_BEGUN), status("unhealthy"))
    assert words(narrator.hear(event(EventKind.MAINTENANCE_ENDED), status("ready"))) == ["maintenance_ended"]
    assert narrator.wait(HOUR) == []


def test_a_stop_is_no_problem():
    """Readiness is 503 until the gateway is gone, at every deployment."""
    narrator = Narrator()
    narrator.hear(status("ready"), event(EventKind.STOPPING), status("unhealthy", Severity.WARNING))
    assert words(narrator.told) == ["ready"]
    assert narrator.wait(10 * HOUR) == []


def restarted(narrator):
    """Keep what is known over a restart, as JSON."""
    again = Narrator(narrator.teller, json.decode(json.encode(narrator.state), type=Telling))
    again.now = narrator.now + 5.0
    again.hear(event(EventKind.STARTED, Severity.INFO))
    return again


def test_what_is_seen_while_the_sidecar_stops_is_not_told_after_it_has_started_again():
    """Nor does it count: what goes wrong shortly afterwards is told at once."""
    narrator = Narrator()
    narrator.hear(status("ready"), event(EventKind.STOPPING), status("unhealthy", Severity.WARNING))
    again = restarted(narrator)
    assert again.hear(status("ready")) == []
    assert words(again.hear(status("unhealthy"))) == ["unhealthy"]


def test_a_problem_from_before_a_restart_is_ended_after_it():
    """Ready after the restart is told to whoever was told unhealthy before."""
    narrator = Narrator()
    narrator.hear(status("unhealthy"))
    [end] = restarted(narrator).hear(status("ready"))
    assert (end.event, end.since, end.reach) == ("ready", START, "error")


def test_what_the_next_sidecar_does_not_take_up_is_over():
    """A drain ends with the sidecar, maintenance may have run out meanwhile: that is told a while after the start."""
    narrator = Narrator()
    narrator.hear(event(EventKind.DRAIN_BEGUN), event(EventKind.MAINTENANCE_BEGUN), status("unhealthy"))
    again = restarted(narrator)
    assert again.hear(event(EventKind.MAINTENANCE_BEGUN)) == []
    [over] = again.wait(CONFIRM_WITHIN)
    assert (over.topic, over.event, over.open, over.command) == ("drain", "over", False, "")


def test_the_problem_of_a_probe_that_is_gone_is_over():
    """Nobody is reminded for ever of what is not looked at any more."""
    narrator = Narrator(teller(probes=("gateway",)))
    narrator.hear(check("failing", "gateway"), check("failing", "cache"))
    narrator.hear(event(EventKind.RELOADED, Severity.INFO))
    assert [(notice.topic, notice.event) for notice in narrator.wait(HOUR)] == [("check/cache", "over")]


def test_a_clock_that_is_set_back_silences_nothing():
    """What was told in what is now the future was told long ago."""
    narrator = Narrator()
    narrator.hear(status("unhealthy"), status("ready"))
    narrator.now -= 365 * 24 * HOUR
    assert words(narrator.hear(status("unhealthy"))) == ["unhealthy"]


def test_secrets_stay_in():
    """Whatever an event says, no secret of the configuration is in its notice; and its texts are bounded."""
    [notice] = Narrator(teller(secrets=["hunter2"])).hear(status("unhealthy", evidence=("is hunter2", "x" * 5000) * 20))
    assert b"hunter2" not in json.encode(notice)
    assert len(notice.reasons) == 20
    assert max(map(len, notice.reasons)) == 1000


EVENTS = {
    **{word: status(word) for word in ("starting", "ready", "degraded", "unhealthy")},
    "drained": status("unhealthy", Severity.WARNING),
    "failing": check("failing"),
    "passing": check("passing"),
    **{
        kind.value: event(kind, Severity.INFO if kind in (EventKind.STARTED, EventKind.DRAIN_CANCELLED) else "warning")
        for kind in (
            EventKind.STARTED,
            EventKind.DRAIN_BEGUN,
            EventKind.DRAIN_CANCELLED,
            EventKind.DRAIN_FINISHED,
            EventKind.MAINTENANCE_BEGUN,
            EventKind.MAINTENANCE_ENDED,
            EventKind.RELOAD_REFUSED,
            EventKind.RELOADED,
        )
    },
    "withheld": event(EventKind.DRAIN_WITHHELD, after="cool_down"),
}
ACTS = ("drain_begun", "drain_cancelled", "drain_finished", "maintenance_ended", "reload_refused", "reloaded")
STORIES = st.lists(
    st.tuples(st.sampled_from(sorted(EVENTS)), st.sampled_from([0.0, 1.0, 30.0, 200.0, 4000.0])), max_size=40
)
RULES = st.sampled_from([{}, {"dedupe": 0.0}, {"remind_after": 0.0}, {"flap_high": 0.0}, {"flap_low": 0.0}])


def play(story, rules):
    """Live through a story with these rules."""
    narrator = Narrator(teller(**rules))
    for name, pause in story:
        doubtful = any(topic.doubted for topic in narrator.state.topics.values())
        told = narrator.hear(EVENTS[name])
        if name in ACTS and not doubtful:
            assert words(told)[-1:] == [name]
        narrator.wait(pause)
    return narrator


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=STORIES, rules=RULES)
def test_no_state_is_told_twice(story, rules):
    """Two notices in a row about the status or a check say different things, unless the second is graver."""
    narrator, before = play(story, rules), {}
    for notice in narrator.told:
        if notice.kind in (NoticeKind.STATUS, NoticeKind.CHECK) and notice.event != "reminder":
            last = before.get(notice.topic)
            assert last is None or last.event != notice.event or is_graver(notice.reach, last.reach)
            before[notice.topic] = notice


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=STORIES, rules=RULES)
def test_whoever_was_told_of_a_problem_is_told_of_its_end(story, rules):
    """When all is well for a while, the last that any sink has heard of any topic is that it is over."""
    narrator = play(story, rules)
    for name in ("maintenance_ended", "ready", "passing", "drain_finished", "reloaded"):
        narrator.hear(EVENTS[name])
    narrator.wait(24 * HOUR)
    for severity in Severity:
        heard = {notice.topic: notice for notice in narrator.told if wants(sink(severity, *NoticeKind), notice)}
        assert [topic for topic, notice in heard.items() if notice.open] == []


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(story=STORIES, rules=RULES, last=st.sampled_from(["ready", "degraded", "unhealthy"]))
def test_how_it_stands_is_known_in_the_end(story, rules, last):
    """Whatever was thinned out before: a status that lasts is the last that was told."""
    narrator = play(story, rules)
    narrator.hear(EVENTS["maintenance_ended"], EVENTS[last])
    narrator.wait(24 * HOUR)
    told = [notice for notice in narrator.told if notice.kind is NoticeKind.STATUS and notice.event != "reminder"]
    assert told[-1].event in (last, "steady")
    assert told[-1].open == (last != "ready")


def test_what_happened_elsewhere_goes_to_those_who_are_told_of_everything():
    """Not to those who are told of warnings, from the replica where it happened: neither its begin nor its end."""
    narrator = Narrator()
    begun, ended = event(EventKind.HOLD_BEGUN), event(EventKind.HOLD_ENDED, Severity.INFO)
    learnt = [replace(each, severity=Severity.INFO, elsewhere=True) for each in (begun, ended)]
    assert [wants(sink(), notice) for notice in narrator.hear(*learnt)] == [False, False]
    assert [wants(sink(Severity.INFO), notice) for notice in narrator.told] == [True, True]
    assert [wants(sink(), notice) for notice in Narrator().hear(begun, ended)] == [True, True]
    assert [wants(sink(), notice) for notice in Narrator().hear(learnt[0], ended)] == [False, True]


def test_for_a_replica_that_is_gone_all_is_over_but_what_is_everybodys():
    """Only what was told to have begun has an end to be told; that goes wherever the begin went."""
    narrator = Narrator()
    narrator.hear(status("unhealthy"), event(EventKind.DRAIN_BEGUN), event(EventKind.DRAIN_FINISHED))
    narrator.hear(event(EventKind.HOLD_BEGUN), event(EventKind.DRAIN_WITHHELD))
    [over] = close(narrator.state, "as nothing is heard of it", START + HOUR, narrator.teller)
    assert (over.event, over.topic, over.open) == ("over", "status", False)
    assert (over.since, over.at, over.severity, over.reach) == (START, START + HOUR, "info", "error")
    assert over.what == "over, as nothing is heard of it"
