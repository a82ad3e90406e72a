"""The pictures that show how a scan went: their names, and what to say about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Picture:
    """One file in ``previews/``."""

    file: str
    alt: str
    """What it shows, for those who can't see it."""
    caption: str
    wide: bool = False
    """Whether it takes the page's full width."""
    in_report: bool = True


MODEL = Picture(
    "model.png", "The textured model from one side.", "The model, with its texture.", wide=True
)
TURNTABLE = Picture(
    "turntable.webp", "The textured model, turning.", "The model from all sides that were seen."
)
CLAY = Picture(
    "clay.png",
    "The model's shape in grey, without texture.",
    "The shape alone, as if made of clay. Dark red shows the back of the surface: holes and edges.",
)
COMPARISON = Picture(
    "comparison.jpg",
    "Photos beside the model drawn from the same places.",
    "Photo, model from the same place, and their difference: black is equal, bright is not.",
    wide=True,
)
CAMERAS = Picture(
    "cameras.png",
    "The places of the cameras around the points, from the side and from above.",
    "Where the photos were taken, from blue (first) to orange (last).",
    wide=True,
)
DEPTH = Picture(
    "depth.jpg",
    "Photos beside their depth maps.",
    "Depth maps of some photos: red is near, blue is far, black is unknown.",
    wide=True,
)
STRIP = Picture(
    "turntable.png", "The textured model from eight sides.", "The model from eight sides.",
    wide=True, in_report=False,
)  # fmt: skip

MASKS = Picture(
    "masks.jpg",
    "All photos with the outline of the object.",
    "What counts as the object in each photo, and how much of it (intersection over union) the "
    "photo alone gave. Red: the other photos changed it much; look whether the outline is right.",
    wide=True,
)

EVIDENCE = Picture(
    "evidence.png",
    "The shape from four sides, coloured by how much photos shaped it.",
    "What shaped the surface. Grey: the photos. Orange: they say next to nothing there, so it is "
    "as smooth as its surroundings let it be, within the outlines.",
    wide=True,
)

SPLATS = Picture("splats.png", "The splats from one side.", "The splats.", wide=True)
SPLATS_TURN = Picture(
    "splats.webp", "The splats from changing places.", "The splats from between the photos.",
    wide=True,
)  # fmt: skip
SPLATS_COMPARISON = Picture(
    "splats.jpg",
    "Photos beside the splats drawn from the same places.",
    "Photos that were held out of the training, and the splats from the same places.",
    wide=True,
)

TERRAIN = Picture(
    "terrain.png",
    "The bare ground in shaded relief, with contour lines.",
    "The bare ground, without what stands on it; lines join places of one height.",
    wide=True,
)

OF_SPLATS = (SPLATS, SPLATS_TURN, SPLATS_COMPARISON)
PICTURES = (
    MODEL,
    TURNTABLE,
    CLAY,
    EVIDENCE,
    TERRAIN,
    COMPARISON,
    *OF_SPLATS,
    CAMERAS,
    MASKS,
    DEPTH,
    STRIP,
)
"""In the order in which the report shows them."""
