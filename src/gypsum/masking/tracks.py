"""Whether masks or cameras are wrong, told by points that several photos show.

A point belongs to the object or it doesn't, whatever the cameras: the photos that show it are told
by matches alone. Where masks call the same point both, the masks are wrong. Where they agree on the
points and yet have no shape in common, the cameras are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import SparseModel

#: Other photos that must show a point, and points of a photo, to tell anything.
_OTHERS, _FEWEST = 2, 20


def contradictions(model: SparseModel, maps: Mapping[str, NDArray[np.uint8]]) -> dict[str, float]:
    """By photo, the share of its points that its mask calls object and most others don't, or the
    other way round; 0 where too few points tell.

    ``maps`` (height, width) are how much each pixel is object, 0 to 255, at any size.
    """
    row = np.full(int(model.point_ids.max(initial=0)) + 1, -1, np.int64)
    row[model.point_ids] = np.arange(len(model.point_ids))
    inside, shown = np.zeros(len(model.points)), np.zeros(len(model.points))
    said: dict[str, tuple[NDArray[np.int64], NDArray[np.bool_]]] = {}
    for photo in model.photos.values():
        if photo.name not in maps:
            continue
        values, camera = maps[photo.name], model.camera_of(photo)
        height, width = values.shape
        seen = photo.point3d_ids >= 0
        places = photo.xy[seen] * (width / camera.width, height / camera.height)
        column, line = np.floor(places).astype(np.int64).T
        labels = values[line.clip(0, height - 1), column.clip(0, width - 1)] >= 128
        rows = row[photo.point3d_ids[seen]]
        np.add.at(inside, rows, labels)
        np.add.at(shown, rows, 1)
        said[photo.name] = rows, labels
    found = {}
    for name, (rows, labels) in said.items():
        others = shown[rows] - 1
        known = others >= _OTHERS
        share = (inside[rows] - labels)[known] / others[known]
        against = np.abs(share - labels[known]) > 0.5
        found[name] = float(against.mean()) if len(against) >= _FEWEST else 0.0
    return found
