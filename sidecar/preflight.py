"""Whether what a release will need is there, before it is deployed. It changes nothing anywhere, and costs nothing."""

import os
import re
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from time import time

import anyio
from msgspec import Struct
from msgspec.structs import replace

from sidecar import USER_AGENT
from sidecar.clock import boottime
from sidecar.contract import PassingMemo
from sidecar.core.errors import SidecarError
from sidecar.core.plan import Plan, ProbePlan, Target
from sidecar.core.releases.memory import Memory
from sidecar.core.releases.release import KnownGood
from sidecar.core.rules import PlatformKind, PreflightPlan, ReleaseMode
from sidecar.core.verdict import Outcome, Verdict
from sidecar.engine import CONCURRENCY, close, execute
from sidecar.gateway.child import Command, CommandError, require
from sidecar.ledger.recall import read, remember
from sidecar.ledger.records import Ledger
from sidecar.linux.program import Ended, run_program
from sidecar.platforms import open_platform
from sidecar.platforms.contract import Platform, PlatformError, UnavailableError
from sidecar.registry import load_kind, make_probe
from sidecar.store import open_store, replica_of
from sidecar.store.contract import Store, StoreError


class Item(Struct, frozen=True):
    """One thing that was looked at, and what was found."""

    name: str
    outcome: Outcome
    reason: str


async def look(plan: Plan) -> list[Item]:
    """Look at everything, side by side; in an order that does not depend on who answers first."""
    looks: list[Callable[[], AsyncIterator[Item]]] = [
        *(lambda probe=probe: _probe(probe, plan) for probe in plan.probes if probe.target is Target.UPSTREAM),
        lambda: _migrations(plan.preflight, plan.secrets),
        lambda: _rollback(plan),
    ]
    found: dict[int, list[Item]] = {}
    slots = anyio.Semaphore(CONCURRENCY)

    async def one(place: int) -> None:
        async with slots:
            found[place] = [item async for item in looks[place]()]

    async with anyio.create_task_group() as tasks:
        for place in range(len(looks)):
            tasks.start_soon(one, place)
    valid = Item("configuration", Outcome.PASS, f"{plan.source} is valid, and every variable is present")
    return [valid, *(item for place in sorted(found) for item in found[place])]


async def _probe(probe: ProbePlan, plan: Plan) -> AsyncIterator[Item]:
    """Look at an upstream as its probe would, but without a trace."""
    kind = load_kind(probe.kind)
    try:
        spec = kind.harmless(probe.spec) if kind is not None else None
    except Exception as error:  # noqa: BLE001 - a kind is anybody's code, and its accidents are its own
        why = f"the kind {probe.kind} cannot say what is harmless: {type(error).__name__}"
        yield Item(probe.name, Outcome.UNKNOWN, why)
        return
    if spec is None:
        why = f"set like this, the kind {probe.kind} has no look that changes and costs nothing"
        yield Item(probe.name, Outcome.PASS, f"not looked at: {why}")
        return
    harmless, verdicts = replace(probe, spec=spec), list[Verdict]()
    made = make_probe(harmless, plan, PassingMemo(), lambda: None)
    try:
        await execute(made, harmless, plan.secrets, boottime, verdicts.append)
    finally:
        await close(made)
    yield Item(probe.name, verdicts[0].outcome, verdicts[0].reason)


async def _migrations(rules: PreflightPlan, secrets: frozenset[str]) -> AsyncIterator[Item]:
    if not rules.migrations:
        return
    try:
        ended = await run_program(rules.migrations, os.environ, rules.timeout)
    except SidecarError as error:
        yield Item("migrations", Outcome.UNKNOWN, f"cannot start {rules.migrations[0]!r}: {error}")
        return
    yield Item("migrations", *_read_migrations(rules, ended, secrets))


