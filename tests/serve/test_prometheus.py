"""The Prometheus dialect, read with the parser of the Prometheus project."""

import pytest
from builders import plan, probe, verdict
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families
from serve.situations import PROBES, SITUATIONS, Scene, draining, gone, ready, starting, withheld

from sidecar.core.drain import DrainPhase
from sidecar.core.facts import ProbeReported
from sidecar.core.health import CheckState
from sidecar.core.state import Guard
from sidecar.core.tally import BUCKETS
from sidecar.core.verdict import Outcome
from sidecar.serve.routes import Route


def _families(scene, *, details=False):
    code, fields, body = scene.get(Route.METRICS, details=details)
    assert code == 200
    assert fields["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    families = list(text_string_to_metric_families(body.decode()))
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation and family.type != "unknown" for family in families)
    return {family.name: family for family in families}


def _samples(scene, name, **more):
    """Values by labels' values, of the family to which samples of this name belong."""
    families = _families(scene, **more).values()
    return {
        tuple(sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


@pytest.mark.parametrize("situation", SITUATIONS)
@pytest.mark.parametrize("details", [False, True])
def test_every_situation_can_be_scraped(situation, details):
    """In every situation the page parses, each family has help and type and stands there once, no sample twice."""
    families = _families(situation(), details=details)
    samples = [(s.name, *s.labels.items()) for family in families.values() for s in family.samples]
    assert len(samples) == len(set(samples))
    assert {name for name in families if not name.startswith("sidecar_")} == set()


def test_only_the_authorised_see_the_version():
    """The version is on the page for the authorised, and not on the public one."""
    assert _samples(ready(), "sidecar_build_info", details=True) == {("1.2.3",): 1}
    assert _samples(ready(), "sidecar_build_info") == {}


def test_a_check_is_in_exactly_one_state():
    """The states of a check are a set of which one is 1."""
    states = _samples(ready(), "sidecar_probe_state")
    assert len(states) == len(PROBES) * len(CheckState)
    assert {probe for (probe, state), value in states.items() if value and state == "passing"} == {
        probe.name for probe in PROBES
    }
    assert sum(states.values()) == len(PROBES)


def test_outcomes_are_counted_from_zero():
    """Every outcome is there from the start, so that a rate can be computed from the first change."""
    scene = starting()
    assert set(_samples(scene, "sidecar_probe_outcomes_total").values()) == {0}
    scene.report("cache", Outcome.WARN, times=2)
    assert _samples(scene, "sidecar_probe_outcomes_total")["cache", "warn"] == 2


@given(st.lists(st.floats(0.0, 20.0), max_size=20))
def test_the_histogram_counts_every_execution(durations):
    """Buckets are cumulative, the last is the count, and the sum is the sum."""
    scene = Scene(plan(probe("gateway")))
    for elapsed in durations:
        scene.tracker.record(ProbeReported("gateway", verdict(Outcome.PASS, scene.now, elapsed=elapsed)))
    buckets = _samples(scene, "sidecar_probe_duration_seconds_bucket")
    assert [float(bound) for _, bound in buckets] == [*BUCKETS, float("inf")]
    for (_, bound), number in buckets.items():
        assert number == sum(elapsed <= float(bound) for elapsed in durations)
    assert _samples(scene, "sidecar_probe_duration_seconds_count") == {("gateway",): len(durations)}
    assert _samples(scene, "sidecar_probe_duration_seconds_sum")["gateway",] == pytest.approx(sum(durations))


def test_the_age_of_evidence_can_be_computed():
    """The moment of the latest evidence is Unix time; an unknown verdict does not move it."""
    scene = ready()
    known = scene.now
    scene.report("trial", Outcome.UNKNOWN, times=5)
    snapshot = scene.snapshot
    moments = _samples(scene, "sidecar_probe_known_timestamp_seconds")
    assert moments["trial",] == pytest.approx(snapshot.wall - (scene.now - known))


def test_drains_and_their_guards_are_counted():
    """A drain is counted with its phase; every guard has a count, also those that never forbade anything."""
    assert _samples(draining(), "sidecar_drains_total") == {(): 1}
    phases = _samples(draining(), "sidecar_drain_phase")
    assert phases == {(phase,): phase is DrainPhase.LAME_DUCK for phase in DrainPhase}
    guards = _samples(withheld(), "sidecar_drains_withheld_total")
    assert guards == {(guard,): guard is Guard.MIN_UPTIME for guard in Guard}


def test_changes_of_the_status_are_counted():
    """Each transition counts."""
    assert _samples(starting(), "sidecar_status_transitions_total") == {(): 0}
    assert _samples(ready(), "sidecar_status_transitions_total") == {(): 1}


def test_the_gateway_is_up_or_not():
    """1 while its process is known to run."""
    assert _samples(ready(), "sidecar_gateway_up") == {(): 1}
    assert _samples(gone(), "sidecar_gateway_up") == {(): 0}
    assert _samples(starting(), "sidecar_gateway_up") == {(): 0}


def test_the_loop_lag_is_told():
    """The event loop's lag is on the page."""
    scene = starting()
    scene.tracker.note_lag(0.25)
    scene.report("cache", Outcome.PASS)
    assert _samples(scene, "sidecar_loop_lag_seconds") == {(): 0.25}


@given(st.text(min_size=1).filter(lambda name: "\r" not in name))
def test_any_name_can_be_a_label(name):
    """A probe's name comes back as it went in, whatever is in it."""
    states = _samples(Scene(plan(probe(name))), "sidecar_probe_state")
    assert {probe for probe, _ in states} == {name.encode("utf-8", "replace").decode()}
