"""What the photos are about: the part of the world worth a surface.

Far walls fill many pixels of a capture made indoors, yet nobody asked for them, and an octree that
spans them has no depth left for the object. Two measurements tell them apart. The *resolution* of a
point (the size of a photo pixel there) is several times coarser on what stands behind the subject,
because it is further away. The *attention* it gets (how many photos have it in the frame) drops as
soon as the photographer walks around the subject, because the background changes and the subject
stays. A photographer who does not clearly walk around something (a façade, a field from the air, a
fountain at a wall from an arc of 130 degrees) is interested in all of it, so there only the
resolution counts.

What a subject stands on is sharp and in every photo as well: a table may take most of the
triangles and of the texture. Where one level plane carries everything, it is kept only around what
stands on it.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import ReconstructionError
from gypsum.scene import Box, PointCloud, View

Float64 = NDArray[np.float64]
Bools = NDArray[np.bool_]

#: Points that stand for the cloud while the region is chosen.
SAMPLE = 100_000
#: The mean of the unit vectors from the subject to the cameras is this long when the photographer
#: walked around it, and when not. A half circle at eye level has 0.64, an arc of 120 degrees 0.83.
ORBIT_SPREAD, ARC_SPREAD = 0.7, 0.9
#: Share of the cameras that must have the subject in front of them and in the frame for an orbit.
ORBIT_SHARE = 0.7
#: Around an orbit's subject, everything that this share of the photos of the subject show.
ORBIT_ATTENTION = 0.7
#: How many times coarser than the subject a point may be, for an orbit and for other captures.
ORBIT_COARSENESS, OPEN_COARSENESS = 2.0, 3.0
#: From here on the photographer clearly walked around the subject (an arc of 150 degrees).
CLEAR_ORBIT = 0.8
#: Share of the wanted points that may lie outside each side of the box, and the margin added to it.
TRIMMED = 0.001
MARGIN = 0.03
#: A plane carries the subject when it is within 10 degrees of level, has this share of the points,
#: and no more than BELOW of them lie under it.
PLANE_SLOPE = 0.18
PLANE_SHARE, BELOW = 0.15, 0.05
#: What stands on it is this many times as high above it as its points usually lie beside it, and
#: this share of the whole's diagonal.
STANDING, HIGH = 4.0, 0.005
#: With fewer of the points than this, what stands on it may be noise.
STANDING_SHARE = 0.02
#: How much of the plane around that is kept, as a share of its horizontal diagonal; and how much of
#: what stands on it may lie outside each side of its box, before that is added.
AROUND, SCATTERED = 0.15, 0.01
#: A box is set before everything is measured when the photographer clearly walked around something
#: and rough depths give this many points; they may miss thin ends, so it is this much larger.
FEWEST_ROUGH, ROUGH_ROOM = 2_000, 1.15


def choose_region(cloud: PointCloud, views: Sequence[View], seed: int = 0) -> Box:
    """The box around what the photos are about; all of the cloud when nothing tells.

    Where the photos have masks, these have told already. Works on a sample of the cloud, so that it
    takes a second or two for any size.
    """
    return _choose(cloud, () if any(view.mask for view in views) else views, seed)[0]


def subject_box(cloud: PointCloud, views: Sequence[View], seed: int = 0) -> Box | None:
    """The same with some room, from a rough cloud, before everything is measured.

    None where the photographer did not clearly walk around something: there, all is wanted.
    """
    if len(cloud) < FEWEST_ROUGH:
        return None
    box, orbit = _choose(cloud, views, seed)
    return box.grown(ROUGH_ROOM) if orbit >= CLEAR_ORBIT else None


def _choose(cloud: PointCloud, views: Sequence[View], seed: int) -> tuple[Box, float]:
    """The box, and how far the photographer walked around it: 0 not at all, 1 fully."""
    if not len(cloud):
        raise ReconstructionError(
            "No surface can be made: the point cloud is empty. Take more photos that overlap."
        )
    rng = np.random.default_rng(seed)
    chosen = rng.permutation(len(cloud))[:SAMPLE]
    sample = cloud.select(np.sort(chosen))
    points = sample.points.astype(np.float64)
    weight = np.ones(len(points)) if sample.support is None else sample.support.astype(np.float64)
    wanted, orbit = np.ones(len(points), bool), 0.0
    if views:
        framed = _framed(points, views)
        attention = framed.sum(axis=0).astype(np.float64)
        radii = _radii(sample, views)
        subject = _subject(points, weight, radii, attention)
        orbit = _orbit(points, subject, views, framed)
        coarse = radii / _weighted_median(radii[subject], weight[subject])
        wanted = coarse <= orbit * ORBIT_COARSENESS + (1 - orbit) * OPEN_COARSENESS
        if orbit >= CLEAR_ORBIT:
            wanted &= attention >= ORBIT_ATTENTION * np.median(attention[subject])
            wanted &= _around_standing(points, sample.normals, weight, wanted)
    return _box(points[wanted], weight[wanted]), orbit


def _around_standing(
    points: Float64, normals: NDArray[np.float32], weight: Float64, wanted: Bools
) -> Bools:
    """(N,) what stands on a level plane and is near that; all where there is no such plane."""
    everything = np.ones(len(points), bool)
    height, spread = _above_plane(points[wanted], normals[wanted], weight[wanted])
    size = float(np.linalg.norm(np.ptp(points[wanted], axis=0)))
    tolerance = max(STANDING * spread, HIGH * size)
    on, above = np.abs(height) <= tolerance, height > tolerance
    total = weight[wanted].sum()
    shares = [weight[wanted][chosen].sum() / total for chosen in (on, above, ~on & ~above)]
    if shares[0] < PLANE_SHARE or shares[1] < STANDING_SHARE or shares[2] > BELOW:
        return everything
    box = _box(points[wanted][above], weight[wanted][above], SCATTERED)
    room = AROUND * 2 * float(np.linalg.norm(box.half[:2]))
    near = everything
    for axis, half in zip(box.axes[:2], box.half[:2], strict=True):
        near = near & (np.abs((points - box.center) @ axis) <= half + room)
    return near


def _above_plane(
    points: Float64, normals: NDArray[np.float32], weight: Float64
) -> tuple[Float64, float]:
    """Height (N,) above the level plane with most points, and how far its points lie beside it."""
    level = normals[:, 2] > 0.85
    size = float(np.linalg.norm(np.ptp(points, axis=0)))
    if level.sum() < 100 or size == 0:
        return np.zeros(len(points)), size
    z = points[level, 2]
    count, edges = np.histogram(z, 200, weights=weight[level])
    height, tolerance = points[:, 2] - edges[count.argmax()], 0.03 * size
    ground = np.column_stack([points[:, :2], np.ones(len(points))])
    for _ in range(6):
        near = level & (np.abs(height) < tolerance)
        plane, *_ = np.linalg.lstsq(ground[near], points[near, 2], rcond=None)
        height = points[:, 2] - ground @ plane
        tolerance = max(3 * 1.48 * float(np.median(np.abs(height[near]))), 1e-4 * size)
    tilted = float(np.hypot(*plane[:2])) > PLANE_SLOPE
    return (np.zeros(len(points)), size) if tilted else (height, tolerance / 3)


def _framed(points: Float64, views: Sequence[View]) -> Bools:
    """(V, N) which photos have which points inside their frame, hidden or not."""
    framed = np.zeros((len(views), len(points)), bool)
    for row, view in zip(framed, views, strict=True):
        pixels, depth = view.project(points)
        row[:] = (depth > 0) & np.all((pixels >= 0) & (pixels < (view.width, view.height)), axis=1)
    return framed


def _radii(cloud: PointCloud, views: Sequence[View]) -> Float64:
    """(N,) size of a photo pixel at each point; in the closest photo where fusion did not say."""
    if cloud.radii is not None:
        return cloud.radii.astype(np.float64)
    nearest = np.full(len(cloud), np.inf)
    for view in views:
        depth = np.linalg.norm(cloud.points - view.center, axis=1)
        nearest = np.minimum(nearest, depth / view.K[0, 0])
    return nearest


def _subject(points: Float64, weight: Float64, radii: Float64, attention: Float64) -> Bools:
    """(N,) the core of what is photographed: the best-watched points at a usual resolution."""
    watched = attention >= _weighted_quantile(attention, weight, 0.75)
    usual = radii <= 1.5 * _weighted_median(radii[watched], weight[watched])
    core: Bools = watched & usual
    return core if core.any() else np.ones(len(points), bool)


def _orbit(points: Float64, subject: Bools, views: Sequence[View], framed: Bools) -> float:
    """How far the cameras stand around the subject and look at it: 0 not at all, 1 fully."""
    focus = np.median(points[subject], axis=0)
    looking = framed[:, subject].mean(axis=1) >= 0.5
    if looking.mean() < ORBIT_SHARE:
        return 0.0
    rays = np.stack([view.center - focus for view in views])[looking]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    spread = float(np.linalg.norm(rays.mean(axis=0)))
    return float(np.clip((ARC_SPREAD - spread) / (ARC_SPREAD - ORBIT_SPREAD), 0, 1))


def _box(points: Float64, weight: Float64, trimmed: float = TRIMMED) -> Box:
    """The smallest level box around the points, but for a few strays on each side."""
    axes = np.eye(3)
    spread = np.cov(points[:, :2].T) if len(points) > 2 else np.eye(2)
    _, directions = np.linalg.eigh(spread)
    axes[0, :2] = directions[:, 1]
    axes[1, :2] = (-axes[0, 1], axes[0, 0])
    along = points @ axes.T
    low, high = (
        np.array([_weighted_quantile(column, weight, q) for column in along.T])
        for q in (trimmed, 1 - trimmed)
    )
    half = (high - low) / 2
    return Box(axes.T @ ((low + high) / 2), axes, half + MARGIN * np.linalg.norm(half))


def _weighted_quantile(values: Float64, weight: Float64, q: float) -> float:
    order = np.argsort(values, kind="stable")
    place = np.cumsum(weight[order])
    return float(values[order][min(np.searchsorted(place, q * place[-1]), len(values) - 1)])


def _weighted_median(values: Float64, weight: Float64) -> float:
    return _weighted_quantile(values, weight, 0.5)
