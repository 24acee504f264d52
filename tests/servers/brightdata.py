"""BrightData's account endpoints on loopback, answering and failing as documented."""

import json
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

    async def __call__(self, peer: Peer) -> None:
        """Answer one connection's requests."""
        while request := await peer.request():
            await peer.say(self._reply(request.decode("latin-1")))

    def _reply(self, request: str) -> bytes:
        method, target, _ = request.split(" ", 2)
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
        return whole(404, b"Not found")


def zones(listed: object) -> bytes:
    """Write a list of zones."""
    return whole(200, json.dumps(listed).encode(), b"Content-Type: application/json")
