"""Railway: a rollback makes a new deployment of an old image. No id comes back, so it is found by listing again."""

from datetime import datetime

from msgspec import Struct

from sidecar.core.releases.release import KnownGood
from sidecar.core.releases.rollback import Restorable
from sidecar.core.rules import RailwayPlan
from sidecar.platforms.contract import Platform, PlatformError, Progress, Restoration
from sidecar.platforms.graphql import Endpoint, GraphQL

LISTED = 100
"""So many of the newest deployments are looked at."""

_LIST = """
query deployments($input: DeploymentListInput!, $first: Int) {
  deployments(input: $input, first: $first) { edges { node { id createdAt status canRollback } } }
}
"""

_ROLL_BACK = "mutation deploymentRollback($id: String!) { deploymentRollback(id: $id) }"

_FATES = {
    "SUCCESS": Restoration.HEALTHY,
    "SLEEPING": Restoration.HEALTHY,
    "CRASHED": Restoration.FAILED,
    "FAILED": Restoration.FAILED,
    "REMOVED": Restoration.FAILED,
    "REMOVING": Restoration.FAILED,
    "SKIPPED": Restoration.FAILED,
}
"""What a status means for a deployment that is to become the running one. Every other, also one that nobody knows
yet, means that it may still become that."""


class _Deployment(Struct, frozen=True, rename="camel"):
    id: str
    created_at: datetime
    status: str
    can_rollback: bool


class _Edge(Struct, frozen=True):
    node: _Deployment


class _Edges(Struct, frozen=True):
    edges: tuple[_Edge, ...]


class _Listing(Struct, frozen=True):
    deployments: _Edges


class _RolledBack(Struct, frozen=True, rename="camel"):
    deployment_rollback: bool


class Railway(Platform):
    """One service in one environment of a project."""

    name = "Railway"

    def __init__(self, plan: RailwayPlan, *, timeout: float, user_agent: str) -> None:
        """Raise ``PlatformError`` where the plan cannot be used."""
        self._plan = plan
        self._api = GraphQL(_endpoint(plan, timeout, user_agent))

    async def accepted(self) -> str:
        """List the deployments."""
        listed = await self._list()
        restorable = sum(deployment.can_rollback for deployment in listed)
        kind = "project token" if self._plan.api_token is None else "token"
        return f"Railway accepts the {kind}: {len(listed)} deployments, {restorable} of which it can restore"

    async def find(self, target: KnownGood) -> Restorable:
        """Choose the newest deployment of this release whose image Railway still has."""
        listed = {deployment.id: deployment for deployment in await self._list()}
        candidates = [listed[id_] for id_ in target.deployments if id_ in listed and id_ != self._plan.deployment]
        for deployment in sorted(candidates, key=_created, reverse=True):
            if deployment.can_rollback:
                return Restorable(deployment.id, tuple(listed))
        raise PlatformError(f"cannot restore {target.release}: {self._why_not(target, candidates)}")

    async def roll_back(self, target: KnownGood, found: Restorable, bad: str) -> None:  # noqa: ARG002 - see below
        """Ask for the deployment that was found; Railway need not hear which release is bad."""
        done = await self._api.change(_ROLL_BACK, {"id": found.deployment}, _RolledBack)
        if not done.deployment_rollback:
            raise PlatformError(f"Railway has refused to restore the deployment {found.deployment}: it says false")

    async def progress(self, target: KnownGood, found: Restorable) -> Progress:
        """Look for the deployment that is new since. Railway's own times alone are compared: no clock has to agree."""
        listed = await self._list()
        before = [deployment.created_at for deployment in listed if deployment.id in found.known]
        new = [
            deployment
            for deployment in listed
            if deployment.id not in found.known and not (before and deployment.created_at < max(before))
        ]
        if not new:
            return Progress(Restoration.UNHEARD, f"Railway has no new deployment of {target.release}")
        first = min(new, key=_created)
        fate = _FATES.get(first.status, Restoration.PENDING)
        return Progress(fate, f"Railway's new deployment {first.id} is {first.status}")

    async def aclose(self) -> None:
        """Let go of the API."""
        await self._api.aclose()

    async def _list(self) -> list[_Deployment]:
        place = {
            "projectId": self._plan.project,
            "serviceId": self._plan.service,
            "environmentId": self._plan.environment,
        }
        listing = await self._api.read(_LIST, {"input": place, "first": LISTED}, _Listing)
        return [edge.node for edge in listing.deployments.edges]

    def _why_not(self, target: KnownGood, candidates: list[_Deployment]) -> str:
        if not target.deployments:
            return "no deployment of it is known"
        if candidates:
            names = ", ".join(deployment.id for deployment in candidates)
            return f"Railway has no image of it any more (canRollback is false for {names})"
        if self._plan.deployment in target.deployments:
            return f"it is what runs now ({self._plan.deployment})"
        return f"none of its deployments is among the newest {LISTED} of the service"


def _created(deployment: _Deployment) -> datetime:
    return deployment.created_at


def _endpoint(plan: RailwayPlan, timeout: float, user_agent: str) -> Endpoint:
    if plan.api_token is not None:
        credential, secret = ("Authorization", f"Bearer {plan.api_token}"), plan.api_token
    elif plan.project_token is not None:
        credential, secret = ("Project-Access-Token", plan.project_token), plan.project_token
    else:
        raise PlatformError("cannot use Railway's API without a token: set RAILWAY_API_TOKEN or RAILWAY_TOKEN")
    return Endpoint(
        name="Railway",
        url=plan.api_url,
        credential=credential,
        secret=secret,
        user_agent=user_agent,
        timeout=timeout,
    )
