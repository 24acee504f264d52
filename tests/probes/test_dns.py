"""The ``dns`` kind against real servers on loopback, and the system's own resolver."""

import socket
import threading

import dns.message
import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.dns import answer, by_datagram
from servers.looking import look, make_probe

from probes.dns import KIND, wire
from probes.dns.probe import Spec, explain
from sidecar.contract import Evidence, GatewayPlan, OnFailure, Outcome, Target

pytestmark = pytest.mark.anyio


def probe_of(server, name="app.test", **keys):
    """Make a probe that asks this server."""
    return make_probe(KIND, name=name, server=f"127.0.0.1:{server.port}", **keys)


@pytest.mark.parametrize(
    ("name", "kind", "answers"),
    [
        ("app.test", "A", "192.0.2.1, 192.0.2.2"),
        ("APP.test.", "A", "192.0.2.1, 192.0.2.2"),
        ("app.test", "AAAA", "2001:db8::1"),
        ("www.test", "A", "192.0.2.1"),
        ("www.test", "CNAME", "app.test"),
        ("app.test", "TXT", "v=spf1 -all"),
    ],
)
async def test_records_of_every_kind(serve_dns, name, kind, answers):
    """Each is found, shown, and timed; what is passed on the way to them is left out."""
    verdict = await look(probe_of(await serve_dns(), name, type=kind))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, f"{name} has {kind} records: found {answers}")
    assert verdict.observation.notes == {"answers": answers, "ttl_seconds": 60}
    assert [phase.name for phase in verdict.observation.phases] == ["udp"]


async def test_what_does_not_fit_is_asked_for_by_tcp(serve_dns):
    """A truncated answer is none; the connection gives the whole."""
    server = await serve_dns()
    verdict = await look(probe_of(server, "large.test", type="TXT", expect_all=(f"089 {'x' * 100}",)))
    assert verdict.outcome is Outcome.PASS
    assert server.asked == ["udp", "tcp"]
    assert [phase.name for phase in verdict.observation.phases] == ["udp", "connect", "tcp"]


@pytest.mark.parametrize(
    ("keys", "outcome"),
    [
        ({"expect_any": ("192.0.2.2", "192.0.2.9")}, Outcome.PASS),
        ({"expect_any": ("192.0.2.9",)}, Outcome.FAIL),
        ({"expect_all": ("192.0.2.2", "192.0.2.1")}, Outcome.PASS),
        ({"expect_all": ("192.0.2.2", "192.0.2.9")}, Outcome.FAIL),
        ({"type": "AAAA", "expect_all": ("2001:DB8:0::0001",)}, Outcome.PASS),
        ({"name": "www.test", "type": "CNAME", "expect_any": ("App.Test.",)}, Outcome.PASS),
    ],
)
async def test_answers_are_held_against_the_expected_ones(serve_dns, keys, outcome):
    """Any or all of them; equal addresses and names may be written in different ways."""
    verdict = await look(probe_of(await serve_dns(), **{"name": "app.test", **keys}))
    assert verdict.outcome is outcome
    assert verdict.evidence is (Evidence.WRONG if outcome is Outcome.FAIL else None)


