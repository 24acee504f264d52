"""The ``tls`` kind against real servers on loopback."""

import asyncio
import datetime as dt

import pytest
from servers.http import Certificates, Peer
from servers.looking import look, make_probe

from probes.tls import KIND, Spec
from sidecar.contract import Evidence, GatewayPlan, OnFailure, Outcome, Target

pytestmark = pytest.mark.anyio

DAY = 86400.0


async def hold(peer: Peer) -> None:
    """Keep the connection open until the client leaves."""
    await peer.until_hung_up()


def from_now(days: float) -> dt.datetime:
    """A moment so many days from now."""
    return dt.datetime.now(dt.UTC) + dt.timedelta(days=days)


@pytest.fixture
def probe_of(certificates):
    """Make probes that trust the test's authority."""

    def make(server, **keys):
        given = {"address": f"127.0.0.1:{server.port}", "ca_file": str(certificates.ca_file), **keys}
        return make_probe(KIND, **given)

    return make


async def test_a_good_certificate_passes(serve, certificates, probe_of):
    """Who issued it, until when, and what was agreed on stand in the notes; the parts are timed."""
    server = await serve(hold, context=certificates.expiring(from_now(40)))
    probe = probe_of(server)
    first, second = await look(probe), await look(probe)
    assert first.outcome is Outcome.PASS
    assert first.reason.startswith(
        f"the certificate of 127.0.0.1:{server.port} is valid for another 14 days: found 40.0 days, until 2"
    )
    notes = first.observation.notes
    assert notes["days_left"] == pytest.approx(40, abs=0.01)
    assert (notes["protocol"], notes["not_after"][-1]) == ("TLSv1.3", "Z")
    assert "trustme" in notes["issuer"]
    assert [phase.name for phase in first.observation.phases] == ["setup", "connect", "tls"]
    assert [phase.name for phase in second.observation.phases] == ["connect", "tls"]


@pytest.mark.parametrize(
    ("keys", "outcome"),
    [
        ({}, Outcome.WARN),
        ({"warn_before": 9 * DAY}, Outcome.PASS),
        ({"warn_before": 30 * DAY, "fail_before": 11 * DAY}, Outcome.FAIL),
        ({"verify": False, "ca_file": None}, Outcome.WARN),
    ],
)
async def test_a_certificate_that_expires_in_ten_days(serve, certificates, probe_of, keys, outcome):
    """The two limits decide, with verification and without."""
    server = await serve(hold, context=certificates.expiring(from_now(10)))
    verdict = await look(probe_of(server, **keys))
    assert verdict.outcome is outcome
    assert "10.0 days" in verdict.reason


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Certificates.expired, "it has expired"),
        (Certificates.of_another_name, "it is for another address than 127.0.0.1"),
        (Certificates.of_another_authority, "its issuer is not trusted"),
    ],
)
async def test_a_certificate_that_cannot_be_trusted(serve, certificates, probe_of, kind, reason):
    """It is a misconfiguration, which no restart cures; the notes describe it all the same."""
    server = await serve(hold, context=kind(certificates))
    verdict = await look(probe_of(server))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason == f"the certificate of 127.0.0.1:{server.port} is valid: found {reason}"
    assert {"issuer", "not_after", "days_left"} <= set(verdict.observation.notes)


async def test_an_expired_certificate_fails_even_unverified(serve, certificates, probe_of):
    """The time that is left counts in any case."""
    server = await serve(hold, context=certificates.expired())
    verdict = await look(probe_of(server, verify=False, ca_file=None, warn_before=0.0))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason.endswith("has not expired: found valid until 2020-01-01T00:00:00Z")


async def test_another_name_can_be_expected(serve, certificates, probe_of):
    """The name to ask for may differ from the address that is connected to."""
    server = await serve(hold, context=certificates.of_another_name())
    assert (await look(probe_of(server, server_name="elsewhere.test"))).outcome is Outcome.PASS


