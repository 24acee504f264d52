"""A preflight looks at everything that a release will need, and leaves no trace."""

import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from msgspec.structs import replace
from redis import Redis
from servers.brightdata import TOKEN, FakeBrightData
from servers.http import HttpServer
from servers.railway import API_TOKEN, ENVIRONMENT, PROJECT, SERVICE, Railway
from servers.redis import RedisServer
from servers.stores import FailingStore, MemoryStore

import sidecar.platforms.railway  # noqa: F401 - loaded beforehand, as an import would block the loop
from sidecar import preflight
from sidecar.config import load
from sidecar.core.plan import Plan
from sidecar.core.releases.release import KnownGood, ReleasePhase
from sidecar.core.verdict import Outcome
from sidecar.ledger.records import Ledger, ReleaseRecord
from sidecar.registry import known_kinds, load_kind

pytestmark = pytest.mark.anyio


OWN_STORE = """
derive = false
[probes.web]
kind = "tcp"
[state]
store = "redis"
"""

RAILWAY = """
[rollback]
platform = "railway"
[railway]
api_url = "{url}"
project = "p"
environment = "e"
service = "s"
"""


def plan(text: str, **environ: str) -> Plan:
    """Read a plan with the built-in kinds."""
    return load(text, environ, load_kind=load_kind, known_kinds=known_kinds)


async def rows(configured: Plan) -> dict[str, tuple[Outcome, str]]:
    """Look at everything; give what was found by its name."""
    return {item.name: (item.outcome, item.reason) for item in await preflight.look(configured)}


async def test_without_anything_configured_all_is_well(tmp_path: Path) -> None:
    """Nothing is made, and it is said what would be done about a bad release."""
    state = tmp_path / "state"
    found = await rows(plan("", STATE_DIRECTORY=str(state)))
    assert found["configuration"][0] is Outcome.PASS
    assert found["store"][0] is Outcome.PASS
    assert found["platform"] == (Outcome.PASS, "none: rollback.platform is not set, so that a bad release is held")
    assert not state.exists()


async def test_the_credentials_of_an_upstream_are_tried_without_a_trace(
    redis_server: RedisServer, free_port: int
) -> None:
    """A probe that would write looks without writing; one that cannot be reached fails."""
    cache = f'[probes.cache]\nkind = "redis"\nurl = "{redis_server.url}"\nroundtrip = true\n'
    before = written(redis_server)
    gone = f'[probes.gone]\nkind = "redis"\nurl = "redis://127.0.0.1:{free_port}"\n'
    found = await rows(plan(cache + gone))
    assert found["cache"][0] is Outcome.PASS
    assert found["gone"][0] is Outcome.FAIL
    assert written(redis_server) == before


def written(server: RedisServer) -> tuple[int, int]:
    """Tell how many keys a server has, and how many commands have set one so far."""
    with Redis(port=server.port) as client:
        calls = client.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"]
        return client.dbsize(), calls


async def test_brightdata_is_asked_for_free(serve: Callable[..., Awaitable[HttpServer]]) -> None:
    """The key is tried by reading, although the probe would fetch a page, and pay for it."""
    fake = FakeBrightData()
    server = await serve(fake)
    table = f'kind = "brightdata"\nmode = "request"\nzone = "unlocker1"\ntoken = "{TOKEN}"\nurl = "{server.url("")}"\n'
    found = await rows(plan(f"[probes.bright]\n{table}"))
    assert found["bright"][0] is Outcome.PASS
    assert fake.targets == ["/zone/get_active_zones"]
    assert fake.bodies == []


async def test_a_kind_that_cannot_say_what_is_harmless_is_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is anybody's code: the rest is looked at all the same."""
    table = '[probes.odd]\nkind = "tcp"\naddress = "127.0.0.1:9"\n'
    configured = plan(table)

    def fail(_: object) -> None:
        raise ZeroDivisionError("s3cret")

    kind = load_kind("tcp")
    monkeypatch.setattr(preflight, "load_kind", lambda _: replace(kind, harmless=fail))
    found = await rows(configured)
    assert found["odd"] == (Outcome.UNKNOWN, "the kind tcp cannot say what is harmless: ZeroDivisionError")
    assert found["store"][0] is Outcome.PASS


