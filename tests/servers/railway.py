"""Railway on loopback: its GraphQL API over real HTTP, a service's deployments, and everything that can go wrong.

Queries are parsed, checked and carried out by a real implementation of GraphQL against the published signatures. The
server runs in a thread of its own, so that a test may wait for processes meanwhile.
"""

import json
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from graphql import GraphQLError, build_schema, graphql_sync

from sidecar.core.rules import RailwayPlan

API_TOKEN = "3f2b9c1e-token-of-an-account"
PROJECT_TOKEN = "77aa-token-of-a-project"
PROJECT, ENVIRONMENT, SERVICE = "project-1", "environment-1", "service-1"

SCHEMA = build_schema("""
  scalar DateTime
  scalar DeploymentMeta
  enum DeploymentStatus {
    BUILDING CRASHED DEPLOYING FAILED INITIALIZING NEEDS_APPROVAL QUEUED
    REMOVED REMOVING SKIPPED SLEEPING SUCCESS WAITING
    MIGRATING_TO_ANOTHER_PLANET  # what nobody knows yet
  }
  input DeploymentStatusInput { in: [DeploymentStatus!] notIn: [DeploymentStatus!] }
  input DeploymentListInput {
    projectId: String serviceId: String environmentId: String includeDeleted: Boolean status: DeploymentStatusInput
  }
  type Deployment {
    id: ID!
    createdAt: DateTime!
    status: DeploymentStatus!
    statusUpdatedAt: DateTime
    canRollback: Boolean!
    canRedeploy: Boolean!
    meta: DeploymentMeta
  }
  type QueryDeploymentsConnectionEdge { cursor: String! node: Deployment! }
  type QueryDeploymentsConnection { edges: [QueryDeploymentsConnectionEdge!]! }
  type Query {
    deployments(input: DeploymentListInput!, after: String, before: String, first: Int, last: Int):
      QueryDeploymentsConnection!
  }
  type Mutation {
    deploymentRollback(id: String!): Boolean!
    deploymentRestart(id: String!): Boolean!
    deploymentRemove(id: String!): Boolean!
    deploymentStop(id: String!): Boolean!
    deploymentCancel(id: String!): Boolean!
    deploymentRedeploy(id: String!, usePreviousImageTag: Boolean): Deployment!
    serviceInstanceDeployV2(commitSha: String, environmentId: String!, serviceId: String!): String!
  }
""")

RUNNING = ("SUCCESS", "CRASHED", "SLEEPING")


@dataclass(kw_only=True)
class Deployment:
    """One deployment of the service."""

    id: str
    release: str
    created_at: datetime
    status: str = "SUCCESS"
    status_updated_at: datetime
    image_kept: bool = True
    ran: bool = False
    """It has been up: only then can it be restored."""
    becomes: deque[str] = field(default_factory=deque)
    """The statuses it takes on, one with each listing."""


@dataclass(frozen=True)
class Received:
    """One request, as it came in."""

    headers: dict[str, str]
    query: str
    variables: dict[str, Any]

    @property
    def changes(self) -> bool:
        """It asks for a rollback."""
        return "deploymentRollback" in self.query


Fault = Callable[["Exchange"], None]
"""What goes wrong with one request. It answers in the server's place, or does not."""


