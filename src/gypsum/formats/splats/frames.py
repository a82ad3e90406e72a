"""Which way is up in files of splats."""

from __future__ import annotations

import numpy as np

from gypsum.scene import Splats

TO_WORLD = {
    "z": np.eye(3),
    "y": np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]]),
    "y-down": np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]]),
}
"""From the file's frame, by what points up in it, to the world, where it is Z."""


def to_world(splats: Splats, up_axis: str) -> Splats:
    """Splats of a file in which this axis is up."""
    return splats if up_axis == "z" else splats.moved(TO_WORLD[up_axis])


def from_world(splats: Splats, up_axis: str) -> Splats:
    """Splats for a file in which this axis is to be up."""
    return splats if up_axis == "z" else splats.moved(TO_WORLD[up_axis].T)
