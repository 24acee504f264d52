"""URLs, taken apart and refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sidecar.exchange import Address, parse_url


@pytest.mark.parametrize(
    ("url", "address", "authority"),
    [
        ("http://host", Address("http", "host", 80, "/"), "host"),
        ("HTTP://Host:80/", Address("http", "host", 80, "/"), "host"),
        ("https://host:8443/a/b?c=d&e#f", Address("https", "host", 8443, "/a/b?c=d&e"), "host:8443"),
        ("https://host?q", Address("https", "host", 443, "/?q"), "host"),
        ("http://[::1]:8000/x", Address("http", "::1", 8000, "/x"), "[::1]:8000"),
        ("http://my_service.railway.internal/", Address("http", "my_service.railway.internal", 80, "/"),
         "my_service.railway.internal"),
    ],
)  # fmt: skip
def test_a_url_is_taken_apart(url, address, authority):
    """Scheme, host, port with its default, and target are found; the fragment is dropped."""
    assert parse_url(url) == address
    assert address.authority == authority


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("", "neither http:// nor https://"),
        ("host/path", "neither http:// nor https://"),
        ("ftp://host/", "neither http:// nor https://"),
        ("http://", "no host"),
        ("http://:80/", "no host"),
        ("http:///path", "no host"),
        ("http://host:port/", "no host"),
        ("http://host:99999/", "1 to 65535"),
        ("http://host:0/", "1 to 65535"),
        ("http://user:secret@host/", "credentials"),
        ("http://token@host/", "credentials"),
        ("http://host/a b", "space or a control character"),
        ("http://host/\r\nX: y", "space or a control character"),
        ("http://host/\N{LATIN SMALL LETTER E WITH ACUTE}", "outside ASCII"),
        ("http://[::1/", "no host"),
        ("http://[]/", "no host"),
        ("http://[fe80::1%25eth0]/", "no IPv6 address"),
        ("http://[abcd]/", "no IPv6 address"),
        ("http://ho$t/", "no host"),
        ("http://host/" + "x" * 9000, "at most 8192"),
    ],
)
def test_what_is_no_usable_url_is_refused_with_a_reason(url, word):
    """The reason says what is wrong."""
    with pytest.raises(ValueError, match=word):
        parse_url(url)


@given(st.text(max_size=40), st.sampled_from(["", "http://", "https://host/", "http://[", "http://a@"]))
def test_any_text_is_an_address_or_a_value_error(text, beginning):
    """Nothing but ``ValueError`` is raised, and what is accepted can stand in a request."""
    try:
        address = parse_url(beginning + text)
    except ValueError:
        return
    assert 0 < address.port < 65536
    assert address.host
    assert address.target.startswith(("/", "?"))
    assert all("!" <= character <= "~" for character in address.target + address.authority)


def test_a_refusal_does_not_repeat_a_secret():
    """The URL's query and credentials stay out of the reason."""
    for url in ("http://me:hunter2@host/?token=hunter2", "ftp://host/?token=hunter2", "http://host/ ?token=hunter2"):
        with pytest.raises(ValueError, match="URL") as raised:
            parse_url(url)
        assert "hunter2" not in str(raised.value)
