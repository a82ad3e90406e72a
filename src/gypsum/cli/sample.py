"""``gypsum sample``: photos to try Gypsum with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gypsum.cli.reporting import explained


def sample(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR", help="Where the photos go; made when missing.", show_default=False
        ),
    ],
) -> None:
    """Make a sample capture: photos of a sculpture that never was, with the truth beside them."""
    with explained(lambda: None):
        from gypsum.sample import make_sample

        make_sample(folder)
