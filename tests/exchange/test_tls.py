"""TLS, good and bad, against real servers."""

import socket
import ssl

import anyio
import anyio.to_thread
import pytest
from servers.http import OK, Certificates, answer, ask, ask_in_vain, whole

from sidecar.contract import Evidence, Outcome, Run
from sidecar.exchange import Tls

pytestmark = pytest.mark.anyio


@pytest.fixture
def trusting(certificates: Certificates) -> Tls:
    """Trust the test's authority."""
    return Tls(ca_file=str(certificates.ca_file))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_good_certificate_is_accepted_and_the_handshake_timed(serve, certificates, trusting, host):
    """Name and address are both found in the certificate; the context is built once, the handshake made each time."""
    server = await serve(answer(OK), context=certificates.good())
    for expected in (["setup", "connect", "tls", "first_byte", "body"], ["connect", "tls", "first_byte", "body"]):
        run = Run()
        assert (await ask(server.url(host=host), run=run, tls=trusting)).body == b"ok"
        assert [phase.name for phase in run.observation(started=0, wall=0, elapsed=0).phases] == expected


async def test_a_large_reply_arrives_whole(serve, certificates, trusting):
    """Many records make one body."""
    body = bytes(range(256)) * 4000
    server = await serve(answer(whole(200, body)), context=certificates.good())
    assert (await ask(server.url(), tls=trusting, body_limit=len(body))).body == body


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Certificates.expired, "it has expired"),
        (Certificates.of_another_name, "it is for another address than 127.0.0.1"),
        (Certificates.of_another_authority, "its issuer is not trusted"),
    ],
)
async def test_a_bad_certificate_is_wrong_in_plain_words(serve, certificates, trusting, kind, reason):
    """A certificate that cannot be trusted is a wrong reply, and the reason says why."""
    server = await serve(answer(OK), context=kind(certificates))
    failure = await ask_in_vain(server.url(), tls=trusting)
    assert (failure.otherwise, failure.evidence) == (Outcome.FAIL, Evidence.WRONG)
    assert str(failure) == f"the certificate of 127.0.0.1:{server.port} is valid: found {reason}"


async def test_without_a_ca_file_the_systems_authorities_decide(serve, certificates):
    """The test's own authority is not among them."""
    server = await serve(answer(OK), context=certificates.good())
    failure = await ask_in_vain(server.url())
    assert "its issuer is not trusted" in str(failure)


async def test_verification_can_be_left_out(serve, certificates):
    """Without verification an expired certificate will do."""
    server = await serve(answer(OK), context=certificates.expired())
    assert (await ask(server.url(), tls=Tls(verify=False))).status == 200


async def test_another_name_can_be_expected(serve, certificates):
    """The name to send and to find may differ from the host that is connected to."""
    server = await serve(answer(OK), context=certificates.of_another_name())
    tls = Tls(ca_file=str(certificates.ca_file), server_name="elsewhere.test")
    assert (await ask(server.url(), tls=tls)).status == 200


async def test_a_client_certificate_is_shown_when_asked_for(serve, certificates, tmp_path):
    """A server that wants a certificate gets the configured one."""
    server = await serve(answer(OK), context=certificates.that_asks_for_a_certificate())
    cert_file, key_file = certificates.client_files(tmp_path)
    tls = Tls(ca_file=str(certificates.ca_file), cert_file=str(cert_file), key_file=str(key_file))
    assert (await ask(server.url(), tls=tls)).status == 200


async def test_a_client_certificate_that_is_missing_is_told(certificates, trusting):
    """The server's alert, which with TLS 1.3 comes after the handshake, is a wrong reply with its reason."""

    def refuse() -> None:
        with listener.accept()[0] as sock, pytest.raises(ssl.SSLError):
            certificates.that_asks_for_a_certificate().wrap_socket(sock, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with anyio.create_task_group() as group:
            group.start_soon(anyio.to_thread.run_sync, refuse)
            failure = await ask_in_vain(f"https://127.0.0.1:{listener.getsockname()[1]}/", tls=trusting)
    assert failure.evidence is Evidence.WRONG
    assert "certificate required" in str(failure)


async def test_a_plain_server_asked_for_tls_is_told_apart(serve, trusting):
    """Plain HTTP on a port that should speak TLS is a wrong reply, and the reason says what to write."""
    server = await serve(lambda peer: peer.say(whole(400, b"")))
    failure = await ask_in_vain(server.url().replace("http:", "https:"), tls=trusting)
    assert failure.evidence is Evidence.WRONG
    assert "speaks TLS: found 'HTTP/1.1 400" in str(failure)
    assert "write http://" in str(failure)


async def test_a_server_that_closes_in_the_handshake_is_silent(serve, trusting):
    """Closing instead of a handshake is evidence of silence."""

    async def close(_peer) -> None:
        pass

    server = await serve(close)
    failure = await ask_in_vain(server.url().replace("http:", "https:"), tls=trusting)
    assert failure.evidence is Evidence.SILENT


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_an_unusable_ca_file_is_the_observers_failure(serve, certificates, tmp_path, content):
    """A missing or broken file proves nothing about the target; it is named, and read again once it is mended."""
    ca_file = tmp_path / "my ca.pem"
    if content is not None:
        ca_file.write_text(content)
    server = await serve(answer(OK), context=certificates.good())
    tls = Tls(ca_file=str(ca_file))
    failure = await ask_in_vain(server.url(), tls=tls)
    assert (failure.otherwise, failure.evidence) == (Outcome.UNKNOWN, Evidence.OBSERVER)
    assert str(ca_file) in str(failure)
    ca_file.write_bytes(certificates.ca_file.read_bytes())
    assert (await ask(server.url(), tls=tls)).status == 200