async def test_a_name_that_does_not_exist(serve_dns):
    """Either the name is misspelt, or somebody has taken it away: nothing that a restart would cure."""
    server = await serve_dns()
    verdict = await look(probe_of(server, "nowhere.test"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason == f"nowhere.test is resolved by 127.0.0.1:{server.port}: found NXDOMAIN"


async def test_a_name_without_such_a_record(serve_dns):
    """The name exists, but has nothing of the kind."""
    verdict = await look(probe_of(await serve_dns(), "www.test", type="AAAA"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason == "www.test has AAAA records: found none, set `name` or `type`"


@pytest.mark.parametrize(
    ("rcode", "evidence"),
    [
        (dns.rcode.SERVFAIL, Evidence.WRONG),
        (dns.rcode.REFUSED, Evidence.MISCONFIGURED),
        (dns.rcode.BADVERS, Evidence.WRONG),
        (dns.rcode.NOTAUTH, Evidence.WRONG),
    ],
)
async def test_a_server_that_refuses_or_fails(serve_dns, rcode, evidence):
    """The code is told."""

    def reply(question):
        response = dns.message.make_response(question)
        response.set_rcode(rcode & 0xF or dns.rcode.FORMERR)
        return [response.to_wire()]

    verdict = await look(probe_of(await serve_dns(reply)))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, evidence)


async def test_a_refusal_that_does_not_repeat_the_question(serve_dns):
    """Some servers send back a bare header."""

    def reply(question):
        return [question.id.to_bytes(2, "big") + b"\x80\x05" + bytes(8)]

    verdict = await look(probe_of(await serve_dns(reply)))
    assert verdict.reason.endswith("found REFUSED")


async def test_a_lost_datagram_is_sent_again(serve_dns):
    """The first question stays without an answer, the second does not."""
    server = await serve_dns(lambda question: by_datagram(question) if len(server.asked) > 1 else [])
    assert (await look(probe_of(server))).outcome is Outcome.PASS
    assert server.asked == ["udp", "udp"]


async def test_a_server_that_never_answers(serve_dns):
    """It is silent, and given up at the deadline."""
    verdict = await look(probe_of(await serve_dns(lambda _: [])), within=0.2)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)


async def test_nobody_listens(free_port):
    """The kernel says so at once, even of UDP."""
    verdict = await look(make_probe(KIND, name="app.test", server=f"127.0.0.1:{free_port}"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)


async def test_answers_to_another_question_are_passed_over(serve_dns):
    """A late answer, a forged one, and one about another name do not deceive; the right one after them counts."""

    def reply(question):
        (right,) = by_datagram(question)
        other = dns.message.make_query("other.test", "A", id=question.id)
        forged = bytes([right[0] ^ 1]) + right[1:]
        return [forged, answer(other).to_wire(), question.to_wire(), b"", b"\0" * 11, right]

    verdict = await look(probe_of(await serve_dns(reply)))
    assert (verdict.outcome, verdict.observation.notes["answers"]) == (Outcome.PASS, "192.0.2.1, 192.0.2.2")


async def test_a_flood_of_datagrams_ends_the_look(serve_dns):
    """Whoever answers everything but the question is no DNS server."""
    verdict = await look(probe_of(await serve_dns(lambda _: [b"x" * 100] * 150)))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "100 datagrams" in verdict.reason


async def test_an_answer_that_breaks_off(serve_dns):
    """It is the right answer to the right question, and malformed."""
    server = await serve_dns(lambda question: [by_datagram(question)[0][:-3]])
    verdict = await look(probe_of(server))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert "answers in the form of DNS" in verdict.reason


async def test_a_tcp_answer_that_breaks_off(serve_dns):
    """The connection is closed before the announced length is reached."""
    server = await serve_dns(stream=b"\xff\xffabc")
    verdict = await look(probe_of(server, "large.test", type="TXT"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert verdict.reason.endswith("found the connection was closed within the answer")


async def test_the_systems_resolver():
    """It knows ``localhost``."""
    verdict = await look(make_probe(KIND, name="localhost", expect_any=("127.0.0.1",)))
    assert (verdict.outcome, verdict.reason) == (Outcome.PASS, "localhost has one of 127.0.0.1: found 127.0.0.1")
    assert [phase.name for phase in verdict.observation.phases] == ["dns"]


@pytest.mark.parametrize(
    ("number", "outcome", "evidence"),
    [
        (socket.EAI_NONAME, Outcome.FAIL, Evidence.MISCONFIGURED),
        (socket.EAI_NODATA, Outcome.FAIL, Evidence.MISCONFIGURED),
        (socket.EAI_AGAIN, Outcome.FAIL, Evidence.SILENT),
        (socket.EAI_MEMORY, Outcome.UNKNOWN, Evidence.OBSERVER),
    ],
)
async def test_what_the_systems_resolver_can_say(number, outcome, evidence):
    """No such name is a misconfiguration, no answer is silence, and an accident on this side proves nothing."""
    failure = explain(socket.gaierror(number, "words"), "a name is resolved")
    assert (failure.otherwise, failure.evidence) == (outcome, evidence)


async def test_a_resolver_that_hangs_is_asked_once(monkeypatch):
    """However many looks give up, one lookup is under way, so that no other probe wants for a thread."""
    release, asked = threading.Event(), []
    genuine = socket.getaddrinfo

    def hang(*arguments, **options):
        asked.append(arguments)
        release.wait()
        return genuine(*arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)  # the system's resolver cannot be made to hang from here
    probe = make_probe(KIND, name="localhost")
    try:
        for _ in range(3):
            verdict = await look(probe, within=0.05)
            assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)
    finally:
        release.set()
    assert (await look(probe)).outcome is Outcome.PASS
    assert len(asked) == 1
    assert (await look(probe)).outcome is Outcome.PASS
    assert len(asked) == 2
    await probe.aclose()


async def test_what_a_failure_means_by_default():
    """A name is an upstream's, and its loss degrades."""
    spec = Spec(name="app.test")
    assert (KIND.on_failure, KIND.target(spec, GatewayPlan())) == (OnFailure.DEGRADE, Target.UPSTREAM)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"name": "a..b"}, "1 to 63"),
        ({"name": "."}, "1 to 63"),
        ({"name": "x" * 64}, "1 to 63"),
        ({"name": "müller.test"}, "ASCII"),
        ({"name": "a." * 127 + "b"}, "253 in all"),
        ({"type": "TXT"}, "set server"),
        ({"server": "ns.test"}, "not a name"),
        ({"server": "10.0.0.2:0"}, "1 to 65535"),
        ({"expect_any": ("2001:db8::1",)}, "no such address"),
        ({"expect_all": ("app.test",)}, "no such address"),
    ],
)
async def test_settings_that_cannot_be_used(keys, words):
    """They are errors of the configuration."""
    with pytest.raises(ValueError, match=words):
        Spec(**{"name": "app.test", **keys})


