"""``gypsum scan``: photos to a textured model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gypsum.cli.display import JsonLines, display
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import fields


@with_options(fields())
def scan(
    inputs: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="INPUT",
            help="Folders, photos (JPEG, PNG, TIFF, WebP, HEIC) or zip files of photos; with "
            "--mode lidar depth captures, or point clouds (LAS, LAZ, E57, PCD, PLY, text).",
            show_default=False,
        ),
    ] = None,
    **options: Any,
) -> None:
    """Turn photos into a textured 3D model.

    Example: gypsum scan photos/ -o vase.glb
    """
    shown = display(bool(options.pop("json")))
    failed = shown.failed if isinstance(shown, JsonLines) else None
    workspace: Path | None = None

    def log_folder() -> Path | None:
        return workspace / "logs" if workspace is not None else None

    with explained(log_folder, failed):
        from gypsum.options import scan_options
        from gypsum.pipelines.scan import locate
        from gypsum.pipelines.scan import scan as run

        workspace = locate(scan_options(options))[0].root
        with shown:
            run(inputs or (), progress=shown, **options)
