"""Depth maps from COLMAP's PatchMatch on an NVIDIA card, in the same workspace as our own.

COLMAP reads the workspace's photos, its sparse model and ``patch-match.cfg``, and leaves its
filtered depth and normal maps where ours would be; fusion takes either. It keeps what an earlier
run has made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image  # noqa: F401  (must be loaded before pycolmap)

from gypsum.dense.colmap_workspace import map_path, write_map, write_settings
from gypsum.dense.neighbors import Neighborhood
from gypsum.errors import ResourceError
from gypsum.scene import Progress, View, no_progress

#: COLMAP's two rounds, by the names of their files: photos alone, then with the neighbours' depths.
_ROUNDS = ("photometric", "geometric")
#: COLMAP's own filters are wanted, and of its cache (GiB, 32 otherwise) no more than a scan takes.
_OPTIONS = {"geom_consistency": True, "filter": True, "cache_size": 4.0}
#: Seconds between two looks at how many maps are there.
_PAUSE = 1.0


def estimate_depth_maps_cuda(
    views: Sequence[View],
    neighborhoods: Sequence[Neighborhood],
    folder: Path,
    *,
    long_side: int,
    progress: Progress = no_progress,
) -> None:
    """Write a depth and a normal map for every view into the dense workspace ``folder``.

    Maps have the size of ``view.limited(long_side)``; depth is along the optical axis in world
    units, 0 where COLMAP's filters left nothing; normals are in the camera frame.
    """
    import pycolmap

    if not pycolmap.has_cuda:
        raise ResourceError(
            "The installed pycolmap was built without CUDA: install pycolmap-cuda12 alone, or use "
            "--device cpu."
        )
    matched = {
        view.name: [views[j].name for j in here.sources]
        for view, here in zip(views, neighborhoods, strict=True)
        if here.sources
    }
    write_settings(folder, matched)
    for name in matched:
        for what in ("depth_maps", "normal_maps", "consistency_graphs"):
            (folder / "stereo" / what / name).parent.mkdir(parents=True, exist_ok=True)
    options = pycolmap.PatchMatchOptions(max_image_size=long_side, **_OPTIONS)
    _watched(
        lambda: pycolmap.patch_match_stereo(str(folder), "COLMAP", options=options),
        lambda: progress(*_progress(folder, list(matched))),
    )
    for view in views:
        _complete(view.limited(long_side), folder)
        for what in ("depth", "normal"):
            map_path(folder, what, view.name, _ROUNDS[0]).unlink(missing_ok=True)
    progress(1.0)


def _watched(work: Callable[[], Any], look: Callable[[], None]) -> None:
    """Do the work in a thread and look at it now and then."""
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(work)
        while not future.done():
            look()
            time.sleep(_PAUSE)
        future.result()


def _progress(folder: Path, names: Sequence[str]) -> tuple[float, str]:
    there = [sum(map_path(folder, "depth", n, kind).exists() for n in names) for kind in _ROUNDS]
    done, total = sum(there), len(_ROUNDS) * max(1, len(names))
    return done / total, f"map {done} of {total} on the graphics card"


def _complete(view: View, folder: Path) -> None:
    """Empty maps for a photo that was not matched."""
    if not map_path(folder, "depth", view.name).exists():
        empty = np.zeros((view.height, view.width), np.float32)
        write_map(map_path(folder, "normal", view.name), np.zeros((*empty.shape, 3), np.float32))
        write_map(map_path(folder, "depth", view.name), empty)