async def test_what_may_change_something_is_not_run(tmp_path: Path) -> None:
    """Nobody knows what a command of one's own does."""
    trace = tmp_path / "trace"
    found = await rows(plan(f'[probes.own]\nkind = "command"\nargv = ["touch", "{trace}"]\n'))
    assert found["own"][0] is Outcome.PASS
    assert found["own"][1].startswith(
        "not looked at: set like this, the kind command has no look that changes and costs"
    )
    assert not trace.exists()


@pytest.mark.parametrize(
    ("code", "expect", "outcome", "words"),
    [
        ("print('at 42')", "42", Outcome.PASS, "ends with status 0, and says at 42"),
        ("print('at 41')", "42", Outcome.FAIL, "says '42': found at 41"),
        ("print('behind'); raise SystemExit(3)", "42", Outcome.FAIL, "ends with status 0: found 3; it said: behind"),
        ("import time; time.sleep(60)", "42", Outcome.UNKNOWN, "ends within 0.5 s: it did not"),
    ],
)
async def test_the_migrations_are_at_the_expected_version(code: str, expect: str, outcome: Outcome, words: str) -> None:
    """As a program says, by its status and by what it writes, within its time."""
    seconds = "0.5" if outcome is Outcome.UNKNOWN else "30"
    text = f'[preflight]\nmigrations = ["{sys.executable}", "-c", "{code}"]\nexpect = "{expect}"\n'
    found = await rows(plan(f'{text}timeout = "{float(seconds) * 1000:.0f}ms"\n'))
    assert found["migrations"][0] is outcome
    assert words in found["migrations"][1]


async def test_what_the_migrations_say_shows_no_secret() -> None:
    """A program that fails likes to show where it wanted to connect."""
    url = "postgres://app:hunter2hunter2@127.0.0.1:9/app"
    code = f"print('cannot connect to {url}'); raise SystemExit(1)"
    database = f'[probes.db]\nkind = "postgres"\nurl = "{url}"\n'
    found = await rows(plan(f'{database}[preflight]\nmigrations = ["{sys.executable}", "-c", "{code}"]\n'))
    assert found["migrations"][0] is Outcome.FAIL
    assert "cannot connect to" in found["migrations"][1]
    assert "hunter2" not in str(found)


async def test_a_program_that_is_not_there_cannot_tell() -> None:
    """It is named."""
    found = await rows(plan('[preflight]\nmigrations = ["/no/such/program"]\n'))
    assert found["migrations"] == (Outcome.UNKNOWN, "cannot start '/no/such/program': no such file or directory")


def on_railway(railway: Railway, token: str = API_TOKEN) -> Plan:
    """A plan that rolls back by Railway."""
    railway_table = f'api_url = "{railway.url}"\napi_token = "{token}"\n'
    place = f'project = "{PROJECT}"\nenvironment = "{ENVIRONMENT}"\nservice = "{SERVICE}"\n'
    return plan(f'[release]\nid = "2"\n[rollback]\nplatform = "railway"\n[railway]\n{railway_table}{place}')


async def known_good(deployment: str) -> MemoryStore:
    """A store in which release 1 is known to be good."""
    store = MemoryStore(shared=False)
    good = ReleaseRecord(id="1", phase=ReleasePhase.GOOD, since=1.0, updated=1.0, deployments=(deployment,))
    await Ledger(store, "web").save_release(good)
    await Ledger(store, "web").save_good(KnownGood(release="1", at=1.0, deployments=(deployment,)))
    return store


