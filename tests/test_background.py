"""A task beside a block ends with it, and does not change what the block raises."""

import anyio
import pytest

from sidecar.background import in_background
from sidecar.core.errors import SidecarError

pytestmark = pytest.mark.anyio


class Work:
    """Work that never ends by itself, and knows whether it runs."""

    def __init__(self) -> None:
        self.begun = anyio.Event()
        self.ended = False

    async def __call__(self) -> None:
        """Run until cancelled."""
        self.begun.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.ended = True


async def test_the_work_is_ended_with_the_block() -> None:
    """Before whoever comes next goes on."""
    work = Work()
    async with in_background(work, "work"):
        await work.begun.wait()
        assert not work.ended
    assert work.ended


@pytest.mark.parametrize("error", [SidecarError("no"), ValueError("no"), ExceptionGroup("two", [ValueError("no")])])
async def test_what_the_block_raises_comes_out_as_it_is(error: Exception) -> None:
    """The very same, with the work ended."""
    work = Work()

    async def fail() -> None:
        async with in_background(work, "work"):
            await work.begun.wait()
            raise error

    with pytest.raises(type(error)) as raised:
        await fail()
    assert raised.value is error
    assert work.ended


async def test_a_block_that_is_cancelled_is_cancelled() -> None:
    """A deadline further out goes on working."""
    work = Work()
    with anyio.move_on_after(0) as scope:
        async with in_background(work, "work"):
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert work.ended or not work.begun.is_set()


async def test_work_that_fails_ends_the_block() -> None:
    """Nobody goes on without it."""

    async def fail() -> None:
        raise ValueError("it is broken")

    with pytest.raises(ExceptionGroup) as raised:
        async with in_background(fail, "work"):
            await anyio.sleep_forever()
    assert [str(error) for error in raised.value.exceptions] == ["it is broken"]
