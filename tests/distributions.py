"""Third parties' distributions, laid out on disk as an installer would do it."""

from pathlib import Path


def install(where: Path, name: str, source: str, **kinds: str) -> Path:
    """Install a module of this name that offers these kinds of probe; returns the folder to put on ``sys.path``."""
    metadata = where / f"{name}-1.0.dist-info"
    metadata.mkdir(parents=True)
    (where / f"{name}.py").write_text(source)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    points = "".join(f"{kind} = {reference}\n" for kind, reference in kinds.items())
    (metadata / "entry_points.txt").write_text(f"[sidecar.probes]\n{points}")
    return where
