"""``gypsum convert``: a model from one format into another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gypsum.cli.display import bar
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import ConvertOptions, format_bytes


@with_options(ConvertOptions.model_fields)
def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="The model: OBJ, FBX, GLB, glTF, USD, USDZ, PLY, STL or XYZ.",
            show_default=False,
        ),
    ],
    target: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The file to write; its suffix chooses the format.",
            show_default=False,
        ),
    ],
    **options: Any,
) -> None:
    """Convert a model into another format, and reduce, scale or compress it on the way.

    Example: gypsum convert vase.obj vase.glb --faces 20000 --texture 2k
    """
    with explained(lambda: None):
        from gypsum.pipelines.convert import convert as run

        with bar("Converting") as progress:
            done = run(source, target, progress=progress, **options)
        for text in done.warnings:
            print(f"gypsum: {text}", file=sys.stderr)
        what = f"{done.triangles:,} triangles" if done.triangles else f"{done.points:,} points"
        size = " x ".join(f"{side:.4g}" for side in done.size)
        total = sum(file.stat().st_size for file in done.files)
        anew = ", textures baked anew" if done.baked else ""
        print(f"{target}: {what}, {size}, {format_bytes(total)}{anew}")
