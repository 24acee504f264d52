"""The signature of a webhook, as Standard Webhooks has it: HMAC-SHA256 over id, time and body."""

import hmac
from base64 import b64decode, b64encode

_PREFIX = "whsec_"


def signing_key(secret: str) -> bytes:
    """Take the key out of a secret: base64 after ``whsec_``, or any other text as it stands."""
    return b64decode(secret.removeprefix(_PREFIX)) if secret.startswith(_PREFIX) else secret.encode()


def sign(key: bytes, message_id: str, timestamp: int, body: bytes) -> str:
    """Sign a message; gives the value of the header ``webhook-signature``."""
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return f"v1,{b64encode(hmac.digest(key, signed, 'sha256')).decode()}"
