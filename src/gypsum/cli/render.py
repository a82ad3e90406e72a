"""``gypsum render``: pictures and films of splats and models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gypsum.cli.display import bar
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import RenderOptions, format_bytes


@with_options(RenderOptions.model_fields)
def render(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A model or splats, of any format that gypsum convert reads.",
            show_default=False,
        ),
    ],
    **options: Any,
) -> None:
    """Draw pictures or a film of splats or of a model along a path.

    Example: gypsum render garden.spz -o garden.mp4
    """
    with explained(lambda: None):
        from gypsum.pipelines.render import render as run

        with bar(f"Drawing {file.name}") as progress:
            done = run(file, progress=progress, **options)
        total = sum(path.stat().st_size for path in done.files)
        width, height = done.size
        what = "1 picture" if done.frames == 1 else f"{done.frames:,} pictures"
        print(f"{done.output}: {what}, {width}x{height}, {format_bytes(total)}")
