"""Ticks."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.schedule import GRID, next_tick

times = st.floats(0, 1e7)
delays = st.floats(0.5, 3600)
seeds = st.integers(0, 2**32 - 1)


@given(after=times, delay=delays, seed=seeds)
def test_a_tick_is_near_the_moment_when_it_is_due(after, delay, seed):
    """A tick comes at most three quarters of a grid cell away from its time, and never at once."""
    tick = next_tick(after, delay, seed)
    assert abs(tick - (after + delay)) <= 0.75 * GRID
    assert tick > after


@given(cells=st.integers(2, 14400), seed=seeds, spread=st.floats(0, 0.09), start=st.integers(0, 10**6))
def test_probes_that_ran_on_one_tick_and_are_due_alike_meet_again(cells, seed, spread, start):
    """Two probes of one interval run on one tick for ever, whatever small time lies between their executions."""
    first = next_tick(start * 1.0, cells * GRID, seed)
    assert next_tick(first, cells * GRID, seed) == next_tick(first + spread, cells * GRID, seed)


@given(seed=seeds)
def test_many_rounds_keep_the_mean_interval(seed):
    """Jitter does not add up: a hundred rounds of 5 s take 500 s, to within one grid cell."""
    at = 0.0
    for _ in range(100):
        at = next_tick(at, 5.0, seed)
    assert abs(at - 500.0) <= 2 * GRID


def test_two_replicas_do_not_beat_in_step():
    """Different seeds give different ticks."""
    assert {next_tick(0.0, 5.0, seed) for seed in range(20)} != {next_tick(0.0, 5.0, 0)}


@given(after=times, delay=st.floats(0, 0.49), seed=seeds)
def test_a_short_delay_is_taken_exactly(after, delay, seed):
    """Who wants to look again in 100 ms gets 100 ms."""
    assert next_tick(after, delay, seed) == after + delay
