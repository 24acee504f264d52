"""The signature of Standard Webhooks."""

import pytest

from sidecar.sinks.signature import sign, signing_key

# Signed by the Python library of the standard itself.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw"
MESSAGE, AT, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
SIGNATURE = "v1,q6KMVIJHk4Gs770FfR5f591Ftx7uVJSGl5wHV1ri978="


def test_the_signature_is_that_of_the_specification():
    """Whoever verifies webhooks by this standard can verify ours."""
    assert sign(signing_key(SECRET), MESSAGE, AT, BODY) == SIGNATURE


@pytest.mark.parametrize(
    ("secret", "key"),
    [("whsec_MDEyMzQ1Njc4OWFiY2RlZg==", b"0123456789abcdef"), ("a secret of words", b"a secret of words")],
)
def test_a_secret_is_a_key_or_a_text(secret, key):
    """After ``whsec_`` stands the key in base64; any other text is the key itself."""
    assert signing_key(secret) == key


@pytest.mark.parametrize("changed", [{"message_id": "msg_other"}, {"timestamp": AT + 1}, {"body": BODY + b" "}])
def test_the_signature_covers_id_time_and_body(changed):
    """None of them can be changed unnoticed."""
    parts = {"message_id": MESSAGE, "timestamp": AT, "body": BODY, **changed}
    assert sign(signing_key(SECRET), **parts) != SIGNATURE