async def test_without_a_ca_file_the_systems_authorities_decide(serve, certificates, probe_of):
    """The test's own authority is not among them."""
    server = await serve(hold, context=certificates.good())
    verdict = await look(probe_of(server, ca_file=None))
    assert "its issuer is not trusted" in verdict.reason


async def test_a_ca_file_that_is_missing(serve, certificates, probe_of, tmp_path):
    """It says nothing about the server: unknown."""
    server = await serve(hold, context=certificates.good())
    verdict = await look(probe_of(server, ca_file=str(tmp_path / "no such file.pem")))
    assert (verdict.outcome, verdict.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert "no such file.pem" in verdict.reason


async def test_nobody_listens(free_port):
    """The refusal is evidence that nobody is there."""
    verdict = await look(make_probe(KIND, address=f"127.0.0.1:{free_port}"))
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.REFUSED)


async def test_a_server_that_keeps_silent_is_given_up_at_the_deadline(silent_port, certificates):
    """It accepts, and that is all."""
    probe = make_probe(KIND, address=f"127.0.0.1:{silent_port}", ca_file=str(certificates.ca_file))
    verdict = await look(probe, within=0.3)
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.SILENT)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "completes the TLS handshake: found the connection was closed"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "speaks TLS: found 'HTTP/1.1 400 Bad Request"),
        (b"\x16\x03\x03\x00\x05aaaaa" * 100, "completes the TLS handshake: found "),
    ],
)
async def test_a_server_that_speaks_no_tls(serve, probe_of, said, reason):
    """Garbage and a farewell have each their reason."""

    async def script(peer: Peer) -> None:
        await peer.hear()
        await peer.say(said)

    verdict = await look(probe_of(await serve(script)))
    assert verdict.outcome is Outcome.FAIL
    assert reason in verdict.reason


async def test_a_flood_ends_with_the_first_record(serve, probe_of):
    """Whoever floods instead of shaking hands is left at once."""
    left = asyncio.Event()

    async def script(peer: Peer) -> None:
        try:
            while True:
                await peer.say(b"\x16\x03\x03\x40\x00" + b"x" * 65536)
        finally:
            left.set()

    verdict = await look(probe_of(await serve(script)))
    assert verdict.outcome is Outcome.FAIL
    async with asyncio.timeout(10):
        await left.wait()


async def test_a_server_that_hangs_after_a_refused_certificate(certificates, probe_of):
    """What was found stays the reason, although the second look at the certificate never ends."""
    context, connections = certificates.of_another_authority(), []

    async def accept(_, writer) -> None:
        connections.append(writer)
        if len(connections) == 1:
            await writer.start_tls(context)

    def quiet(loop, details) -> None:
        """The client's refusal breaks the server's handshake, as it should."""

    asyncio.get_running_loop().set_exception_handler(quiet)
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listener:
        server = type("Server", (), {"port": listener.sockets[0].getsockname()[1]})
        verdict = await look(probe_of(server), within=1.0)
        for writer in connections:
            writer.transport.abort()
    assert (verdict.outcome, verdict.evidence) == (Outcome.FAIL, Evidence.MISCONFIGURED)
    assert verdict.reason.endswith("its issuer is not trusted")
    assert len(connections) == 2


async def test_what_a_failure_means_by_default():
    """An upstream degrades; on the gateway's own port it is the gateway that is looked at."""
    spec = Spec(address="example.com:443")
    assert (KIND.on_failure, KIND.target(spec, GatewayPlan())) == (OnFailure.DEGRADE, Target.UPSTREAM)
    assert KIND.target(Spec(), GatewayPlan()) is Target.GATEWAY


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"address": "example.com"}, "host:port"),
        ({"warn_before": 1.0, "fail_before": 2.0}, "never be seen"),
        ({"verify": False, "ca_file": "ca.pem"}, "leave out"),
    ],
)
async def test_settings_that_cannot_be_used(keys, words):
    """They are errors of the configuration."""
    with pytest.raises(ValueError, match=words):
        Spec(**keys)
