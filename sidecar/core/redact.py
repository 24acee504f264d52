"""Secrets stay in."""

_MARK = "[redacted]"


def redact(text: str, secrets: frozenset[str]) -> str:
    """Replace every secret in a text, the longest first, so that none survives as part of another."""
    present = [secret for secret in secrets if secret and secret in text]
    return _redact(text, sorted(present, key=lambda secret: (-len(secret), secret)))


def _redact(text: str, secrets: list[str]) -> str:
    # The pieces between two marks are searched apart, so that a secret which is a word of the mark does no harm.
    for position, secret in enumerate(secrets):
        if secret in text:
            return _MARK.join(_redact(piece, secrets[position + 1 :]) for piece in text.split(secret))
    return text
