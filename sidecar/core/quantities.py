"""The types of values that are more than a number or a text: the configuration knows how they are written."""

from typing import Annotated

from msgspec import Meta

Duration = Annotated[float, Meta(title="duration", ge=0)]
"""Seconds; written in TOML as ``"500ms"``, ``"5s"``, ``"2m"``, ``"1h"``."""

Size = Annotated[int, Meta(title="size", ge=0)]
"""Bytes; written in TOML as ``"512KiB"``, ``"300MiB"``, ``"2GiB"``, or a plain number of bytes."""

Secret = Annotated[str, Meta(title="secret")]
"""A credential. Its value never appears in any output."""

Port = Annotated[int, Meta(ge=1, le=65535)]
Threshold = Annotated[int, Meta(ge=1, le=1000)]

Share = Annotated[float, Meta(ge=0, le=1)]
"""A part of a whole."""
