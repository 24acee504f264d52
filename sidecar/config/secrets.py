"""Credentials inside values: what must never appear in any output."""

_SCHEMES = ("bearer ", "basic ", "token ", "apikey ")
_TELLING = ("token", "key", "password", "passwd", "pwd", "secret", "auth", "signature", "sig")


def secrets_in(text: str, *, secret: bool = False) -> set[str]:
    """Gather the credentials in a text: those of a URL, as written and percent-decoded.

    ``secret``: the text as a whole is one too, as is what follows the scheme of an ``Authorization`` header.
    """
    found = _in_url(text) if "://" in text else set()
    if secret:
        found.add(text)
        if text.lower().startswith(_SCHEMES):
            found.add(text.partition(" ")[2].strip())
    return {credential for raw in found for credential in (raw, _decode(raw)) if credential}


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    from urllib.parse import unquote  # noqa: PLC0415 - 0.7 MB that few configurations need

    return unquote(text)


def _in_url(url: str) -> set[str]:
    scheme, _, rest = url.partition("://")
    place, _, query = rest.partition("#")[0].partition("?")
    found = {
        value
        for name, _, value in (parameter.partition("=") for parameter in query.split("&"))
        if name.lower().endswith(_TELLING)
    }
    # In a database's URL a password may hold an unescaped slash; in a web address an "@" may stand in the path.
    is_web = scheme.lower() in {"http", "https"}
    user, _, _ = (place.partition("/")[0] if is_web else place).rpartition("@")
    name, colon, password = user.partition(":")
    if colon or is_web:
        found.add(password if colon else name)  # on the web a name alone is a token, as in https://TOKEN@host
    return found
