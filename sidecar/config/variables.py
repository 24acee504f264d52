"""``${VAR}`` and ``${VAR:-default}`` in the strings of a configuration.

``$${`` stands for a literal ``${``; any other ``$`` stands for itself, so that a pattern such as ``"^ok$"`` needs no
escape. As in a shell, the default is used when the variable is unset or empty. A default holds no further variable.
What comes from the environment is taken as it is: a ``${`` in it means nothing.
"""

import re
from collections.abc import Mapping
from typing import Any

from sidecar.config.expanded import Expanded
from sidecar.config.lines import Path
from sidecar.config.report import Report

INVALID = object()
"""Stands for a value about which a problem has been told."""

_DEPTH_AT_MOST = 32
_REFERENCE = re.compile(r"(?P<literal>\$\$\{)|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|\$\{")


def expand(value: Any, path: Path, environ: Mapping[str, str], report: Report) -> Any:
    """Replace the variables in every string of a value: an ``Expanded`` where there was any, else the value itself."""
    if isinstance(value, str):
        return _expand_text(value, path, environ, report) if "${" in value else value
    if isinstance(value, (dict, list)) and len(path) >= _DEPTH_AT_MOST:
        report.add(path, f"tables and lists are nested more than {_DEPTH_AT_MOST} deep")
        return INVALID
    if isinstance(value, dict):
        return {key: expand(item, (*path, key), environ, report) for key, item in value.items()}
    if isinstance(value, list):
        return [expand(item, (*path, index), environ, report) for index, item in enumerate(value)]
    return value


def plain(value: Any) -> Any:
    """Take expanded strings as ordinary ones, for a key that accepts any value."""
    if isinstance(value, Expanded):
        return value.text
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def _expand_text(text: str, path: Path, environ: Mapping[str, str], report: Report) -> Any:
    parts: list[str] = []
    variables: list[str] = []
    sound, end = True, 0
    for match in _REFERENCE.finditer(text):
        parts.append(text[end : match.start()])
        end = match.end()
        name, default = match["name"], match["default"]
        if match["literal"]:
            parts.append("${")
        elif name is None or "${" in (default or ""):
            report.add(
                path, 'a "${" that begins no ${VAR} or ${VAR:-default}', suggestion='write "$${" for a plain "${"'
            )
            sound = False
        elif environ.get(name) or (default is None and name in environ):
            parts.append(environ[name])
            variables.append(name)
        elif default is not None:
            parts.append(default)
        else:
            report.add(
                path, f"variable {name} is not set", suggestion=f'set it, or give a default: "${{{name}:-VALUE}}"'
            )
            sound = False
    parts.append(text[end:])
    return Expanded("".join(parts), tuple(dict.fromkeys(variables))) if sound else INVALID
