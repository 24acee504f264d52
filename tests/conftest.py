"""What every test shares: the event loop's backend, the watch for blocking calls, and the real servers."""

from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import HealthCheck, settings

settings.register_profile(
    "sidecar",
    database=None,  # the checkout need not be writable
    deadline=None,  # and the machine may be busy
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("sidecar")

pytest_plugins = [
    "servers.dns",
    "servers.hang",
    "servers.http",
    "servers.looking",
    "servers.mcp",
    "servers.memos",
    "servers.ports",
    "servers.processes",
    "servers.deployment",  # after those that it imports, whose asserts would not be rewritten otherwise
    "servers.hook",
    "servers.parent_releases",
    "servers.postgres",
    "servers.postgres_pair",
    "servers.railway",
    "servers.redis",
    "servers.redis_groups",
    "servers.scraped",
    "servers.valve",
    "servers.service",  # after those that it imports
    "servers.story",
    "servers.tls",
]


@pytest.fixture(autouse=True, scope="session")
def _sockets_of_our_own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No test leaves a control socket where those of the machine's own sidecars are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        yield


READS_OF_PROC = [
    ("probes/process.py", {"observe"}),
    ("sidecar/gateway/process.py", {"_prove"}),
    ("sidecar/linux/sockdiag.py", {"in_flight"}),
    ("sidecar/maintenance.py", {"keep", "recall"}),  # the boot id
]
"""Where the loop may read ``/proc``: it is memory, and takes microseconds."""

READS_OF_FILES = [
    ("asyncpg/connect_utils.py", {"_parse_connect_dsn_and_args"}),  # small files of its own, once for each connection
    ("sidecar/gateway/child.py", {"start", "__init__"}),  # the same of the gateway, and its start time in /proc
    ("probes/command.py", {"_start"}),  # the pipe that tells whether the program could be started
]
"""Where the loop may look at the file system, or wait for the kernel, for microseconds."""


@pytest.fixture
def anyio_backend() -> str:
    """Asyncio is the backend, here as in the agent."""
    return "asyncio"


@pytest.fixture(autouse=True)
def _no_blocking_calls() -> Iterator[BlockBuster]:
    """A blocking call of ours inside the event loop is an error."""
    with blockbuster_ctx(["sidecar", "probes"]) as blockbuster:
        for function in blockbuster.functions.values():
            for module, allowed in READS_OF_PROC + READS_OF_FILES:
                function.can_block_in(module, allowed)
        yield blockbuster
