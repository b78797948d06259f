"""`fastfit check-config`: all mistakes of a configuration file."""

import click

from extender.cli.exits import epilog
from extender.cli.tables import clean
from extender.runtime.settings import load_settings

__all__ = ["check_config"]


@click.command(
    "check-config",
    short_help="Name every mistake of a configuration.",
    epilog=epilog("fastfit check-config fastfit.yaml"),
)
@click.argument("file", metavar="FILE")
def check_config(file: str) -> None:
    """Check a FastfitConfiguration FILE and name all its mistakes: path, value, remedy. Exits with 2 if it has any."""
    settings = load_settings(file)
    count = len(settings.pools)
    pools = f", {count} pool{'s' if count > 1 else ''}" if count else ""
    click.echo(clean(f"{file}: good (mode {settings.mode}{pools})"))