@pytest.mark.parametrize("server", ["127.0.0.1", "127.0.0.1:53", "::1", "[::1]", "[::1]:5353"])
async def test_forms_of_a_server(server):
    """The port may be left out, and the brackets with it."""
    assert Spec(name="app.test", server=server).server == server


QUESTION = wire.write_question(4711, "app.test", "A")
ANSWER = answer(dns.message.from_wire(QUESTION)).to_wire()


def test_a_question_is_what_another_implementation_reads():
    """Name, kind and the wish for recursion arrive."""
    message = dns.message.from_wire(QUESTION)
    assert (message.id, str(message.question[0])) == (4711, "app.test. IN A")
    assert message.flags == dns.flags.RD


@given(st.binary(max_size=600))
def test_any_bytes(data):
    """Garbage is no answer, or a malformed one; it never hangs nor breaks."""
    for message in (data, ANSWER[:12] + data, ANSWER[: len(QUESTION)] + data):
        try:
            wire.read_answer(message, QUESTION)
        except ValueError:
            continue


@given(st.lists(st.tuples(st.integers(0, len(ANSWER) - 1), st.integers(0, 255)), max_size=4))
def test_an_answer_with_wrong_bytes(changes):
    """It is read, passed over, or malformed."""
    message = bytearray(ANSWER)
    for at, byte in changes:
        message[at] = byte
    try:
        wire.read_answer(bytes(message), QUESTION)
    except ValueError:
        return


@pytest.mark.parametrize("name", [b"\xc0\x1a", b"\xc0\x1c", b"\xff\xff", b"\x01a\xc0\x1a", b"\x3fa", b"\x40a"])
def test_names_that_lead_in_circles(name):
    """A pointer to itself, forward, in a circle, and labels past the end: each is malformed."""
    header = QUESTION[:2] + b"\x81\x80\x00\x01\x00\x01\x00\x00\x00\x00"
    with pytest.raises(ValueError, match=r"pointer|too long|breaks off"):
        wire.read_answer(header + QUESTION[12:] + name, QUESTION)
