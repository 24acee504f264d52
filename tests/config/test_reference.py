"""The reference of the configuration is the code's."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import fields

from sidecar.config.derive import TOKEN_VARIABLES, ZONE_VARIABLES
from sidecar.config.load import COMMIT_VARIABLES
from sidecar.registry import BUILT_IN, load_kind

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "configuration.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def make_reference() -> ModuleType:
    """The script that writes the reference."""
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_reference_is_up_to_date(make_reference: ModuleType) -> None:
    """The generated part is what the types say now; if not, run ``python docs/make_reference.py``."""
    assert make_reference.render(PAGE) == PAGE


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_key_of_every_kind_is_in_the_reference(name: str) -> None:
    """No kind is left out, nor any of its keys."""
    kind = load_kind(name)
    assert kind is not None
    section = PAGE.partition(f'### `kind = "{name}"`\n')[2].partition("\n### ")[0]
    assert [field.encode_name for field in fields(kind.spec) if f"| `{field.encode_name}` |" not in section] == []


@pytest.mark.parametrize("variable", [*TOKEN_VARIABLES, *ZONE_VARIABLES, *COMMIT_VARIABLES])
def test_every_variable_is_in_the_page(variable: str) -> None:
    """What is read from the environment is said by name."""
    assert f"`{variable}`" in PAGE
