"""What is wrong with a configuration, worded for the person who mends it."""

from msgspec import Struct

from sidecar.core.errors import SidecarError


class Problem(Struct, frozen=True, kw_only=True):
    """One thing to mend, and where. No field ever holds a secret."""

    source: str
    """The file's name, or ``environment``."""
    line: int | None = None
    column: int | None = None
    key: str = ""
    """The dotted path of the key, or the name of the environment variable."""
    found: str
    """What stands there; or, when nothing was expected in its place, what is wrong."""
    expected: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        """Write ``file:line: key: found X, expected Y; suggestion`` on one line."""
        place = ":".join(str(part) for part in (self.source, self.line, self.column) if part is not None)
        what = f"found {self.found}, expected {self.expected}" if self.expected else self.found
        text = ": ".join(part for part in (place, self.key, what) if part)
        return f"{text}; {self.suggestion}" if self.suggestion else text


class ConfigError(SidecarError):
    """The configuration cannot be used. Holds every problem; prints one on each line."""

    def __init__(self, problems: tuple[Problem, ...], left_off: int = 0) -> None:
        lines = [str(problem) for problem in problems]
        if left_off:
            lines.append(f"{problems[0].source}: and {left_off} more")
        super().__init__("\n".join(lines))
        self.problems = problems
        self.left_off = left_off
        """How many further problems were found and not kept."""
