"""Memos of probes in real stores."""

from collections.abc import AsyncIterator, Callable

import pytest

from sidecar.core.plan import StatePlan
from sidecar.memo import StoreMemo
from sidecar.store import open_store
from sidecar.store.contract import Store

MemoOf = Callable[..., StoreMemo]
"""Called with the probe's name and a directory, or None."""


@pytest.fixture
async def memo_of() -> AsyncIterator[MemoOf]:
    """Open memos as a sidecar does that has just been started; their stores are closed at the end."""
    opened: list[Store] = []

    def open_memo(probe: str, directory: object = None) -> StoreMemo:
        opened.append(open_store(StatePlan(dir=None if directory is None else str(directory)), 9000))
        return StoreMemo(opened[-1], "self", probe)

    yield open_memo
    for store in opened:
        await store.aclose()
