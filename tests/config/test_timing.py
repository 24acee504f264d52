"""How a probe's times fit together."""

from collections.abc import Callable

import pytest

from sidecar.core.plan import OnFailure, Plan, ProbePlan, Target

Load = Callable[..., Plan]
Problems = Callable[..., list[str]]


def _probe(plan: Plan, name: str = "process") -> ProbePlan:
    return next(probe for probe in plan.probes if probe.name == name)


def test_defaults_are_those_of_the_plan(plan_of: Load) -> None:
    """A probe about which nothing is said has the documented times and thresholds."""
    probe = _probe(plan_of(""))
    assert (probe.interval, probe.fast_interval, probe.timeout) == (5, 1, 2)
    assert (probe.failure_threshold, probe.success_threshold) == (3, 1)
    assert (probe.initial_delay, probe.slow, probe.stale_after) == (0, None, 30)


def test_defaults_table_is_inherited_and_overridden(plan_of: Load) -> None:
    """[defaults] speaks for all probes, a probe's own table for itself."""
    plan = plan_of('[defaults]\ninterval = "8s"\nslow = "1s"\nfailure_threshold = 5\n[probes.process]\nslow = "500ms"')
    assert [probe.interval for probe in plan.probes] == [8, 8, 8]
    assert [probe.failure_threshold for probe in plan.probes] == [5, 5, 5]
    assert [probe.slow for probe in plan.probes] == [1, 1, 0.5]


def test_inherited_times_give_way(plan_of: Load) -> None:
    """Who says interval = "500ms" and nothing else needs not know of the other times."""
    text = '[defaults]\ntimeout = "4s"\nslow = "3s"\n[probes.process]\ninterval = "500ms"'
    probe = _probe(plan_of(text))
    assert (probe.interval, probe.fast_interval, probe.timeout, probe.slow) == (0.5, 0.5, 0.5, None)


def test_defaults_table_fits_itself(plan_of: Load) -> None:
    """The same holds between [defaults] and the built-in values."""
    probe = _probe(plan_of('[defaults]\ninterval = "500ms"'))
    assert (probe.fast_interval, probe.timeout) == (0.5, 0.5)


def test_state_is_believed_for_some_intervals(plan_of: Load) -> None:
    """stale_after is the larger of 30 s and 3 x interval + timeout, if not given; it outlives one execution."""
    assert _probe(plan_of('[probes.process]\ninterval = "1m"')).stale_after == 182
    assert _probe(plan_of('[probes.process]\nstale_after = "7s"')).stale_after == 7
    assert _probe(plan_of('[defaults]\nstale_after = "7s"\n[probes.process]\ninterval = "1m"')).stale_after == 62


@pytest.mark.parametrize(
    ("keys", "problem"),
    [
        ('timeout = "6s"', 'timeout: found "6s", expected at most the interval, 5s'),
        ('fast_interval = "6s"', 'fast_interval: found "6s", expected at most the interval, 5s'),
        ('slow = "2s"', 'slow: found "2s", expected less than the timeout, 2s, or it could never be noticed'),
        ('stale_after = "6s"', 'stale_after: found "6s", expected at least interval + timeout, 7s'),
        ('interval = "0s"', 'interval: found "0s", expected a duration from 50ms to 1d such as "500ms", "5s", "2m"'),
        (
            'interval = "49ms"',
            'interval: found "49ms", expected a duration from 50ms to 1d such as "500ms", "5s", "2m"',
        ),
        ("success_threshold = 0", "success_threshold: found 0, expected a whole number from 1 to 1000"),
    ],
)
@pytest.mark.parametrize("table", ["defaults", "probes.process"])
def test_contradiction_of_own_words_is_an_error(problems_of: Problems, table: str, keys: str, problem: str) -> None:
    """What somebody wrote is not bent in silence."""
    assert problems_of(f"[{table}]\n{keys}") == [f"x.toml:2: {table}.{problem}"]


def test_failure_means_what_its_target_makes_of_it(plan_of: Load) -> None:
    """A gateway probe drains; an upstream probe does what its kind says; the file has the last word."""
    text = """
    [probes.web]
    kind = "http"
    [probes.far]
    kind = "http"
    url = "http://far/"
    [probes.db]
    kind = "postgres"
    url = "postgres://h"
    [probes.try]
    kind = "process"
    on_failure = "observe"
    [probes.must]
    kind = "process"
    on_failure = "observe"
    startup = true
    """
    plan = plan_of(text)
    assert {probe.name: (probe.target, probe.on_failure, probe.startup) for probe in plan.probes[3:]} == {
        "web": (Target.GATEWAY, OnFailure.DRAIN, True),
        "far": (Target.UPSTREAM, OnFailure.DEGRADE, True),
        "db": (Target.UPSTREAM, OnFailure.UNREADY, True),
        "try": (Target.GATEWAY, OnFailure.OBSERVE, False),
        "must": (Target.GATEWAY, OnFailure.OBSERVE, True),
    }
