"""Certificates are read as another implementation wrote them."""

import datetime as dt

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st

from sidecar.exchange.certificate import read_certificate

KEY = ec.generate_private_key(ec.SECP256R1())


def issue(names: list[tuple[x509.ObjectIdentifier, str]], begin: dt.datetime, end: dt.datetime) -> bytes:
    """Write a certificate in DER."""
    issuer = x509.Name([x509.NameAttribute(kind, value) for kind, value in names])
    builder = x509.CertificateBuilder().subject_name(x509.Name([])).issuer_name(issuer).public_key(KEY.public_key())
    dated = builder.serial_number(7).not_valid_before(begin).not_valid_after(end)
    return dated.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


moments = st.integers(-631152000, 253402300799).map(lambda moment: dt.datetime.fromtimestamp(moment, dt.UTC))
names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), min_size=1, max_size=16)


@given(organisation=names, name=names, ends=st.tuples(moments, moments).map(sorted))
def test_issuer_and_validity(organisation, name, ends):
    """Names of every alphabet, and times of every century that a certificate can hold."""
    begin, end = ends
    given_names = [
        (NameOID.COUNTRY_NAME, "NZ"), (NameOID.ORGANIZATION_NAME, organisation), (NameOID.COMMON_NAME, name),
    ]  # fmt: skip
    found = read_certificate(issue(given_names, begin, end))
    assert found.issuer == f"{organisation}, {name}"
    assert (found.not_before, found.not_after) == (begin.timestamp(), end.timestamp())


def test_an_issuer_without_a_name():
    """It is empty, and no error."""
    moment = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert read_certificate(issue([], moment, moment)).issuer == ""


@given(st.binary(max_size=200))
def test_what_is_no_certificate(data):
    """Whatever it is, the error is a ValueError."""
    with pytest.raises(ValueError):  # noqa: PT011 - the words depend on where it breaks off
        read_certificate(data)


GOOD = issue([], dt.datetime(2026, 1, 1, tzinfo=dt.UTC), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))


@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_a_certificate_with_a_wrong_byte(at, byte):
    """It is read, or it is a ValueError."""
    damaged = GOOD[:at] + bytes([byte]) + GOOD[at + 1 :]
    try:
        read_certificate(damaged)
    except ValueError:
        return
