"""Any text whatever is a plan or a ConfigError, quickly."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sidecar.config import ConfigError
from sidecar.core.plan import Plan

Load = Callable[..., Plan]

SHIPPED = (Path(__file__).parents[2] / "conf" / "sidecar.toml").read_text()
PIECES = ["[", "]", "{", "}", '"', "'", '"""', "=", ".", ",", "\n", "#", "${", "}", "\\", "9", "-", "s", "\x00", "é"]

relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


def _attempt(plan_of: Load, text: str) -> None:
    try:
        plan_of(text, {"A": "1"})
    except ConfigError as error:
        assert all(str(problem).isprintable() for problem in error.problems)


@relaxed
@given(st.text())
@example("a=" + "{a=" * 300)
@example("\ufeff")
@example('[probes."\\uFFFF"]')
def test_any_text_is_a_plan_or_an_error(plan_of: Load, text: str) -> None:
    """Nothing but ConfigError is raised, and its lines are printable."""
    _attempt(plan_of, text)


@relaxed
@given(st.lists(st.sampled_from([*PIECES, "probes", "gateway", "server", "port", "a", "1", " = "]), max_size=40))
def test_any_resemblance_of_toml_is_a_plan_or_an_error(plan_of: Load, pieces: list[str]) -> None:
    """Text made of TOML's own pieces reaches further in, and fares no worse."""
    _attempt(plan_of, "".join(pieces))


@relaxed
@given(st.integers(min_value=0))
def test_any_mutation_of_the_shipped_file_is_a_plan_or_an_error(plan_of: Load, seed: int) -> None:
    """Letters lost, doubled, replaced, and lines moved: what happens to real files by accident."""
    source = random.Random(seed)  # noqa: S311 - mutations, no cryptography
    text = SHIPPED
    for _ in range(source.randint(1, 8)):
        start = source.randrange(len(text) + 1)
        end = min(len(text), start + source.choice([0, 1, 1, 5, 80]))
        text = text[:start] + source.choice([*PIECES, "", text[start:end] * 2, text[end : end + 40]]) + text[end:]
    _attempt(plan_of, text)


@pytest.mark.parametrize(
    "text",
    [
        "a = [" + "1," * 500_000 + "]",
        "\n".join(f"k{number} = 1" for number in range(80_000)),
        "\n".join(f"[t{number}]" for number in range(90_000)),
        "\n".join(f"[probes.p{number}]\nkind = 'x'" for number in range(30_000)),
        "\n".join(f'[probes.p{number}]\nkind = "htpp"' for number in range(1000)),
        "\n".join("a" + str(number) + ".b" * 900 + " = 1" for number in range(500)),
        'a = """' + '\\n"x' * 200_000 + '"""',
        "a = '" + "${A" * 300_000 + "'",
        "a = " + "{a = " * 300 + "1" + "}" * 300,
        '"' + "k" * 1_000_000 + '" = 1',
        "[" * 1_000_000,
        "#" * (1 << 20),
        "\x00" * (1 << 20),
    ],
    ids=lambda text: f"{text[:12]!r}",
)
def test_huge_text_is_a_plan_or_an_error(plan_of: Load, text: str) -> None:
    """A megabyte of anything comes to an end, without a traceback."""
    _attempt(plan_of, text)
