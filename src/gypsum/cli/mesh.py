"""``gypsum mesh``: splats to a textured model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gypsum.cli.display import bar
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import MeshOptions, format_bytes


@with_options(MeshOptions.model_fields)
def mesh(
    splats: Annotated[
        Path,
        typer.Argument(
            metavar="SPLATS",
            help="3D Gaussian splats, of any format that gypsum convert reads.",
            show_default=False,
        ),
    ],
    output: Annotated[
        list[Path],
        typer.Option(
            "--output",
            "-o",
            help="The model to write, for example model.glb (repeatable); its suffix chooses the "
            "format.",
            metavar="PATH",
            show_default=False,
        ),
    ],
    **options: Any,
) -> None:
    """Make a textured model of splats, whichever program trained them.

    Example: gypsum mesh garden.ply --photos photos/ --cameras sparse/0 -o garden.glb
    """
    with explained(lambda: None):
        from gypsum.pipelines.mesh import to_mesh

        with bar(f"Meshing {splats.name}") as progress:
            done = to_mesh(splats, output, progress=progress, **options)
        size = " x ".join(f"{side:.4g}" for side in done.size)
        total = sum(file.stat().st_size for file in done.files)
        print(
            f"{', '.join(map(str, output))}: {done.triangles:,} triangles, {size}, painted from "
            f"{done.views} {'photos' if done.painted == 'photos' else 'pictures of the splats'}, "
            f"{format_bytes(total)}"
        )
