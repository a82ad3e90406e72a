"""``gypsum convert``: models from one format into others."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gypsum.cli.display import bar
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.errors import GypsumError, InputError
from gypsum.options import ConvertOptions, format_bytes


@with_options(ConvertOptions.model_fields)
def convert(
    paths: Annotated[
        list[Path],
        typer.Argument(
            metavar="IN OUT",
            help="The model (OBJ, FBX, GLB, glTF, USD, USDZ, PLY, STL, XYZ), points (LAS, LAZ, "
            "E57, PCD, PLY, text) or splats (PLY, SPZ, SOG, .splat, KSPLAT, GLB or USDZ), and one "
            "or more files to write, whose suffixes choose the formats. With --format: models or "
            "folders of models, and last the folder to write into.",
            show_default=False,
        ),
    ],
    **options: Any,
) -> None:
    """Convert models into other formats, and reduce, scale or compress them on the way.

    Example: gypsum convert vase.obj vase.glb --faces 20000 --texture 2k
    """
    with explained(lambda: None):
        from gypsum.options import convert_options
        from gypsum.pipelines.convert import targets_of

        wanted = convert_options(options)
        if len(paths) < 2:
            raise InputError("Name the model and the file to write, like vase.obj vase.glb.")
        last = len(paths) - 1 if wanted.format else 1
        pairs = targets_of(paths[:last], paths[last:], wanted)
        failed = [error for pair in pairs if (error := _convert(*pair, options, len(pairs) > 1))]
        if failed:
            raise InputError(f"{len(failed)} of {len(pairs)} models could not be converted.")


def _convert(
    source: Path, targets: list[Path], options: dict[str, Any], goes_on: bool
) -> GypsumError | None:
    """Convert one model and say so; where others follow, what is wrong with it is only told."""
    from gypsum.pipelines.convert import convert as run

    try:
        with bar(f"Converting {source.name}") as progress:
            done = run(source, targets, progress=progress, **{**options, "format": ()})
    except GypsumError as error:
        if not goes_on:
            raise
        print(f"gypsum: {error}", file=sys.stderr)
        return error
    for text in done.warnings:
        print(f"gypsum: {text}", file=sys.stderr)
    of_points = "splats" if done.splats else "points"
    what = f"{done.triangles:,} triangles" if done.triangles else f"{done.points:,} {of_points}"
    size = " x ".join(f"{side:.4g}" for side in done.size)
    total = sum(file.stat().st_size for file in done.files)
    anew = ", textures baked anew" if done.baked else ""
    names = ", ".join(map(str, targets))
    print(f"{names}: {what}, {size}, {format_bytes(total)}{anew}")
    return None