class Railway:
    """One service in one environment, and the API to it."""

    def __init__(self) -> None:
        self.deployments: list[Deployment] = []
        """The newest last."""
        self.received: list[Received] = []
        self.faults: deque[Fault] = deque()
        """For the next requests, in their order."""
        self.change_faults: deque[Fault] = deque()
        """For the next rollbacks that are asked for."""
        self.rollback_becomes: tuple[str, ...] = ("BUILDING", "DEPLOYING", "SUCCESS")
        """What a rollback's deployment goes through."""
        self.refuses = False
        """A rollback is answered with false."""
        self.on_rollback: Callable[[Deployment, Deployment], None] = lambda *_: None
        """Called in the server's thread with the new deployment and the one whose image it is."""
        self.released = threading.Event()
        """Set at the end, so that no request hangs any longer."""
        self.port = 0
        self._clock = datetime(2026, 11, 1, tzinfo=UTC)
        self._lock = threading.RLock()

    @property
    def url(self) -> str:
        """Where the API is."""
        return f"http://127.0.0.1:{self.port}/graphql/v2"

    @property
    def rollbacks(self) -> list[Received]:
        """The rollbacks that were asked for."""
        return [request for request in self.received if request.changes]

    def plan(self, **changes: Any) -> RailwayPlan:
        """How a sidecar of this service is configured."""
        usual = {
            "api_url": self.url,
            "api_token": API_TOKEN,
            "project": PROJECT,
            "environment": ENVIRONMENT,
            "service": SERVICE,
        }
        return RailwayPlan(**(usual | changes))

    def deploy(self, release: str, status: str = "SUCCESS") -> Deployment:
        """Deploy a release. Once it is up it takes the place of the one before."""
        with self._lock:
            now = self._tick()
            deployment = Deployment(
                id=f"d-{len(self.deployments) + 1}", release=release, created_at=now, status_updated_at=now
            )
            self.deployments.append(deployment)
            self.move(deployment, status)
            return deployment

    def move(self, deployment: Deployment, status: str) -> None:
        """Give a deployment another status."""
        with self._lock:
            deployment.status, deployment.status_updated_at = status, self._tick()
            if status == "SUCCESS":
                deployment.ran = True
                for other in self.deployments:
                    if other is not deployment and other.status in RUNNING:
                        other.status, other.status_updated_at = "REMOVED", self._tick()

    def roll_back(self, id_: str) -> bool:
        """Make a new deployment of an old one's image."""
        with self._lock:
            restored = next((one for one in self.deployments if one.id == id_), None)
            if restored is None:
                raise GraphQLError("Deployment not found")
            if not _can_roll_back(restored):
                raise GraphQLError("Deployment cannot be rolled back to")
            if self.refuses:
                return False
            first, *later = self.rollback_becomes
            new = self.deploy(restored.release, first)
            new.becomes = deque(later)
        self.on_rollback(new, restored)
        return True

    def listed(self, place: dict[str, Any], first: int | None) -> list[Deployment]:
        """List the newest deployments; those on their way are then one status further."""
        if (place.get("projectId"), place.get("serviceId"), place.get("environmentId")) != (
            PROJECT,
            SERVICE,
            ENVIRONMENT,
        ):
            raise GraphQLError("Not Authorized")
        with self._lock:
            for deployment in self.deployments:
                if deployment.becomes:
                    self.move(deployment, deployment.becomes.popleft())
            return self.deployments[::-1][:first]

    def answer(self, request: Received) -> tuple[int, dict[str, Any]]:
        """Carry a query out, as the API does."""
        if not request.headers.get("user-agent"):
            return 403, {"errors": [{"message": "error code: 1010"}]}
        bearer = request.headers.get("authorization") == f"Bearer {API_TOKEN}"
        if not bearer and request.headers.get("project-access-token") != PROJECT_TOKEN:
            return 200, {"errors": [{"message": "Not Authorized"}], "data": None}
        result = graphql_sync(SCHEMA, request.query, _Root(self), variable_values=request.variables)
        answered: dict[str, Any] = {}
        if result.errors:
            answered["errors"] = [error.formatted for error in result.errors]
        if result.data is not None or not result.errors or result.errors[0].path:
            answered["data"] = result.data
        return (200 if "data" in answered else 400), answered

    def _tick(self) -> datetime:
        self._clock += timedelta(milliseconds=7)
        return self._clock


class _Root:
    """The root of every query."""

    def __init__(self, railway: Railway) -> None:
        self._railway = railway

    def deployments(self, _: object, input: dict[str, Any], first: int | None = None) -> dict[str, Any]:  # noqa: A002
        """Answer the query of this name."""
        return {"edges": [{"cursor": one.id, "node": _shown(one)} for one in self._railway.listed(input, first)]}

    def deploymentRollback(self, _: object, id: str) -> bool:  # noqa: A002, N802
        """Answer the mutation of this name."""
        return self._railway.roll_back(id)


def _can_roll_back(deployment: Deployment) -> bool:
    return deployment.ran and deployment.image_kept


