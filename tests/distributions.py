"""Third parties' distributions, laid out on disk as an installer would do it."""

from pathlib import Path

_STUBBORN = """
import anyio
from contextlib import suppress
from msgspec import Struct
from sidecar.contract import Kind, Probe

class Spec(Struct, frozen=True):
    pass

class Stubborn(Probe[Spec]):
    async def observe(self, run):
        while True:
            with suppress(BaseException):
                await anyio.sleep(3600)

    aclose = lambda self: self.observe(None)

KIND = Kind("stubborn", Spec, Stubborn)
"""


def install(where: Path, name: str, source: str, **kinds: str) -> Path:
    """Install a module of this name that offers these kinds of probe; returns the folder to put on ``sys.path``."""
    metadata = where / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (where / f"{name}.py").write_text(source)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = "".join(f"{kind} = {reference}\n" for kind, reference in kinds.items())
    (metadata / "entry_points.txt").write_text(f"[sidecar.probes]\n{points}")
    return where


def install_stubborn(where: Path) -> Path:
    """Install a kind ``stubborn``, neither whose look nor whose farewell ever ends: it swallows every cancellation."""
    return install(where, "stubborn_kind", _STUBBORN, stubborn="stubborn_kind:KIND")
