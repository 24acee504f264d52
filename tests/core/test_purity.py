"""The core's imports are an allowlist."""

import ast
import sys
from pathlib import Path

import pytest

import sidecar.core

ALLOWED = {
    "bisect",
    "collections",
    "contextlib",
    "enum",
    "functools",
    "heapq",
    "itertools",
    "math",
    "msgspec",
    "operator",
    "sidecar",
    "typing",
}
FILES = sorted(Path(sidecar.core.__file__).parent.rglob("*.py"))


def imported(path):
    """Every module that a file imports, by its full name."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_core_imports_nothing_that_could_act(path):
    """No I/O, clock, randomness or logging can be reached from the core, and nothing of the floors above."""
    for module in imported(path):
        assert module.partition(".")[0] in ALLOWED, f"{path.name} imports {module}"
        if module.startswith("sidecar"):
            assert f"{module}.".startswith("sidecar.core."), f"{path.name} imports {module}"


def test_the_allowlist_is_of_the_standard_library_and_msgspec():
    """Nobody has slipped a package in."""
    assert ALLOWED - {"msgspec", "sidecar"} <= sys.stdlib_module_names
