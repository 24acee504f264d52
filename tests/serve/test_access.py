"""Who may see details."""

import pytest

from sidecar.serve.access import is_loopback, names_loopback, shows_token

TOKEN = "correct horse"


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST", "localhost:9000", "127.0.0.1", "127.0.0.1:9000", "127.9.9.9:1", "[::1]", "[::1]:9000"],
)
def test_loopback_has_these_names(host):
    """A Host that is written like this names loopback."""
    assert names_loopback(host.encode())


@pytest.mark.parametrize(
    "host",
    [
        "", ":", ":80", "example.com", "localhost.example.com", "127.0.0.1.nip.io", "128.0.0.1", "127.1", "0.0.0.0",
        "::1", "[::2]:80", "localhost:x", "localhost:80:80", "127.0.0.1@example.com", "\x00", "\xff", "2130706433",
    ],
)  # fmt: skip
def test_nothing_else_names_loopback(host):
    """Any other Host, however near, does not name loopback."""
    assert not names_loopback(host.encode("latin-1"))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.255.0.3", "::1", "::ffff:127.0.0.1"])
def test_a_peer_on_loopback_is_known_in_every_notation(address):
    """IPv4, IPv6 and IPv4 written as IPv6 are all loopback."""
    assert is_loopback(address)


@pytest.mark.parametrize("address", ["10.0.0.1", "::ffff:10.0.0.1", "::", "fe80::1", "::ffff:7f00", "100.64.0.2", ""])
def test_a_peer_elsewhere_is_not_loopback(address):
    """No other address is loopback."""
    assert not is_loopback(address)


@pytest.mark.parametrize("field", [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"BEARER  {TOKEN} "])
def test_the_token_is_shown_in_the_scheme_bearer(field):
    """The scheme is compared without case (RFC 9110), the token exactly."""
    assert shows_token(field.encode(), TOKEN)


@pytest.mark.parametrize("field", ["", "Bearer", "Bearer ", TOKEN, f"Basic {TOKEN}", "Bearer correct", "Bearer \xff"])
def test_nothing_else_shows_the_token(field):
    """Any other credential is none."""
    assert not shows_token(field.encode("latin-1"), TOKEN)


@pytest.mark.parametrize("field", [b"", b"Bearer ", b"Bearer None", b"Bearer"])
def test_without_a_token_nobody_has_it(field):
    """When no token is configured, no credential is the right one."""
    assert not shows_token(field, None)


def test_a_token_of_any_letters_can_be_shown():
    """A token that is not ASCII, or no UTF-8 at all, is compared by its bytes."""
    assert shows_token("Bearer sch\u00f6n".encode(), "sch\u00f6n")
    assert shows_token(b"Bearer \xff", "\udcff")
