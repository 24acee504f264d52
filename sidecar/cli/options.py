"""Options that several commands share."""

import click

config_option = click.option(
    "--config",
    "path",
    metavar="FILE",
    help="The configuration; without it conf/sidecar.toml if it is there, else the embedded default.",
)
