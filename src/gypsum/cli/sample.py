"""``gypsum sample``: photos to try Gypsum with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gypsum.cli.display import bar, duration
from gypsum.cli.parameters import with_options
from gypsum.cli.reporting import explained
from gypsum.options import SampleMode, SampleOptions


@with_options(SampleOptions.model_fields)
def sample(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Where the photos go; made when missing.", show_default=False
        ),
    ],
    **options: Any,
) -> None:
    """Make a sample capture: photos of a sculpture that never was, with the truth beside them."""
    asked = SampleOptions(**{name: value for name, value in options.items() if value is not None})
    with explained(lambda: None):
        from gypsum.sample import make_sample

        with bar("Taking photos") as progress:
            made = make_sample(folder, **asked.model_dump(), progress=progress)
        print(f"{made.photos} photos are in {folder / 'photos'}, made in {duration(made.seconds)}.")
        if asked.mode is SampleMode.LIDAR:
            print(f"Scan them: gypsum scan {folder} --mode lidar -o {folder}.glb")
            return
        photos = folder / "photos"
        sets = sorted((entry for entry in photos.iterdir() if entry.is_dir()), reverse=True)
        source = " ".join(f"--set {entry}" for entry in sets) or str(photos)
        print(f"Scan them: gypsum scan {source} -o {folder}.glb")
