"""The ``tcp`` kind against real servers on loopback."""

import asyncio

import pytest
from servers.http import Peer
from servers.looking import look, make_probe

from probes.tcp import KIND, Spec
from sidecar.contract import Evidence, GatewayPlan, Outcome, Target

pytestmark = pytest.mark.anyio


def saying(*pieces: bytes, after: bytes = b""):
    """Wait until ``after`` has been said, answer in pieces, and keep the connection open."""

    async def script(peer: Peer) -> None:
        heard = b""
        while not heard.endswith(after):
            heard += await peer.hear()
        await peer.say(*pieces)
        await peer.until_hung_up()

    return script


def place(server) -> str:
    """Where a server listens."""
    return f"127.0.0.1:{server.port}"


def phases(verdict) -> list[str]:
    """The timed parts, in order."""
    return [phase.name for phase in verdict.observation.phases]


async def test_a_port_that_somebody_listens_on_passes(serve):
    """Without a pattern it is enough to connect."""
    server = await serve(saying())
    verdict = await look(make_probe(KIND, address=place(server)))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, f"a connection to {place(server)} is accepted")
    assert phases(verdict) == ["connect"]


async def test_a_port_that_nobody_listens_on_fails(free_port):
    """The refusal is evidence that nobody is there."""
    verdict = await look(make_probe(KIND, address=f"127.0.0.1:{free_port}"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)
    assert verdict.reason == f"a connection to 127.0.0.1:{free_port} is accepted: found connection refused"


async def test_a_name_is_looked_up(serve):
    """``localhost`` needs no resolver; both of its addresses are tried."""
    server = await serve(saying())
    assert (await look(make_probe(KIND, address=f"localhost:{server.port}"))).outcome is Outcome.PASS


async def test_ipv6(serve):
    """An IPv6 address stands in brackets."""
    server = await serve(saying(), host="::1")
    assert (await look(make_probe(KIND, address=f"[::1]:{server.port}"))).outcome is Outcome.PASS


async def test_a_greeting_is_held_against_the_pattern(serve):
    """It may come in pieces; the reason shows what was found."""
    server = await serve(saying(b"220 mail.exa", b"mple ESMTP\r\n"))
    verdict = await look(make_probe(KIND, address=place(server), expect=r"^220 .* ESMTP"))
    found = 'reply matches "^220 .* ESMTP": found 220 mail.example ESMTP'
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, found)
    assert phases(verdict) == ["connect", "first_byte"]


async def test_an_answer_is_waited_for(serve):
    """What is configured is sent first."""
    server = await serve(saying(b"+PONG\r\n", after=b"PING\r\n"))
    verdict = await look(make_probe(KIND, address=place(server), send="PING\r\n", expect=r"^\+PONG"))
    assert verdict.outcome is Outcome.PASS


async def test_a_wrong_answer_fails_as_soon_as_it_ends(serve):
    """The reason shows what came instead."""

    async def script(peer: Peer) -> None:
        await peer.say(b"421 too busy\r\n")

    server = await serve(script)
    verdict = await look(make_probe(KIND, address=place(server), expect="^220 "))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert (
        verdict.reason == 'reply matches "^220 ": found 421 too busy\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}'
    )


async def test_an_answer_that_does_not_match_in_time_is_shown(serve):
    """Whoever has begun to speak is not silent, and what came stands in the notes."""
    server = await serve(saying(b"421 too busy"))
    verdict = await look(make_probe(KIND, address=place(server), expect="^220 "), within=0.2)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason == "replies within 0.2 s: found nothing after first_byte"
    assert verdict.observation.notes["received"] == "421 too busy"


async def test_a_server_that_keeps_silent_is_given_up_at_the_deadline(silent_port):
    """The kernel accepts for a process that hangs; only an answer proves that it lives."""
    address = f"127.0.0.1:{silent_port}"
    assert (await look(make_probe(KIND, address=address))).outcome is Outcome.PASS
    verdict = await look(make_probe(KIND, address=address, expect="."), within=0.2)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)


async def test_a_server_that_accepts_and_closes_fails(serve):
    """Without a word it is silent."""

    async def script(peer: Peer) -> None:
        """Leave at once."""

    server = await serve(script)
    verdict = await look(make_probe(KIND, address=place(server), send="PING\r\n", expect="."))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)


async def test_a_flood_is_read_no_further_than_needed(serve):
    """The first 4 KiB decide, and the connection is closed without reading on."""
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        try:
            while True:
                await peer.say(b"x" * 65536)
        finally:
            seen.set()

    server = await serve(script)
    verdict = await look(make_probe(KIND, address=place(server), expect="y"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert len(verdict.reason) < 200
    async with asyncio.timeout(10):
        await seen.wait()


async def test_garbage_is_shown_safely(serve):
    """Bytes that are no text do no harm to whoever reads the reason."""
    server = await serve(saying(b"\x00\x1b[2J\xff" * 1500))
    verdict = await look(make_probe(KIND, address=place(server), expect="^SSH-"))
    assert verdict.outcome is Outcome.FAIL
    assert verdict.reason.isprintable()


async def test_an_echo_does_not_tell_what_was_sent(serve):
    """It may have been a credential."""
    server = await serve(saying(b"-ERR unknown command 'AUTH', with args: 'hunter2'\r\n" * 100, after=b"\n"))
    verdict = await look(make_probe(KIND, address=place(server), send="AUTH hunter2\r\n", expect="^\\+OK"))
    assert verdict.outcome is Outcome.FAIL
    assert "hunter2" not in repr(verdict)


@pytest.mark.parametrize(
    ("keys", "target"),
    [
        ({}, Target.GATEWAY),
        ({"port": 8000}, Target.GATEWAY),
        ({"port": 8001}, Target.UPSTREAM),
        ({"address": "localhost:8000"}, Target.GATEWAY),
        ({"address": "[::1]:8000"}, Target.GATEWAY),
        ({"address": "10.1.2.3:8000"}, Target.UPSTREAM),
    ],
)
async def test_whom_it_looks_at(keys, target):
    """Whoever connects to the gateway's port on this host looks at the gateway."""
    assert KIND.target(Spec(**keys), GatewayPlan(port=8000)) is target


async def test_a_port_is_one_on_the_gateways_host(serve):
    """With a port alone, the host is the gateway's; with nothing, the port as well."""
    server = await serve(saying())
    gateway = GatewayPlan(host="127.0.0.1", port=server.port)
    assert (await look(make_probe(KIND, gateway=gateway))).outcome is Outcome.PASS
    gateway = GatewayPlan(host="127.0.0.1", port=1)
    assert (await look(make_probe(KIND, gateway=gateway, port=server.port))).outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"address": "cache"}, "host:port"),
        ({"address": "cache:0"}, "1 to 65535"),
        ({"address": "cache:66000"}, "1 to 65535"),
        ({"address": "::1:80"}, "IPv6"),
        ({"address": "redis://u:hidden@h:1"}, "host:port"),
        ({"address": "h:1", "port": 1}, "both"),
        ({"send": "hidden"}, "without expect"),
        ({"expect": "("}, "no regular expression"),
    ],
)
async def test_settings_that_cannot_be_used(keys, words):
    """They are errors of the configuration, which repeat no value that may be a credential."""
    with pytest.raises(ValueError, match=words) as caught:
        Spec(**keys)
    assert "hidden" not in str(caught.value)
