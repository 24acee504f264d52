"""From names to kinds: the built-in table, and what third parties offer."""

import importlib
import sys
from pathlib import Path

import pytest
import tomli
from distributions import install

from sidecar.core.errors import SidecarError
from sidecar.registry import BUILT_IN, ENTRY_POINT_GROUP, _installed, known_kinds, load_kind

GOOD = """
from msgspec import Struct
from sidecar.contract import Kind, Probe

class Spec(Struct, frozen=True):
    path: str = ""

class Looks(Probe[Spec]):
    async def observe(self, run):
        pass

KIND = Kind("odd", Spec, Looks)
"""


@pytest.fixture
def offer(tmp_path, monkeypatch):
    """Install modules that offer a kind ``odd``, for this test alone."""

    def offer(source, reference="odd_kind:KIND"):
        monkeypatch.syspath_prepend(str(install(tmp_path / "site", "odd_kind", source, odd=reference)))
        importlib.invalidate_caches()
        _installed.cache_clear()

    yield offer
    sys.modules.pop("odd_kind", None)
    _installed.cache_clear()


def test_the_table_equals_the_entry_points_of_the_distribution():
    """Built-in kinds are entry points too, for whoever lists them; the table only saves reading these."""
    project = tomli.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())["project"]
    assert project["entry-points"][ENTRY_POINT_GROUP] == BUILT_IN


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_every_built_in_kind_can_be_loaded_by_its_name(name):
    """And bears that name itself."""
    assert load_kind(name).name == name


def test_nobodys_name_is_no_error():
    """The configuration's reader has more to say about it, such as the nearest name."""
    assert load_kind("nobodys") is None


def test_an_installed_kind_is_known_and_loaded(offer):
    """By the entry point of its distribution."""
    offer(GOOD)
    assert set(known_kinds()) >= {"odd", *BUILT_IN}
    assert load_kind("odd").name == "odd"


def test_nobody_can_take_the_place_of_a_built_in_kind(tmp_path, monkeypatch):
    """The table comes first."""
    site = install(tmp_path / "site", "odd_kind", GOOD, http="odd_kind:KIND")
    monkeypatch.syspath_prepend(str(site))
    _installed.cache_clear()
    assert load_kind("http").spec.__module__ == "probes.http"
    _installed.cache_clear()


@pytest.mark.parametrize(
    ("source", "reference", "complaint"),
    [
        (
            "import nothing_of_that_name",
            "odd_kind:KIND",
            "cannot load probe kind 'odd' from odd_kind:KIND: ModuleNotFoundError: No module named "
            "'nothing_of_that_name'; mend or uninstall the package that offers it",
        ),
        ("def (", "odd_kind:KIND", "cannot load probe kind 'odd' from odd_kind:KIND: SyntaxError: invalid syntax"),
        ("1 / 0", "odd_kind:KIND", "cannot load probe kind 'odd' from odd_kind:KIND: ZeroDivisionError: division by"),
        ("raise SystemExit(3)", "odd_kind:KIND", "cannot load probe kind 'odd' from odd_kind:KIND: SystemExit: 3;"),
        (GOOD, "odd_kind:KINT", "cannot load probe kind 'odd' from odd_kind:KINT: AttributeError: module 'odd_kind'"),
        (GOOD, "odd_kind", "cannot load probe kind 'odd' from odd_kind: "),
        (
            GOOD,
            "odd_kind:Looks",
            "cannot use probe kind 'odd': odd_kind:Looks is of type ABCMeta: expected a sidecar.contract.Kind",
        ),
        (
            GOOD.replace('"odd"', '"even"'),
            "odd_kind:KIND",
            "cannot use probe kind 'odd': odd_kind:KIND calls itself 'even': expected the name of its entry point",
        ),
        (
            GOOD.replace("(Struct, frozen=True)", ""),
            "odd_kind:KIND",
            "cannot use probe kind 'odd': odd_kind:KIND has the spec <class 'odd_kind.Spec'>: "
            "expected a subclass of msgspec.Struct",
        ),
        (
            GOOD.replace("path: str", "timeout: str"),
            "odd_kind:KIND",
            "cannot use probe kind 'odd': odd_kind:KIND has a spec with timeout: every probe has such a key already, "
            "choose another name",
        ),
    ],
)
def test_a_kind_that_cannot_be_used_is_told_with_its_place_and_what_to_do(source, reference, complaint, offer):
    """Which kind, which reference, and why: it is another's code, so anything may be wrong with it."""
    offer(source, reference)
    with pytest.raises(SidecarError) as raised:
        load_kind("odd")
    assert str(raised.value).startswith(complaint)
