"""BrightData's API and its proxy on loopback, answering and failing as documented."""

import base64
import json
import ssl
from collections.abc import Mapping

from servers.http import Peer, whole

TOKEN = "b5648e1096c6442f60a6c4bbbe73f8d2"

ZONES = [
    {"name": "unlocker1", "type": "unblocker", "status": "active"},
    {"name": "serp1", "type": "serp", "status": "active"},
    {"name": "old", "type": "dc", "status": "deleted"},
    {"name": "resting", "type": "isp", "status": "disabled"},
]


class FakeBrightData:
    """A script for ``serve``. A test may replace the reply to a path."""

    def __init__(self, replies: Mapping[str, bytes] = {}) -> None:
        self.replies = dict(replies)
        self.targets: list[str] = []
        self.bodies: list[object] = []

    async def __call__(self, peer: Peer) -> None:
        """Answer one connection's requests."""
        while request := await peer.request():
            await peer.say(self._reply(request.decode("latin-1")))

    def _reply(self, request: str) -> bytes:
        method, target, rest = request.split(" ", 2)
        self.targets.append(target)
        if target in self.replies:
            return self.replies[target]
        if f"authorization: bearer {TOKEN}\r\n" not in request.lower():
            return whole(401, b"Invalid credentials", b"Content-Type: text/plain")
        if (method, target) == ("GET", "/zone/get_active_zones"):
            active = [zone for zone in ZONES if zone["status"] == "active"]
            return zones([{"name": zone["name"], "type": zone["type"]} for zone in active])
        if (method, target) == ("GET", "/zone/get_all_zones"):
            return zones(ZONES)
        if (method, target) == ("POST", "/request"):
            self.bodies.append(json.loads(rest.partition("\r\n\r\n")[2]))
            return fetched()
        return whole(404, b"Not found")


class FakeSuperproxy:
    """A script for ``serve``. It reads the traffic, as BrightData's proxy does, and answers in the page's place.

    A test may replace its reply to CONNECT, and the page.
    """

    customer, zone, password = "hl_1a2b3c4d", "unlocker1", "p4ssw0rd"

    def __init__(self, context: ssl.SSLContext, *, connect: bytes = b"", page: bytes = b"") -> None:
        self.connect = connect
        self.page = page or whole(200, b'{"country":"DE"}', b"Content-Type: application/json")
        self._context = context

    async def __call__(self, peer: Peer) -> None:
        """Open one tunnel, and answer one request in it."""
        request = await peer.request()
        reply = self.connect or self._judge(request.decode("latin-1"))
        await peer.say(reply)
        if not reply.startswith(b"HTTP/1.1 200"):
            return
        try:
            await peer.secure(self._context)
        except (OSError, EOFError):
            return  # the client does not like the certificate
        if await peer.request():
            await peer.say(self.page)

    def _judge(self, request: str) -> bytes:
        login = f"brd-customer-{self.customer}-zone-{self.zone}:{self.password}"
        expected = f"proxy-authorization: basic {base64.b64encode(login.encode()).decode()}\r\n"
        if expected.lower() not in request.lower():
            return whole(407, b"", b"x-brd-err-code: client_10000", b"x-brd-err-msg: Invalid credentials")
        return b"HTTP/1.1 200 OK\r\n\r\n"


def fetched(status: int = 200, body: bytes = b"Welcome", *fields: bytes) -> bytes:
    """Write the API's reply to a request for a page: its own status is 200, whatever became of the page."""
    return whole(200, body, b"x-brd-status-code: %d" % status, *fields)


def zones(listed: object) -> bytes:
    """Write a list of zones."""
    return whole(200, json.dumps(listed).encode(), b"Content-Type: application/json")
