"""Fisher's exact test against known values, counting all possibilities, and whole numbers."""

from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.releases.fisher import chance_of_more


def exactly(bad, of, bad_before, of_before):
    """The tail as a quotient of whole numbers."""
    drawn, marked, total = of, bad + bad_before, of + of_before
    ways = sum(
        comb(marked, count) * comb(total - marked, drawn - count) for count in range(bad, min(marked, drawn) + 1)
    )
    return ways / comb(total, drawn)


@st.composite
def groups(draw, most):
    """Two groups with some bad ones each."""
    of, of_before = draw(st.integers(0, most)), draw(st.integers(0, most))
    return draw(st.integers(0, of)), of, draw(st.integers(0, of_before)), of_before


def test_the_lady_tasting_tea():
    """Fisher's own example: eight cups, four with the milk first, and all or all but one of each sort found."""
    assert chance_of_more(4, 4, 0, 4) == pytest.approx(1 / 70)
    assert chance_of_more(3, 4, 1, 4) == pytest.approx(17 / 70)


def test_fishers_convicts():
    """Of 13 twins of one kind 10 were convicted, of 17 of another 2: Fisher (1935) has 619 in 1330665."""
    assert chance_of_more(10, 13, 2, 17) == pytest.approx(619 / 1330665)


@given(groups(60))
def test_small_groups_are_exact(group):
    """To eleven digits, in both tails."""
    assert chance_of_more(*group) == pytest.approx(exactly(*group), rel=1e-11, abs=1e-14)


@pytest.mark.parametrize(
    "group",
    [(560, 4_000, 500, 4_000), (460, 4_000, 500, 4_000), (60, 600, 500, 9_000), (31, 200, 3, 60)],
)
def test_large_groups_are_exact(group):
    """The same with thousands."""
    assert chance_of_more(*group) == pytest.approx(exactly(*group), rel=1e-9)


@pytest.mark.parametrize(
    ("excess", "expected"), [(0, 0.5), (1, 0.158655), (2, 0.0227501), (3, 0.00134990), (5, 2.86652e-7)]
)
def test_millions_come_near_the_normal_distribution(excess, expected):
    """So many standard deviations above the mean, in groups of four million, one half of them bad."""
    of = 4_000_000
    bad = of // 2 + round(excess * (of / 8) ** 0.5)
    assert chance_of_more(bad, of, of - bad, of) == pytest.approx(expected, rel=0.01)


@given(groups(40))
def test_it_is_a_probability_that_falls_with_every_bad_one(group):
    """One more bad in the group is less probable, in place of a good one or beside all others."""
    bad, of, bad_before, of_before = group
    chance = chance_of_more(*group)
    assert 0.0 <= chance <= 1.0
    assert chance_of_more(bad + 1, of + 1, bad_before, of_before) <= chance + 1e-12
    if bad < of:
        assert chance_of_more(bad + 1, of, bad_before, of_before) <= chance + 1e-12


def test_more_than_millions_prove_no_more():
    """A larger group is cut, its share kept: the time is bounded, and the result is on the safe side."""
    huge = 10**15
    assert chance_of_more(huge // 20, huge, huge // 20, huge) == pytest.approx(0.5, abs=0.01)
    assert chance_of_more(huge // 10, huge, huge // 20, huge) == 0.0


@pytest.mark.parametrize(("before", "now"), [(1, 1), (3, 4), (6, 3), (5, 5)])
def test_the_number_behind_an_answer_of_the_baseline_has_this_tail(before, now):
    """The precedence test: of all orders in which answers of both can stand, so many have that many new ones behind."""
    orders = [set(places) for places in combinations(range(before + now), before)]
    for rank in range(1, before + 1):
        for slow in range(now + 1):
            found = sum(now_behind(order, rank, before + now) >= slow for order in orders)
            assert chance_of_more(slow, now, before - rank, before) == pytest.approx(found / len(orders))


def now_behind(order, rank, total):
    """How many of the new answers are slower than the one of this rank of those before."""
    place = sorted(order)[rank - 1]
    return sum(each not in order for each in range(place + 1, total))