@pytest.mark.parametrize(
    ("text", "environ", "row", "why"),
    [
        (
            OWN_STORE,
            {"REDIS_URL": "redis://app:hunter2@cache?nonsense=1"},
            "store",
            "nonsense",
        ),
        (RAILWAY.format(url="http://api.example"), {"RAILWAY_API_TOKEN": "hunter2hunter2"}, "platform", "use https"),
        (
            RAILWAY.format(url="https://api.example"),
            {"RAILWAY_API_TOKEN": "hunter2 hunter2"},
            "platform",
            "no token has",
        ),
    ],
)
async def test_what_cannot_be_used_at_all_is_a_row_that_fails(
    text: str, environ: dict[str, str], row: str, why: str
) -> None:
    """That is what a preflight is there to find; the rest is looked at, and no secret is shown."""
    found = await rows(plan(text, **environ))
    outcome, reason = found[row]
    assert outcome is Outcome.FAIL
    assert why in reason
    assert "hunter2" not in f"{found}"
    assert set(found) >= {"configuration", "store", "platform"}


@pytest.mark.parametrize(
    ("command", "outcome", "reason"),
    [
        ((sys.executable, "-V"), Outcome.PASS, f"1 can be restored: {sys.executable} is there"),
        (("/no/such/gateway",), Outcome.WARN, "a bad release would be held: cannot start '/no/such/gateway': "),
        ((), Outcome.WARN, "a bad release would be held: no sidecar has started 1, so its command is not known"),
        (None, Outcome.WARN, "none is known yet: a bad release would be held"),
    ],
)
async def test_a_parent_looks_whether_it_could_start_the_last_good_release(
    monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...] | None, outcome: Outcome, reason: str
) -> None:
    """Its program has to be there still."""
    store = MemoryStore(shared=False)
    if command is not None:
        good = ReleaseRecord(id="1", phase=ReleasePhase.GOOD, since=1.0, updated=1.0, command=command)
        await Ledger(store, "z").save_release(good)
    monkeypatch.setattr(preflight, "open_store", lambda *_: store)
    found = await rows(plan('[release]\nid = "2"\n[rollback]\nplatform = "parent"\n'))
    assert found["last good release"][0] is outcome
    assert found["last good release"][1].startswith(reason)


async def test_the_platform_is_asked_for_the_last_good_release(
    railway: Railway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its token is accepted and the release can be restored; nothing but reading was done."""
    first = railway.deploy("1")
    railway.deploy("2")
    store = await known_good(first.id)
    monkeypatch.setattr(preflight, "open_store", lambda *_: store)
    found = await rows(on_railway(railway))
    assert found["platform"][0] is Outcome.PASS
    assert found["last good release"] == (Outcome.PASS, f"1 can be restored: {first.id}")
    assert railway.rollbacks == []


async def test_a_release_that_cannot_be_restored_is_a_warning(
    railway: Railway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images are kept for days, and a deployment must not be stopped for that."""
    first = railway.deploy("1")
    railway.deploy("2")
    first.image_kept = False
    store = await known_good(first.id)
    monkeypatch.setattr(preflight, "open_store", lambda *_: store)
    found = await rows(on_railway(railway))
    assert found["last good release"][0] is Outcome.WARN
    assert found["store"] == (Outcome.WARN, "a bad release will be held, not rolled back: it is in memory")


async def test_a_token_that_is_refused_fails_and_is_not_shown(
    railway: Railway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What to mend is said, the token is not."""
    monkeypatch.setattr(preflight, "open_store", lambda *_: MemoryStore(shared=False))
    outcome, reason = (await rows(on_railway(railway, "hunter2hunter2")))["platform"]
    assert outcome is Outcome.FAIL
    assert "hunter2" not in reason


async def test_a_store_that_cannot_be_read_fails_where_it_is_needed(
    railway: Railway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without it nobody can say that another replica does not do the same."""
    store = FailingStore(shared=False)
    store.fail()
    monkeypatch.setattr(preflight, "open_store", lambda *_: store)
    assert (await rows(on_railway(railway)))["store"][0] is Outcome.FAIL
    assert (await rows(plan("")))["store"][0] is Outcome.WARN
