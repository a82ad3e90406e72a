"""``gypsum view``: a model in the browser."""

from __future__ import annotations

import sys
import tempfile
import webbrowser
from pathlib import Path
from typing import Annotated, Any

import typer

from gypsum.cli.display import bar
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import ViewOptions


@with_options(ViewOptions.model_fields)
def view(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A model, a point cloud or splats, of any format that gypsum convert reads.",
            show_default=False,
        ),
    ],
    **options: Any,
) -> None:
    """Look at a model in the browser: turn it, walk through it, measure it.

    Nothing leaves the machine. Ctrl-C ends it.

    Example: gypsum view garden.spz
    """
    with explained(lambda: None):
        from gypsum.options import view_options
        from gypsum.viewer import Server, prepare

        wanted = view_options(options)
        up_axis = None if wanted.up_axis is None else wanted.up_axis.value
        with tempfile.TemporaryDirectory(prefix="gypsum-view-") as folder:
            with bar(f"Opening {file.name}"):
                shown, content = prepare(file, Path(folder), up_axis=up_axis)
            for text in shown.warnings:
                print(f"gypsum: {text}", file=sys.stderr)
            with Server(shown, content, wanted.port) as server:
                print(f"{file.name}, {shown.text}: {server.url}", flush=True)
                if wanted.browser is not False:
                    webbrowser.open(server.url)
                try:
                    server.wait()
                except KeyboardInterrupt:
                    return
