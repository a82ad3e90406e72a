"""What of a closed Poisson surface was really seen.

Poisson reconstruction closes everything: it sews small holes neatly, and blows bubbles over what
nobody photographed. Three measurements separate the two. *Support*: the distance of a face to the
nearest point, in cells of the cloud there. *Depth of the gap*: how far the middle of a connected
patch without support is from any point; narrow gaps are interpolated well, wide ones are guesses.
*Free space*: photos that look through a face at points far behind it prove that it isn't there, and
so do masks in which it lies beside the object.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter, minimum_filter

from gypsum.scene import Mesh, View
from gypsum.surface.thinning import Samples
from gypsum.surface.topology import face_components

Bools = NDArray[np.bool_]
Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: A vertex has support when the nearest point is within this many of its cells.
SUPPORTED = 2.5
#: A face is seen through when the points behind it are this many cells further away ...
BEHIND = 6.0
#: ... in at least this many photos.
WITNESSES = 2
#: A face is beside the object when this share of the masks, looked at in this size, leaves it out.
MOST_OUTSIDE, MASK_SIDE = 0.1, 1000
#: A patch without support is a bubble when photos look through this share of it.
SEEN_THROUGH = 0.25
#: Pixels of the depth pictures that decide on free space measure this many cells.
PIXEL_CELLS = 3.0
#: Gaps up to twice this many of those pixels wide count as part of the surface around them.
GAP_PIXELS = 2


def trim(
    mesh: Mesh, samples: Samples, views: Sequence[View], fill_holes: float, workers: int = -1
) -> Mesh:
    """Remove what the points don't support, but for narrow gaps.

    Args:
        mesh: closed surface around the samples.
        samples: the points that it was fitted to.
        views: the photos, for free space.
        fill_holes: gaps stay closed when no spot is further than this from the points, world units.
        workers: threads for neighbour queries; -1 is all cores.
    """
    distance, nearest = samples.tree.query(mesh.vertices, workers=workers)
    cells = samples.cells[nearest]
    loose = np.any((distance > SUPPORTED * cells)[mesh.faces], axis=1)
    patches, label = face_components(mesh.faces[loose])
    widest = np.zeros(patches)
    np.maximum.at(widest, label, distance[mesh.faces[loose]].max(axis=1))
    filled = widest <= fill_holes
    filled &= ~_open(mesh, loose, label, patches)
    keep = filled[label]
    if views and keep.any():
        doubtful = np.unique(mesh.faces[loose][keep])
        empty, beside = np.zeros((2, len(mesh.vertices)), bool)
        empty[doubtful] = seen_through(mesh.vertices[doubtful], cells[doubtful], samples, views)
        beside[doubtful] = outside_masks(mesh.vertices[doubtful], views)
        share = np.bincount(label, empty[mesh.faces[loose]].mean(axis=1), patches)
        keep &= (share <= SEEN_THROUGH * np.bincount(label, minlength=patches))[label]
        keep &= ~beside[mesh.faces[loose]].any(axis=1)
    kept = ~loose
    kept[loose] = keep
    return Mesh(mesh.vertices, mesh.faces[kept], mesh.colors)


def _open(mesh: Mesh, loose: Bools, label: NDArray[np.int32], patches: int) -> Bools:
    """(P,) which patches reach an open border of the mesh: there they are no hole in something."""
    edges = np.sort(mesh.faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1).astype(np.int64)
    key = edges[:, 0] * len(mesh.vertices) + edges[:, 1]
    _, inverse, uses = np.unique(key, return_inverse=True, return_counts=True)
    border = np.any(uses[inverse].reshape(-1, 3) == 1, axis=1)
    reaching: Bools = np.bincount(label, border[loose], patches) > 0
    return reaching


def seen_through(points: Float32, cells: Float32, samples: Samples, views: Sequence[View]) -> Bools:
    """(N,) whether photos look through each point at samples clearly behind it."""
    count = np.zeros(len(points), np.int32)
    cloud = samples.cloud
    for view in views:
        scale = _picture_scale(view, samples)
        small = view.resized(max(1, int(view.width * scale)), max(1, int(view.height * scale)))
        facing = np.einsum("ij,ij->i", view.center - cloud.points, cloud.normals) > 0
        behind = _nearest_depths(small, cloud.points[facing])
        pixel, depth, inside = _pixels(small, points)
        deepest = behind[pixel] - depth
        count += inside & np.isfinite(behind[pixel]) & (deepest > BEHIND * cells)
    return np.asarray(count >= WITNESSES)


def outside_masks(points: Float32, views: Sequence[View]) -> Bools:
    """(N,) which points lie beside the object in too many of the photos' masks."""
    masked, outside = np.zeros((2, len(points)), np.int32)
    for view in views:
        mask = view.limited(MASK_SIDE).read_mask()
        if mask is not None:
            pixel, _, inside = _pixels(view.limited(MASK_SIDE), points)
            masked += inside
            outside += inside & ~maximum_filter(mask, 3).reshape(-1)[pixel]
    return np.asarray(outside > MOST_OUTSIDE * masked)


def _picture_scale(view: View, samples: Samples) -> float:
    """How much to shrink a photo for pixels of ``PIXEL_CELLS`` cells: splats then leave no gaps."""
    depth = (samples.cloud.points[::17] @ view.R[2]) + view.t[2]
    front = depth > 0
    if not front.any():
        return 1.0
    cell_pixels = np.median(samples.cells[::17][front] / depth[front]) * view.K[0, 0]
    return float(min(1.0, 1.0 / (PIXEL_CELLS * cell_pixels)))


def _nearest_depths(view: View, points: Float32) -> Float32:
    """(H * W,) depth of the nearest point near each pixel; infinite where none is.

    Gaps of a few pixels in a surface don't show what is behind it (a morphological closing), and
    outlines are a pixel wider, so that what is seen through is seen through clearly.
    """
    pixel, depth, inside = _pixels(view, points)
    nearest = np.full(view.width * view.height, np.inf, np.float32)
    np.minimum.at(nearest, pixel[inside], depth[inside].astype(np.float32))
    picture = nearest.reshape(view.height, view.width)
    picture = minimum_filter(picture, 2 * (GAP_PIXELS + 1) + 1, mode="nearest")
    picture = maximum_filter(picture, 2 * GAP_PIXELS + 1, mode="nearest")
    return np.ascontiguousarray(picture).reshape(-1)


def _pixels(view: View, points: Float32) -> tuple[NDArray[np.intp], Float64, Bools]:
    """Flat pixel index (N,), depth (N,) and whether it is in the frame (N,) of world points."""
    xy, depth = view.project(points)
    inside = (depth > 0) & np.all((xy >= 0) & (xy < (view.width, view.height)), axis=1)
    column, row = np.where(inside[:, None], xy, 0).astype(np.intp).T
    return row * view.width + column, depth, inside
