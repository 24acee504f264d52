"""Reports to heartbeat probes, made to the health port."""

from collections.abc import Iterable
from contextlib import asynccontextmanager

import pytest
from serve.client import connected, exchange, read_reply, request
from serve.situations import ready

from sidecar.core.plan import ServerPlan
from sidecar.serve.listener import listen
from sidecar.serve.routes import NOT_TAKEN, Beat, Refusal, decide

pytestmark = pytest.mark.anyio

PATH = "/heartbeat/nightly"
BEARER = "Authorization: Bearer right"


@asynccontextmanager
async def taking(taken: list[tuple[str, bytes]]) -> Iterable[int]:
    """Serve, and take the reports that show the credential ``right``."""

    def beat(name: str, credential: bytes) -> bool:
        taken.append((name, credential))
        return credential == b"right"

    async with listen(ServerPlan(host="127.0.0.1"), ready().board, beat=beat, port=0) as listening:
        yield listening.port


@pytest.mark.parametrize(
    ("fields", "credential"),
    [
        ([BEARER], b"right"),
        (["authorization: bearer  right "], b"right"),
        (["Authorization: Basic right"], b""),
        ([BEARER, BEARER], b""),
        ([], b""),
    ],
)
async def test_a_report_names_its_probe_and_shows_a_credential(fields, credential):
    """The bearer token, and nothing else, is the credential."""
    assert decide(request(f"{PATH}?from=cron", *fields, method="POST"), "a token") == Beat("nightly", credential, True)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
async def test_nothing_but_post_is_a_report(method):
    """The refusal says what is expected."""
    decision = decide(request(PATH, BEARER, method=method), None)
    assert isinstance(decision, Refusal)
    assert (decision.status, decision.reason) == (404, NOT_TAKEN)


async def test_a_report_is_taken_and_the_connection_goes_on():
    """The answer is an empty 200, each time; nothing is remembered in place of the probe's own word."""
    taken = []
    async with taking(taken) as port, connected(port) as (reader, writer):
        for _ in range(3):
            writer.write(request(PATH, BEARER, "Content-Length: 0", method="POST"))
            reply = await read_reply(reader)
            assert (reply.status, reply.body) == (200, b"")
        writer.write(request())
        assert (await read_reply(reader)).status == 200
    assert taken == [("nightly", b"right")] * 3


async def test_a_refused_report_looks_the_same_whatever_is_wrong():
    """No such probe, a wrong token, none at all: nobody can tell them apart."""
    async with taking([]) as port:
        replies = [
            await exchange(port, request(path, *fields, "Connection: close", method="POST"))
            for path in (PATH, "/heartbeat/", "/heartbeat/%00", "/heartbeat/a/b")
            for fields in ([], ["Authorization: Bearer wrong"], ["Authorization: Basic right"])
        ]
    assert len(set(replies)) == 1
    assert replies[0].startswith(b"HTTP/1.1 404 Not Found\r\n")


@pytest.mark.parametrize("body", [b"x" * 10, b"x" * 60_000])
@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_is_thrown_away(body, chunked):
    """The report is taken on its head alone, and the connection ends: what follows cannot pass for a request."""
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    wire = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else body
    taken = []
    async with taking(taken) as port:
        received = await exchange(port, request(PATH, BEARER, framing, method="POST") + wire + request(PATH))
    assert received.count(b"HTTP/1.1") == 1
    assert received.startswith(b"HTTP/1.1 200 OK\r\n")
    assert taken == [("nightly", b"right")]


async def test_nobody_takes_reports_unless_told_to():
    """A health port on its own refuses every report."""
    async with listen(ServerPlan(host="127.0.0.1"), ready().board, port=0) as listening:
        received = await exchange(listening.port, request(PATH, BEARER, "Connection: close", method="POST"))
    assert received.startswith(b"HTTP/1.1 404")
