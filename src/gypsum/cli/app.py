"""The program ``gypsum`` with its commands."""

from __future__ import annotations

from typing import Annotated

import typer

from gypsum import __version__
from gypsum.cli.check import check
from gypsum.cli.convert import convert
from gypsum.cli.markers import markers
from gypsum.cli.mesh import mesh
from gypsum.cli.options import options
from gypsum.cli.remote import app as remote
from gypsum.cli.render import render
from gypsum.cli.sample import sample
from gypsum.cli.scan import scan
from gypsum.cli.serve import serve
from gypsum.cli.stages import stages
from gypsum.cli.view import view
from gypsum.cli.worker import worker

app = typer.Typer(
    help="Turn photos into textured 3D models.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(scan)
app.command()(check)
app.command()(stages)
app.command()(sample)
app.command()(convert)
app.command()(view)
app.command()(mesh)
app.command()(render)
app.command()(markers)
app.command()(serve)
app.command()(worker)
app.add_typer(remote, name="remote")
app.command()(options)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"gypsum {__version__}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Turn photos into textured 3D models."""