def _shown(deployment: Deployment) -> dict[str, Any]:
    return {
        "id": deployment.id,
        "createdAt": _time(deployment.created_at),
        "status": deployment.status,
        "statusUpdatedAt": _time(deployment.status_updated_at),
        "canRollback": _can_roll_back(deployment),
        "canRedeploy": True,
        "meta": {"commitMessage": deployment.release, "repo": "acme/gateway"},
    }


def _time(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Exchange(BaseHTTPRequestHandler):
    """One connection, as the server's side of it."""

    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        """Take one request in, and answer it, unless something goes wrong."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.request_ = Received(headers, body["query"], body.get("variables") or {})
        railway = self.server.railway
        railway.received.append(self.request_)
        faults = railway.change_faults if self.request_.changes and railway.change_faults else railway.faults
        (faults.popleft() if faults else carry_out)(self)

    def carry_out(self) -> tuple[int, bytes]:
        """Do what is asked for; give the answer's status and body."""
        status, answer = self.server.railway.answer(self.request_)
        return status, json.dumps(answer).encode()

    def say(self, status: int, body: bytes, **headers: str) -> None:
        """Send a whole answer. Every one tells how many requests are left."""
        self.send_response(status)
        limits = {"X-RateLimit-Limit": "1000", "X-RateLimit-Remaining": "900", "X-RateLimit-Reset": "1790000000"}
        for name, value in (limits | {name.replace("_", "-"): value for name, value in headers.items()}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Reset the connection."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def hang(self) -> None:
        """Say nothing until the test is over."""
        self.server.railway.released.wait()
        self.close_connection = True

    def finish(self) -> None:
        """End the connection, however it stands."""
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


def carry_out(exchange: Exchange) -> None:
    """Nothing goes wrong."""
    exchange.say(*exchange.carry_out())


def errors(message: str) -> Fault:
    """HTTP 200 with errors."""
    body = json.dumps({"errors": [{"message": message, "path": ["x"]}], "data": None}).encode()
    return lambda exchange: exchange.say(200, body)


def status(code: int, body: bytes = b"<html>", **headers: str) -> Fault:
    """Another status than 200."""
    return lambda exchange: exchange.say(code, body, **headers)


def rate_limited(retry_after: str | None = None) -> Fault:
    """Too many requests."""
    headers = {} if retry_after is None else {"Retry_After": retry_after}
    return status(429, b'{"data": null}', X_RateLimit_Remaining="0", **headers)


def cut(exchange: Exchange) -> None:
    """The connection is cut before anything is done."""
    exchange.cut()


def cut_when_done(exchange: Exchange) -> None:
    """What was asked for is done, and the connection cut."""
    exchange.carry_out()
    exchange.cut()


def hang(exchange: Exchange) -> None:
    """No answer comes, and nothing is done."""
    exchange.hang()


def hang_when_done(exchange: Exchange) -> None:
    """What was asked for is done, and no answer comes."""
    exchange.carry_out()
    exchange.hang()


def half_an_answer(exchange: Exchange) -> None:
    """What was asked for is done, and the answer breaks off."""
    _, body = exchange.carry_out()
    exchange.send_response(200)
    exchange.send_header("Content-Length", str(len(body)))
    exchange.end_headers()
    exchange.wfile.write(body[: len(body) // 2])
    exchange.close_connection = True


def bad_gateway_when_done(exchange: Exchange) -> None:
    """What was asked for is done, and somebody on the way says 502."""
    exchange.carry_out()
    exchange.say(502, b"<html>Bad Gateway</html>")


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, railway: Railway) -> None:
        super().__init__(("127.0.0.1", 0), Exchange)
        self.railway = railway

    def handle_error(self, request: object, address: object) -> None:
        """Say nothing of a client that has left."""


@contextmanager
def serving() -> Iterator[Railway]:
    """Serve the API for as long as the block lasts, for a service that has no deployment yet."""
    railway = Railway()
    server = _Server(railway)
    railway.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield railway
    finally:
        railway.released.set()
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def railway() -> Iterator[Railway]:
    """Railway, with a service that has no deployment yet."""
    with serving() as railway:
        yield railway