def _read_migrations(rules: PreflightPlan, ended: Ended, secrets: frozenset[str]) -> tuple[Outcome, str]:
    said = ended.last_line(secrets) or "nothing"
    if ended.status is None:
        return Outcome.UNKNOWN, f"preflight.migrations ends within {rules.timeout:g} s: it did not; it said: {said}"
    if ended.status != 0:
        return Outcome.FAIL, f"preflight.migrations ends with status 0: found {ended.status}; it said: {said}"
    if rules.expect is not None and not re.search(rules.expect, ended.output):
        return Outcome.FAIL, f"preflight.migrations says {rules.expect!r}: found {said}"
    return Outcome.PASS, f"preflight.migrations ends with status 0, and says {said}"


async def _rollback(plan: Plan) -> AsyncIterator[Item]:
    """Look whether a bad release could be rolled back: who would do it, who keeps count of it, and to what."""
    try:
        async with aclosing(open_store(plan.state, plan.server.port)) as store:
            memory, item = await _recall(plan, store)
    except StoreError as error:
        memory, item = None, Item("store", Outcome.FAIL, str(error))
    yield item
    try:
        platform = open_platform(plan, user_agent=USER_AGENT)
    except PlatformError as error:
        yield Item("platform", Outcome.FAIL, str(error))
        return
    if platform is None:
        yield Item("platform", *_without_platform(plan))
        if memory is not None and plan.rollback.platform is PlatformKind.PARENT:
            yield await _startable(memory.target)
        return
    async with aclosing(platform):
        yield await _accepted(platform)
        if memory is not None:
            yield await _restorable(platform, memory)


async def _recall(plan: Plan, store: Store) -> tuple[Memory | None, Item]:
    name, port = plan.release.id or "", plan.server.port
    replica, acts = replica_of(plan.state, port), _acts(plan)
    try:
        stored = await read(Ledger(store, replica))
    except StoreError as error:
        return None, Item("store", Outcome.FAIL if acts else Outcome.WARN, str(error))
    memory = remember(stored, name, replica, plan.release, store.unfit, now=boottime(), wall=time())
    if memory.unfit is not None and acts:
        return memory, Item("store", Outcome.WARN, f"a bad release will be held, not rolled back: {memory.unfit}")
    return memory, Item("store", Outcome.PASS, "it can be read")


async def _accepted(platform: Platform) -> Item:
    try:
        return Item("platform", Outcome.PASS, await platform.accepted())
    except UnavailableError as error:
        return Item("platform", Outcome.UNKNOWN, str(error))
    except PlatformError as error:
        return Item("platform", Outcome.FAIL, str(error))


async def _restorable(platform: Platform, memory: Memory) -> Item:
    """Whether there is something to go back to stops no deployment: after a long time there never is."""
    if memory.target is None:
        return _NONE_KNOWN
    try:
        found = await platform.find(memory.target)
    except SidecarError as error:
        return Item("last good release", Outcome.WARN, f"a bad release would be held: {error}")
    return Item("last good release", Outcome.PASS, f"{memory.target.release} can be restored: {found.deployment}")


_NONE_KNOWN = Item("last good release", Outcome.WARN, "none is known yet: a bad release would be held")


async def _startable(target: KnownGood | None) -> Item:
    """Look whether the sidecar itself could start the last good release."""
    if target is None:
        return _NONE_KNOWN
    if not target.command:
        why = f"no sidecar has started {target.release}, so its command is not known"
        return Item("last good release", Outcome.WARN, f"a bad release would be held: {why}")
    try:
        await anyio.to_thread.run_sync(require, Command(target.command, os.environ))
    except CommandError as error:
        return Item("last good release", Outcome.WARN, f"a bad release would be held: {error}")
    return Item("last good release", Outcome.PASS, f"{target.release} can be restored: {target.command[0]} is there")


def _without_platform(plan: Plan) -> tuple[Outcome, str]:
    if plan.rollback.platform is PlatformKind.PARENT:
        return Outcome.PASS, "the sidecar itself starts the earlier release's command"
    return Outcome.PASS, "none: rollback.platform is not set, so that a bad release is held"


def _acts(plan: Plan) -> bool:
    return plan.rollback.platform is not None and plan.release.mode is ReleaseMode.AUTO
