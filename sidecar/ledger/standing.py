"""What a restarted sidecar takes up again, kept in the store: with the wall's clock there, and the core's here."""

from time import time

from sidecar.clock import boottime
from sidecar.core.state import Standing
from sidecar.ledger.records import Latches, Ledger


async def recall_standing(ledger: Ledger, deployment: str | None) -> Standing:
    """Read what was left, as far as it is about this deployment. Raises ``StoreError``."""
    latches, drains, ahead = await ledger.latches(), await ledger.drains(), boottime() - time()
    is_same = latches.deployment == deployment
    return Standing(
        upstream=latches.upstream if is_same else (),
        process=latches.process,
        gateway=latches.gateway,
        drains=tuple(at + ahead for at in drains),
    )


async def save_standing(ledger: Ledger, deployment: str | None, standing: Standing) -> None:
    """Write down what is to be taken up. Raises ``StoreError``."""
    latches = Latches(
        deployment=deployment, upstream=standing.upstream, process=standing.process, gateway=standing.gateway
    )
    await ledger.save_latches(latches)
    ahead = boottime() - time()
    await ledger.save_drains(tuple(at - ahead for at in standing.drains))
