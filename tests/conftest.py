"""What every test shares: the event loop's backend, the watch for blocking calls, and the real servers."""

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx

pytest_plugins = ["servers.ports"]


@pytest.fixture
def anyio_backend() -> str:
    """Asyncio is the backend, here as in the agent."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[BlockBuster]:
    """A blocking call of ours inside the event loop is an error."""
    with blockbuster_ctx(["sidecar", "probes"]) as blockbuster:
        yield blockbuster
