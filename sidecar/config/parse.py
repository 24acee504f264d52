"""From text to TOML values, for any text whatever, quickly."""

import re
from typing import TYPE_CHECKING, Any

from sidecar.config.problem import ConfigError, Problem
from sidecar.config.words import printable

if TYPE_CHECKING:
    from tomli import TOMLDecodeError

TEXT_AT_MOST = 1 << 20
"""Characters of a configuration that is still read."""

_DEEP_KEY = re.compile(r"""(?m)(?:^|[\[{,])[ \t]*(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){32}""")
"""A key of so many parts means nothing here, and the parser would take seconds for a file full of them."""

_UNQUOTED = r"=\s*(?:[0-9][0-9.]*\s*[A-Za-z]+|\$|(?!true\b|false\b|inf\b|nan\b)[A-Za-z/])"


def parse(text: str, source: str) -> dict[str, Any]:
    """Parse TOML 1.1; raises ConfigError with line and column when it is none, or is too large."""
    if not text:
        return {}
    import tomli  # noqa: PLC0415 - 0.4 MB that the embedded default does without

    if len(text) > TEXT_AT_MOST:
        found, expected = f"{len(text)} characters", f"at most {TEXT_AT_MOST}"
        raise ConfigError((Problem(source=source, found=found, expected=expected),))
    if deep := _DEEP_KEY.search(text):
        line = text.count("\n", 0, deep.start()) + 1
        raise ConfigError((Problem(source=source, line=line, found="a key of more than 32 parts"),))
    try:
        return tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise ConfigError((_explain(error, text, source),)) from None
    except (ValueError, RecursionError):
        # An integer of thousands of digits, or thousands of brackets: the parser does not say where.
        found = "not valid TOML: a number is too long, or tables and lists are nested too deeply"
        raise ConfigError((Problem(source=source, found=found),)) from None


def _explain(error: "TOMLDecodeError", text: str, source: str) -> Problem:
    rows = text.replace("\r\n", "\n").split("\n")
    suggestion = ""
    if error.msg == "Cannot overwrite a value":
        suggestion = "a key is given only once"
    elif re.search(_UNQUOTED, rows[min(error.lineno, len(rows)) - 1]):
        suggestion = 'text is written in quotes, as in interval = "5s"'
    return Problem(
        source=source,
        line=error.lineno,
        column=error.colno,
        found=printable(f"not valid TOML: {error.msg[:1].lower()}{error.msg[1:]}"),
        suggestion=suggestion,
    )
