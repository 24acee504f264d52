"""Secrets stay in."""

from hypothesis import given
from hypothesis import strategies as st

from sidecar.core.redact import redact

MARK = "[redacted]"


def test_secret_is_replaced_everywhere() -> None:
    """Every occurrence goes, and the rest stays."""
    assert redact("a hunter2, a hunter2!", frozenset({"hunter2"})) == f"a {MARK}, a {MARK}!"


def test_longest_secret_goes_first() -> None:
    """A secret that contains another leaves no remainder of itself."""
    assert redact("redis://:word@host", frozenset({"word", "redis://:word@host"})) == MARK


def test_secret_that_is_a_word_of_the_mark_does_no_harm() -> None:
    """The mark itself is not searched."""
    assert redact("a secret, redacted", frozenset({"secret", "redacted"})) == f"a {MARK}, {MARK}"


def test_empty_secret_is_ignored() -> None:
    """An empty string is in every text and no secret."""
    assert redact("text", frozenset({""})) == "text"


SECRETS = st.frozensets(st.text(alphabet="XYZ", min_size=1, max_size=4), max_size=5)


@given(st.text(alphabet="XYZ ab", max_size=40), SECRETS)
def test_no_secret_survives(text: str, secrets: frozenset[str]) -> None:
    """Whatever the text and the secrets, none of them is left; what is no secret is left as it was."""
    result = redact(text, secrets)
    assert not any(secret in result for secret in secrets)
    if not any(secret in text for secret in secrets):
        assert result == text
