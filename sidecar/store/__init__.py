"""What must survive the sidecar."""

from socket import gethostname

from sidecar.core.plan import StatePlan, StoreKind
from sidecar.store.contract import Store, StoreError


def open_store(plan: StatePlan, port: int) -> Store:
    """Give the store that is configured, without looking yet whether it can be had.

    The health port tells the sidecars of one machine apart. Each kind is loaded only where it is used. Raises
    ``StoreError`` for a URL that cannot be used.
    """
    if plan.store is StoreKind.REDIS:
        if plan.url is None:
            raise StoreError('cannot use state.store = "redis": set state.url or REDIS_URL')
        from sidecar.store.redis import RedisStore  # noqa: PLC0415

        return RedisStore(plan.url, plan.prefix)
    if plan.dir is None:
        from sidecar.store.passing import PassingStore  # noqa: PLC0415

        return PassingStore(
            'what is learnt is forgotten at the end: set state.dir or STATE_DIRECTORY, or state.store = "redis"'
        )
    from sidecar.store.sqlite import SqliteStore  # noqa: PLC0415

    return SqliteStore(f"{plan.dir}/sidecar-{port}.sqlite3", _unfit(plan))


def replica_of(plan: StatePlan, port: int) -> str:
    """Name this replica in its store. A file is one sidecar's alone: there it is found again under any host's name."""
    return "self" if plan.store is StoreKind.SQLITE else replica_name(plan, port)


def replica_name(plan: StatePlan, port: int) -> str:
    """Name this replica for people."""
    return plan.replica or f"{gethostname()}-{port}"


def _unfit(plan: StatePlan) -> str | None:
    """Say why a claim in a file binds nobody else; None where nobody else is left to be bound."""
    if plan.volume and plan.replicas == 1:
        return None
    return (
        f"SQLite in {plan.dir} is seen by this replica alone, and may not outlive the deployment: "
        'set state.store = "redis", or state.volume = true and state.replicas = 1 where that is so'
    )
