"""A receiver of webhooks on real HTTP: it keeps what it gets, and answers as the test says."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager

from servers.http import Peer, serving, whole


class Delivery:
    """One request, as it came."""

    def __init__(self, request):
        head, _, self.body = request.partition(b"\r\n\r\n")
        line, *fields = head.decode().split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}

    @property
    def event(self):
        """The CloudEvent in the body."""
        return json.loads(self.body)


Answer = bytes | Callable[[Peer], Awaitable[None]]


class Receiver:
    """Answers each request with the next of ``answers``, and with 204 when there is none left."""

    def __init__(self, answers):
        self.answers = list(answers)
        self.deliveries = asyncio.Queue()
        self.server = None

    def url(self, target="/hook"):
        """Where it is."""
        return self.server.url(target)

    async def next(self):
        """Wait for the next request."""
        async with asyncio.timeout(20):
            return await self.deliveries.get()

    async def next_events(self, count):
        """Wait for so many requests, and name what they tell."""
        return [(await self.next()).event["data"]["event"] for _ in range(count)]

    async def script(self, peer):
        """Take requests until the client hangs up."""
        while request := await peer.request():
            answer = self.answers.pop(0) if self.answers else whole(204)
            self.deliveries.put_nowait(Delivery(request))
            if isinstance(answer, bytes):
                await peer.say(answer)
            else:
                await answer(peer)
                return


@asynccontextmanager
async def receiving(*answers, **options):
    """Run a receiver that gives these answers first."""
    receiver = Receiver(answers)
    async with serving(receiver.script, **options) as receiver.server:
        yield receiver
