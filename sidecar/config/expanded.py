"""A string in which variables were replaced."""

from msgspec import Struct


class Expanded(Struct, frozen=True):
    """What ``${VAR}`` came to. It may become a number or a boolean, and is not shown in an error."""

    text: str
    variables: tuple[str, ...]
    """The variables whose values are in the text; empty when only defaults are."""
