"""What errors of the network prove, however deep a client library has wrapped them."""

import asyncio
import errno
import socket
import ssl

import pytest

from sidecar.contract import Evidence, Outcome
from sidecar.unreached import unreached


def wrapped(error):
    """Wrap an error as libraries do: explicitly, and again by what was raised while it was handled."""
    explicit = RuntimeError("wrapped")
    explicit.__cause__ = error
    outermost = ValueError("wrapped again")
    outermost.__context__ = explicit
    return outermost


@pytest.mark.parametrize("wrap", [lambda error: error, wrapped])
@pytest.mark.parametrize(
    ("error", "outcome", "evidence", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), Outcome.FAIL, Evidence.REFUSED, "connection refused"),
        (
            OSError("Multiple exceptions: [Errno 99] a, [Errno 111] b"),
            Outcome.FAIL,
            Evidence.REFUSED,
            "connection refused",
        ),
        (FileNotFoundError(errno.ENOENT, ""), Outcome.FAIL, Evidence.REFUSED, "no such file or directory"),
        (ConnectionResetError(errno.ECONNRESET, ""), Outcome.FAIL, Evidence.SILENT, "connection reset by peer"),
        (PermissionError(errno.EACCES, ""), Outcome.FAIL, Evidence.MISCONFIGURED, "permission denied"),
        (OSError(errno.ENETUNREACH, ""), Outcome.UNKNOWN, Evidence.OBSERVER, "network is unreachable"),
        (OSError(errno.EMFILE, ""), Outcome.UNKNOWN, Evidence.OBSERVER, "too many open files"),
        (socket.gaierror(socket.EAI_NONAME, "Not known"), Outcome.FAIL, Evidence.MISCONFIGURED, "not known"),
        (socket.gaierror(socket.EAI_AGAIN, "Try again"), Outcome.UNKNOWN, Evidence.OBSERVER, "try again"),
        (ssl.SSLError(1, "x"), Outcome.FAIL, Evidence.WRONG, "an error without a name"),
    ],
)
def test_an_error_is_explained(error, wrap, outcome, evidence, reason):
    """A refusal is not a silence, and what is wrong on this side proves nothing about the other."""
    failure = unreached(wrap(error), "host:1")
    assert (failure.otherwise, failure.evidence, failure.observed) == (outcome, evidence, reason)
    assert "host:1" in failure.rule


@pytest.mark.parametrize("error", [ValueError("x"), asyncio.IncompleteReadError(b"", 1), OSError("no number")])
def test_other_errors_are_not(error):
    """Nothing is made up about errors that are not the network's."""
    assert unreached(error, "host:1") is None


def test_a_hidden_cause_stays_hidden():
    """``raise ... from None`` says that what came before does not matter."""
    error = ValueError("x")
    error.__context__ = ConnectionRefusedError(errno.ECONNREFUSED, "")
    error.__suppress_context__ = True
    assert unreached(error, "host:1") is None


def test_errors_in_a_ring():
    """A chain without end is not followed for ever."""
    error = ValueError("x")
    error.__cause__ = other = ValueError("y")
    other.__cause__ = error
    assert unreached(error, "host:1") is None
