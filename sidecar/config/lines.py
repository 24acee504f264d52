"""On which line a key stands.

The parser gives no line numbers, so the text is skimmed once more, only when there is a problem to report. The text
is valid TOML by then: the skimmer tells keys, strings, brackets and line ends apart, and checks nothing. It runs in
one pass and keeps nothing but the lines it was asked for, so a hostile file costs little.
"""

import re
from collections.abc import Iterable, Iterator

Path = tuple[str | int, ...]
"""Keys and list indexes, from the outside in."""

_TOKENS = r"""(?xs)
      (?P<string> \"{3} .*? (?<!\\)(?:\\\\)* \"{3,5}
                | '{3} .*? '{3,5}
                | " .*? (?<!\\)(?:\\\\)* "
                | ' .*? ' )
    | (?P<comment> \#[^\n]* )
    | (?P<newline> \n )
    | (?P<mark> [\[\]{},=] )
    | (?P<bare> [^\s\[\]{},=.\#"']+ )
    """
"""Compiled by its first use: only an error needs it."""


def line_numbers(text: str, paths: Iterable[Path]) -> dict[Path, int]:
    """Find the line on which each of these paths, or the table around it, begins."""
    wanted = {path[:length] for path in paths for length in range(1, len(path) + 1)}
    skimmer = _Skimmer(wanted)
    for mark, token, line in _tokens(text):
        skimmer.take(mark, token, line)
    return skimmer.lines


def nearest_line(lines: dict[Path, int], path: Path) -> int | None:
    """Take the line of a path, or of the nearest table around it that has one."""
    return next((lines[path[:length]] for length in range(len(path), 0, -1) if path[:length] in lines), None)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """Give each mark (``""`` for a word), its text and its line."""
    line = 1
    for match in re.finditer(_TOKENS, text):
        token = match[0]
        if match.lastgroup != "comment":
            yield ("" if match.lastgroup in {"string", "bare"} else token), token, line
        if match.lastgroup in {"string", "newline"}:
            line += token.count("\n")
    yield "\n", "", line


class _Skimmer:
    """Where in the document the reading is: the table, the open brackets, and whether a key or a value comes."""

    def __init__(self, wanted: set[Path]) -> None:
        self.lines: dict[Path, int] = {}
        self._wanted = wanted
        self._table: Path = ()
        self._arrays: dict[Path, int] = {}
        """The last index of each array of tables."""
        self._open: list[tuple[str, Path]] = []
        self._path: Path = ()
        """The key whose value is being read, or the element of an array."""
        self._key: list[str] = []
        self._key_line = 0
        self._header = 0
        """How many brackets opened the header that is being read."""
        self._in_value = False

    def take(self, mark: str, token: str, line: int) -> None:
        """Read one token."""
        if self._in_value:
            self._take_in_value(mark, line)
        else:
            self._take_in_key(mark, token, line)

    def _take_in_key(self, mark: str, token: str, line: int) -> None:
        if mark == "":
            if not self._key:
                self._key_line = line
            self._key.append(_decode(token))
        elif mark == "=":
            base = self._open[-1][1] if self._open else self._table
            self._path = (*base, *self._key)
            self._note(self._path, self._key_line)
            self._key, self._in_value = [], True
        elif mark == "}":
            self._close()
        elif mark == "[":
            self._header += 1
        elif mark == "\n" and self._header:
            self._end_header()

    def _take_in_value(self, mark: str, line: int) -> None:
        if mark == "\n":
            self._in_value = bool(self._open)
        elif mark in {"]", "}"}:
            self._close()
        elif mark == ",":
            bracket, path = self._open[-1]
            self._in_value = bracket == "["
            if self._in_value:
                index = self._path[-1]
                self._path = (*path, index + 1 if isinstance(index, int) else 0)
        else:
            self._note(self._path, line)
            if mark == "[":
                self._open.append(("[", self._path))
                self._path = (*self._path, 0)
            elif mark == "{":
                self._open.append(("{", self._path))
                self._in_value = False

    def _close(self) -> None:
        _, self._path = self._open.pop()
        self._in_value = True

    def _end_header(self) -> None:
        path: Path = ()
        for position, part in enumerate(self._key, 1):
            path = (*path, part)
            if self._header > 1 and position == len(self._key):
                self._arrays[path] = self._arrays.get(path, -1) + 1
            if path in self._arrays:
                path = (*path, self._arrays[path])
        self._note(path, self._key_line)
        self._table, self._key, self._header = path, [], 0

    def _note(self, path: Path, line: int) -> None:
        for length in range(1, len(path) + 1):
            if path[:length] not in self._wanted:
                return
            self.lines.setdefault(path[:length], line)


def _decode(key: str) -> str:
    if key[0] not in "\"'":
        return key
    if "\\" not in key:
        return key[1:-1]
    import tomli  # noqa: PLC0415 - loaded already by whoever has parsed the text

    return str(tomli.loads(f"key = {key}")["key"])
