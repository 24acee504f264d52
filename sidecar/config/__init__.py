"""From (TOML text, environment, kinds) to a Plan. Opens no file; every problem is told at once."""

from sidecar.config.load import load, load_server
from sidecar.config.parse import TEXT_AT_MOST
from sidecar.config.problem import ConfigError, Problem

__all__ = ["TEXT_AT_MOST", "ConfigError", "Problem", "load", "load_server"]
