"""What the report says about a texture."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class TextureFacts:
    """Figures of one baked texture."""

    size: int
    """Texels along one side of a texture."""
    textures: int
    """How many there are."""
    smoothing: bool
    """Whether several photos were mixed at every place."""
    coverage: float
    """Share of the mesh's area that some photo shows."""
    atlas_use: float
    """Share of the textures that triangles cover."""
    charts: int
    photos_used: int
    photos_given: int
    texels_per_pixel: float
    """Texels for each photo pixel, along one side; 1 keeps the photos' whole resolution."""
    texels_per_unit: float
    """Texels for each unit of length on the surface, the mean over the area that photos show."""
    unseen_faces: int
    """Faces that no photo shows; their colour is filled in from their surroundings."""
    rejected: int
    """Looks of a face that were left out because other photos disagree."""
    exposure_range: float
    """Stops between the brightest and the darkest exposed photo, before they were equalised."""
    seam_step: float
    """Mean colour step across the borders of charts in the finished texture, share of the range."""
    worst_seam_step: float
    """The same for the border of two charts, 8 texels or longer, where it is largest."""
    seconds: dict[str, float]
    """Wall time of each part."""

    def as_dict(self) -> dict[str, Any]:
        """The facts as plain values, for a JSON report."""
        return asdict(self)


class Clock:
    """Wall time of named parts."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Time a block under ``name``."""
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = round(self.seconds.get(name, 0.0) + spent, 3)
