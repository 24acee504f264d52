"""What the paid modes of ``brightdata`` may cost."""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.brightdata.budget import Budget
from sidecar.contract import Evidence, Memo, Outcome, PassingMemo, ProbeFailure

pytestmark = pytest.mark.anyio

TODAY, TOMORROW = "2026-11-23", "2026-11-24"


@pytest.fixture
def memo(memo_of, tmp_path: Path) -> Memo:
    """A memo on disk."""
    return memo_of("brightdata", tmp_path)


async def refused(budget: Budget, day: str = TODAY) -> ProbeFailure:
    """Try to spend in vain."""
    with pytest.raises(ProbeFailure) as caught:
        await budget.spend(day)
    assert (caught.value.otherwise, caught.value.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    return caught.value


@contextmanager
def full_disk() -> Iterator[None]:
    """Let the kernel refuse every byte that this process writes to a file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_budget_is_spent_and_begins_anew_the_next_day(memo):
    """An exhausted budget proves nothing about BrightData, and the reason tells how to make it last."""
    budget = Budget(3, memo)
    assert [await budget.spend(TODAY) for _ in range(3)] == [2, 1, 0]
    failure = await refused(budget)
    assert str(failure) == (
        "the look is within the day's budget: found all 3 spent: "
        "more from 00:00 UTC; an 'interval' of 480m makes it last"
    )
    assert await budget.spend(TOMORROW) == 2


async def test_budget_survives_a_restart(memo_of, tmp_path):
    """Another process goes on counting; another probe has a count of its own."""
    assert await Budget(2, memo_of("brightdata", tmp_path)).spend(TODAY) == 1
    assert await Budget(2, memo_of("brightdata", tmp_path)).spend(TODAY) == 0
    await refused(Budget(2, memo_of("brightdata", tmp_path)))
    assert await Budget(2, memo_of("other", tmp_path)).spend(TODAY) == 1


async def test_budget_without_a_place_is_kept_as_long_as_the_sidecar(memo_of):
    """Without a state directory it counts all the same."""
    memo = memo_of("brightdata")
    budget = Budget(1, memo)
    assert not memo.lasting
    assert await budget.spend(TODAY) == 0
    await refused(budget)


@pytest.mark.parametrize(
    "record", ["\0\0\0", "2026-11-23", "2026-11-23 -1\n", "2026-11-23 1\n2026", "x" * 10_000, "\n"]
)
async def test_record_that_cannot_be_read_counts_as_all_spent(memo, record):
    """Rather a day without paid looks than one with too many; the next day is an ordinary one."""
    await memo.write(record)
    budget = Budget(5, memo)
    await refused(budget)
    await refused(budget)
    assert await budget.spend(TOMORROW) == 4


async def test_clock_that_was_set_back_gives_nothing_away(memo):
    """What was counted for a day to come is counted for today, and no longer."""
    budget = Budget(5, memo)
    await budget.spend("2099-01-01")
    assert await budget.spend(TODAY) == 3
    assert await budget.spend(TOMORROW) == 4


async def test_smaller_budget_is_obeyed_at_once(memo):
    """What was spent under a larger one is not forgotten."""
    await Budget(5, memo).spend(TODAY)
    await Budget(5, memo).spend(TODAY)
    await refused(Budget(2, memo))
    assert await Budget(3, memo).spend(TODAY) == 0


async def test_full_disk_is_no_failure_of_brightdata(memo):
    """What cannot be counted is not spent, and the old count stays."""
    budget = Budget(5, memo)
    await budget.spend(TODAY)
    with full_disk():
        failure = await refused(budget)
    assert str(failure).startswith("the count of paid looks can be kept: found ")
    assert await budget.spend(TODAY) == 3


async def test_directory_that_cannot_be_made_is_told(memo_of, tmp_path):
    """The reason names the place and the table."""
    (tmp_path / "file").touch()
    failure = await refused(Budget(5, memo_of("brightdata", tmp_path / "file")))
    assert str(tmp_path / "file") in str(failure)
    assert str(failure).endswith("not a directory: see [state]")


@given(st.integers(1, 20), st.lists(st.sampled_from([TODAY, TOMORROW, "2026-11-25", "2020-01-01"]), max_size=60))
async def test_no_day_costs_more_than_its_budget(limit, days):
    """However the looks are spread over days, none is granted more."""
    budget, spent = Budget(limit, PassingMemo()), dict.fromkeys(days, 0)
    for day in sorted(days):
        try:
            await budget.spend(day)
        except ProbeFailure:
            assert spent[day] == limit
        else:
            spent[day] += 1
    assert all(count <= limit for count in spent.values())
