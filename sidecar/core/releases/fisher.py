"""Fisher's exact test, one-sided: whether chance alone explains that more of one group are bad than of another."""

from collections.abc import Iterator
from math import exp, lgamma

_ENOUGH = 10_000_000
"""Nothing needs more proof than so many: a larger group is cut to that, its share kept. It bounds the time."""
_NEGLIGIBLE = 1e-16


def chance_of_more(bad: int, of: int, bad_before: int, of_before: int) -> float:
    """Tell how probable so many bad ones, or more, are in a group that is as good as the one before.

    Then all the bad ones, ``bad + bad_before``, fall to the two groups by lot, and the number that falls to one of them
    is hypergeometric (R. A. Fisher, The Design of Experiments, 1935, section 11). The tail is summed term by term, from
    logarithms of factorials: for groups of millions some thousand terms, so that no approximation is needed.
    """
    bad, of = _cut(bad, of)
    bad_before, of_before = _cut(bad_before, of_before)
    drawn, marked, total = of, bad + bad_before, of + of_before
    lowest, highest = max(0, drawn + marked - total), min(drawn, marked)
    if bad <= lowest:
        return 1.0
    summit = (drawn + 1) * (marked + 1) // (total + 2)
    if bad > summit:
        return min(1.0, sum(_falling(bad, highest, drawn, marked, total)))
    # The lower tail is the upper one of those that are not bad.
    good, fewest = drawn - (bad - 1), drawn - lowest
    return max(0.0, 1.0 - sum(_falling(good, fewest, drawn, total - marked, total)))


def _falling(first: int, last: int, drawn: int, marked: int, total: int) -> Iterator[float]:
    """Give the probabilities of drawing ``first`` marked ones, one more, and so on, until they come to nothing."""
    unmarked = total - marked
    term = exp(_choices(marked, first) + _choices(unmarked, drawn - first) - _choices(total, drawn))
    least = term * _NEGLIGIBLE
    for count in range(first, last + 1):
        yield term
        term *= (marked - count) * (drawn - count) / ((count + 1) * (unmarked - drawn + count + 1))
        if term <= least:
            return


def _choices(of: int, taken: int) -> float:
    """Give the logarithm of the number of ways to take so many."""
    return lgamma(of + 1) - lgamma(taken + 1) - lgamma(of - taken + 1)


def _cut(bad: int, of: int) -> tuple[int, int]:
    return (bad, of) if of <= _ENOUGH else (bad * _ENOUGH // of, _ENOUGH)
