"""What comes to light while a configuration is read: problems, secrets, and values that must not be shown."""

from collections.abc import Iterable

from msgspec import Struct

from sidecar.config.lines import Path, line_numbers, nearest_line
from sidecar.config.problem import ConfigError, Problem
from sidecar.config.words import printable, write_path
from sidecar.core.redact import redact

_KEPT_AT_MOST = 100


def worth_redacting(secrets: set[str]) -> frozenset[str]:
    """Leave out secrets of under four characters: to redact them would shred every text, and tell them by the gaps."""
    return frozenset(secret for secret in secrets if len(secret) >= 4)


class _Complaint(Struct, frozen=True):
    path: Path
    found: str
    expected: str
    suggestion: str


class Report:
    """Gathers problems by path; their lines are looked up once, at the end."""

    def __init__(self) -> None:
        self.secrets: set[str] = set()
        """Credentials: never to appear in any output."""
        self.hidden: set[str] = set()
        """What came from the environment: not to appear in an error."""
        self.origins: dict[Path, str] = {}
        """The variables that stand for keys which the file does not have: a problem is laid at their door."""
        self._complaints: list[_Complaint] = []
        self._left_off = 0

    def __bool__(self) -> bool:
        """Whether there is any problem."""
        return bool(self._complaints)

    def add(self, path: Path, found: str, expected: str = "", suggestion: str = "") -> None:
        """Add a problem at a path."""
        if len(self._complaints) < _KEPT_AT_MOST:
            self._complaints.append(_Complaint(path, found, expected, suggestion))
        else:
            self._left_off += 1

    def add_unknown(self, path: Path, what: str, known: Iterable[str], *, name: str | None = None) -> None:
        """Add a problem about a name (the path's last, if not given) that nobody knows, with the nearest known one."""
        kept = len(self._complaints) < _KEPT_AT_MOST
        self.add(
            path, what, suggestion=_suggest(str(path[-1]) if name is None else name, sorted(known)) if kept else ""
        )

    def merge(self, other: "Report") -> None:
        """Take over what came to light in an attempt that went well."""
        self.secrets |= other.secrets
        self.hidden |= other.hidden

    def conceal(self, message: str) -> str:
        """Take out of somebody else's message what must not be shown."""
        return redact(message, worth_redacting(self.secrets | self.hidden))

    def error(self, text: str, source: str) -> ConfigError:
        """Close the report into an error, in the order of the lines; the environment comes last."""
        lines = line_numbers(text, [complaint.path for complaint in self._complaints])
        problems = [self._locate(complaint, lines, source) for complaint in self._complaints]
        problems.sort(key=lambda problem: (problem.source != source, problem.line or 0))
        return ConfigError(tuple(problems), self._left_off)

    def _locate(self, complaint: _Complaint, lines: dict[Path, int], source: str) -> Problem:
        variable = self.origins.get(complaint.path)
        return Problem(
            source="environment" if variable else source,
            line=None if variable else nearest_line(lines, complaint.path),
            key=variable or write_path(complaint.path),
            found=printable(complaint.found),
            expected=printable(complaint.expected),
            suggestion=printable(complaint.suggestion),
        )


def _suggest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches  # noqa: PLC0415 - needed only when something is wrong

    nearest = get_close_matches(name[:100].lower(), known, n=1)
    if nearest:
        return f'did you mean "{nearest[0]}"?'
    return f"known are {', '.join(known)}" if 0 < len(known) <= 10 else ""
