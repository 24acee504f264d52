"""The memos that probes leave for themselves."""

import os
from pathlib import Path

import anyio
import pytest

from sidecar.contract import PassingMemo
from sidecar.memo import memo_of

pytestmark = pytest.mark.anyio


async def test_memo_is_kept_in_the_state_directory(tmp_path: Path) -> None:
    """The directory is made when there is something to keep, and is nobody else's business."""
    directory = tmp_path / "a place" / "below"
    memo = memo_of("search", str(directory))
    assert (memo.lasting, await memo.read()) == (True, "")
    assert not directory.exists()
    await memo.write("first")
    await memo.write("second")
    assert await memo_of("search", str(directory)).read() == "second"
    assert [(path.name, path.stat().st_mode & 0o777) for path in (directory / "probes").iterdir()] == [
        ("search", 0o600)
    ]
    assert (directory / "probes").stat().st_mode & 0o777 == 0o700


async def test_memo_without_a_directory_passes() -> None:
    """It is forgotten with the probe."""
    memo = memo_of("search", None)
    assert (memo.lasting, await memo.read()) == (False, "")
    await memo.write("text")
    assert (await memo.read(), await PassingMemo().read()) == ("text", "")


async def test_memo_is_read_within_bounds(tmp_path: Path) -> None:
    """Somebody else's file in its place does no harm."""
    memo = memo_of("search", str(tmp_path))
    await memo.write("x" * 100_000)
    assert len(await memo.read()) == 4096


async def test_something_else_in_its_place_is_an_error(tmp_path: Path) -> None:
    """A directory cannot be read, and a FIFO is not waited for."""
    (tmp_path / "probes" / "search").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        await memo_of("search", str(tmp_path)).read()
    with pytest.raises(OSError, match="search"):
        await memo_of("search", str(tmp_path)).write("text")
    os.mkfifo(tmp_path / "probes" / "pipe")
    with anyio.fail_after(10):
        assert await memo_of("pipe", str(tmp_path)).read() == ""
