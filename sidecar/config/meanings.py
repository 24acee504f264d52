"""What keys mean, in the words that stand below them in the source: for the reference and the schema."""

import ast
import inspect
from itertools import pairwise


def meanings(cls: type) -> dict[str, str]:
    """Collect the docstrings of a class's attributes, and of those that it inherits."""
    texts: dict[str, str] = {}
    for parent in reversed(cls.__mro__):
        if parent.__module__.partition(".")[0] not in {"sidecar", "probes"}:
            continue
        (body,) = (node.body for node in ast.parse(inspect.getsource(parent)).body if isinstance(node, ast.ClassDef))
        for node, following in pairwise(body):
            match node, following:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    texts[name] = flow(text)
    return texts


def flow(text: str) -> str:
    """Put a docstring on one line of Markdown."""
    return " ".join(text.split()).replace("``", "`")
