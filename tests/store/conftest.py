"""Every kind of store, with as many of them on the same place as a test wants."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from servers.redis import RedisServer

from sidecar.core.plan import StatePlan, StoreKind
from sidecar.store import open_store
from sidecar.store.contract import Store
from sidecar.store.sqlite import SqliteStore

PORT = 9000

OpenStore = Callable[[], Store]
"""Opens one more store at the same place."""

_PREFIXES = (f"test-{number}" for number in itertools.count())


@pytest.fixture(scope="session")
def stores_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Share a server that each test uses with a prefix of its own."""
    with RedisServer(tmp_path_factory.mktemp("stores")) as server:
        yield server


@pytest.fixture
def sqlite_plan(tmp_path: Path) -> StatePlan:
    """Describe a file."""
    return StatePlan(dir=str(tmp_path / "state"))


@pytest.fixture
def redis_plan(stores_redis: RedisServer) -> StatePlan:
    """Describe a Redis."""
    return StatePlan(store=StoreKind.REDIS, url=stores_redis.url, prefix=next(_PREFIXES))


@pytest.fixture(params=["sqlite", "redis"])
def plan(request: pytest.FixtureRequest) -> StatePlan:
    """Describe a place that several can share, one of each kind."""
    return request.getfixturevalue(f"{request.param}_plan")


@pytest.fixture
async def open_one(plan: StatePlan) -> AsyncIterator[OpenStore]:
    """Open stores at one place; they are closed at the end."""
    opened: list[Store] = []

    def open_one_more() -> Store:
        opened.append(open_store(plan, PORT))
        return opened[-1]

    yield open_one_more
    for store in opened:
        await store.aclose()


@pytest.fixture(params=["sqlite", "redis", "passing"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Store]:
    """Open a store of each kind."""
    kind = request.param
    opened = open_store(StatePlan() if kind == "passing" else request.getfixturevalue(f"{kind}_plan"), PORT)
    yield opened
    await opened.aclose()


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """Open a store whose file is not there yet."""
    opened = SqliteStore(str(tmp_path / "state" / "below" / "sidecar-9000.sqlite3"), None)
    yield opened
    await opened.aclose()


@pytest.fixture
def path(sqlite_store: SqliteStore) -> Path:
    """Tell where its file is."""
    return Path(sqlite_store._path)
