"""The probe: one connection that is kept, and all questions in one round trip."""

from collections.abc import Iterator

from msgspec.structs import replace
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import MovedError

from probes.redis.link import Link
from probes.redis.places import first_to_answer
from probes.redis.question import Question
from probes.redis.questions import Evictions, Memory, Ping, RoundTrip
from probes.redis.refusals import TROUBLES, explain
from probes.redis.replication import Cluster, Replication
from probes.redis.sentinel import Sentinels
from probes.redis.spec import Spec, connection_to, connection_to_sentinels
from probes.redis.url import Place, Servers, read_url
from sidecar.contract import Kind, Probe, Run, Setting
from sidecar.resp import Command, Reply
from sidecar.tripwire import Tripwire


class RedisProbe(Probe[Spec]):
    """Keeps one connection to a server, and finds its way to one again when it is lost."""

    def __init__(self, spec: Spec, setting: Setting) -> None:
        super().__init__(spec, setting)
        servers = read_url(spec.url)
        self._link = Link(connection_to(servers, spec))
        self._nodes = list(servers.places) if servers.is_cluster else []
        self._sentinels = None
        if servers.service is not None:
            link = Link(connection_to_sentinels(servers, spec))
            self._sentinels = Sentinels(link, servers.places, servers.service, setting.timeout)
        self._questions = tuple(_questions(spec, servers, setting.timeout))
        self._tripwire = Tripwire(setting.look_again) if spec.tripwire else None
        self._phase = "ping" if len(self._questions) == 1 else "replies"

    async def observe(self, run: Run) -> None:
        """Ask everything at once, then judge one reply after the other."""
        if self._tripwire is not None:
            self._tripwire.disarm()
        question = self._questions[0]
        asked = [(question, question.commands()) for question in self._questions]
        is_right = False
        try:
            replies = iter(await self._look(run, [command for _, commands in asked for command in commands]))
            answers: list[bool] = []
            for question, commands in asked:
                answers.append(question.judge(run, [next(replies) for _ in commands]))
            is_right = all(answers)
        except TROUBLES as error:
            raise explain(error, self._link, question.rule, question.needs) or error from None
        finally:
            if not is_right:
                await self._leave()
        if self._tripwire is not None and self._link.is_open:
            self._tripwire.arm(self._link.descriptor)

    async def aclose(self) -> None:
        """Close the connection."""
        if self._tripwire is not None:
            self._tripwire.disarm()
        await self._link.cut()

    async def _look(self, run: Run, commands: list[Command]) -> list[Reply]:
        replies = await self._ask_kept(commands)
        if replies is None:
            replies = await self._ask_afresh(run, commands)
        moved = next((reply for reply in replies if isinstance(reply, MovedError)), None)
        if self._nodes and moved is not None:
            await self._link.cut()
            place = moved.host.strip("?") or self._link.host, moved.port
            replies = await self._ask_at(run, commands, place)
        run.phase(self._phase)
        return replies

    async def _ask_kept(self, commands: list[Command]) -> list[Reply] | None:
        """Ask over the kept connection; None if there is none, or none any more.

        Servers close connections that are idle, and all of them when they restart: a fresh one decides.
        """
        if not self._link.is_open:
            return None
        try:
            return await self._link.ask(commands)
        except (RedisConnectionError, OSError):
            return None

    async def _ask_afresh(self, run: Run, commands: list[Command]) -> list[Reply]:
        """Find the way to a server, connect and ask."""
        if self._sentinels is not None:
            return await self._ask_at(run, commands, await self._sentinels.master(run))
        if self._nodes:
            within = self.setting.timeout
            return await first_to_answer("nodes", self._nodes, within, lambda place: self._ask_at(run, commands, place))
        return await self._ask_at(run, commands)

    async def _ask_at(self, run: Run, commands: list[Command], place: Place | None = None) -> list[Reply]:
        for question in self._questions:
            question.reset()
        try:
            await self._link.open(place)
            run.phase("connect")
            return await self._link.ask(commands)
        except TROUBLES as error:
            ping = self._questions[0]
            raise explain(error, self._link, ping.rule, ping.needs) or error from None

    async def _leave(self) -> None:
        """Go to another server the next time: a node that is cut off from its cluster sees nothing of it."""
        await self._link.cut()
        if self._nodes:
            self._nodes.append(self._nodes.pop(0))


def _questions(spec: Spec, servers: Servers, timeout: float) -> Iterator[Question]:
    """Say what is asked. An error among the replies ends the judging: what matters most comes first."""
    yield Ping()
    if servers.is_cluster:
        yield Cluster()
    role = spec.role if servers.service is None else "master"
    if role is not None or spec.lag is not None or spec.lag_bytes is not None:
        yield Replication(role, spec.lag, spec.lag_bytes)
    if spec.roundtrip:
        yield RoundTrip(spec.key_prefix, timeout)
    if spec.memory is not None:
        yield Memory(spec.memory)
    if spec.evictions:
        yield Evictions()


KIND = Kind("redis", Spec, RedisProbe, harmless=lambda spec: replace(spec, roundtrip=False))
