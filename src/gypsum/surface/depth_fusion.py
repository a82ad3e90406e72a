"""Depth maps of a sensor to one mesh.

What a sensor's depth map is worth differs from pixel to pixel: where one thing ends before
another, sensors report depths between the two, which are on neither; flat angles and long
distances are noisy; and phones say themselves how sure they are. Each pixel gets a weight of all
that, and the maps are joined in a signed distance field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.errors import ReconstructionError
from gypsum.scene import Box, Mesh, Progress, RgbdFrame, no_progress
from gypsum.scene.depth import denoised, noise_share
from gypsum.surface.fairing import faired
from gypsum.surface.topology import (
    compact,
    face_areas,
    face_components,
    without_degenerate_faces,
)
from gypsum.surface.volume import MEMORY, TRUNCATION, TsdfVolume

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

#: A jump between neighbours of more than this share of the depth is an edge of something.
EDGE = 0.02
#: Between things most of the jump, this share of what lies between pixels so far on both sides, is
#: passed within two pixels.
SUDDEN, ASIDE = 0.4, 4
#: Steps of smoothing the surface's roughness, which is that of voxels.
FAIRED = 5
#: Normals are those of a map without noise of this share of the depth.
SMOOTHED = 0.01
#: Surfaces seen at a flatter angle than 85 degrees tell nothing.
FLATTEST = 0.08
#: Depth whose pixels weigh one, metres; noise grows with the depth, the weight falls with its
#: square, within these limits.
UNIT_DEPTH, NEAR_WEIGHT, FAR_WEIGHT = 1.5, 2.0, 0.1
#: Voxels in terms of a pixel's size on the surface: many maps together show more than one.
VOXELS_PER_PIXEL = 0.6
#: The smallest and the largest voxel that is chosen, metres.
FINEST, COARSEST = 0.002, 0.05
#: The truncation in terms of the noise of a single depth.
NOISE_TRUNCATED = 3.0
#: Noise above this share of the depth is averaged within each map; it shrinks by about the gain.
NOISY, NOISE_GAIN = 0.003, 3.0
#: Voxels in terms of the noise of a depth: finer ones only show noise.
VOXELS_PER_NOISE = 0.4
#: Weight of a depth from pictures, against the same one from the sensor.
PICTURED = 4.0
#: Weight below which a voxel counts as unseen.
LEAST_WEIGHT = 0.1
#: Parts of the surface with a smaller share of its area than this, and smaller than a disc of so
#: many voxels' radius, are dirt.
DIRT_SHARE, DIRT_VOXELS = 0.002, 12.0


@dataclass(frozen=True)
class FusedSurface:
    """What fusion made and found."""

    mesh: Mesh
    voxel: float
    truncation: float
    noise: float
    """Standard deviation of a depth in the middle of the range, world units."""
    maps: int


def pixel_weights(frame: RgbdFrame, depth: Float32) -> Float32:
    """(h, w) how much each depth tells, 0 where nothing."""
    known = depth > 0
    nearness = (np.float32(UNIT_DEPTH) / np.maximum(depth, np.float32(1e-3))) ** 2
    weights = np.clip(nearness, FAR_WEIGHT, NEAR_WEIGHT) * frame.read_confidence(depth.shape) ** 2
    weights *= _cosines(depth, frame.intrinsics(depth.shape[1], depth.shape[0]))
    weights[~known | _between_things(depth)] = 0
    return weights.astype(np.float32)


def _between_things(depth: Float32) -> NDArray[np.bool_]:
    """(h, w) pixels whose depth is a mixture of two things, and lies on neither.

    Something clearly nearer is on one side and something clearly farther on the other, and most of
    what lies between them is passed within two pixels: slopes go on. Pixels of a thin thing have
    what is farther on both sides, and stay.
    """
    between = np.zeros(depth.shape, bool)
    limit = np.float32(EDGE) * depth
    lower, upper = depth - limit, depth + limit
    padded = cv2.copyMakeBorder(depth, *(4 * (ASIDE,)), cv2.BORDER_REPLICATE)
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        one, other = (_moved(padded, depth.shape, side * dy, side * dx) for side in (1, -1))
        near, far = cv2.min(one, other), cv2.max(one, other)
        jump = (near > 0) & (near < lower) & (far > upper)
        if jump.any():
            ends = [
                _moved(padded, depth.shape, side * ASIDE * dy, side * ASIDE * dx)
                for side in (1, -1)
            ]
            between |= jump & (far - near > SUDDEN * np.abs(ends[0] - ends[1]))
    return between & (depth > 0)


def _moved(padded: Float32, shape: tuple[int, ...], dy: int, dx: int) -> Float32:
    """(h, w) the neighbours at an offset, of a map with a border of `ASIDE`."""
    height, width = shape
    return padded[ASIDE + dy : ASIDE + dy + height, ASIDE + dx : ASIDE + dx + width]


def _cosines(depth: Float32, K: Float64) -> Float32:
    """(h, w) cosines between lines of sight and the surface's normals; 0 where too flat.

    With the depth z and the ray r = ((u - cx) / fx, (v - cy) / fy, 1), the surface's normal is
    n = (fx z_u, fy z_v, -(z + (u - cx) z_u + (v - cy) z_v)), and n r = -z. Slopes are those on the
    flatter side of a pixel, so that an edge makes nothing of the thing before it flat.
    """
    height, width = depth.shape
    x = (np.arange(width) + 0.5 - K[0, 2]).astype(np.float32)
    y = (np.arange(height) + 0.5 - K[1, 2]).astype(np.float32)[:, None]
    # Noise would tilt normals of single pixels.
    smooth = denoised(depth, SMOOTHED)
    across, down = _slopes(smooth), _slopes(smooth.T).T
    along = smooth + x * across + y * down
    fx, fy = np.float32(K[0, 0]), np.float32(K[1, 1])
    normals = (fx * across) ** 2 + (fy * down) ** 2 + along**2
    rays = (x / fx) ** 2 + (y / fy) ** 2 + np.float32(1)
    cosines = smooth / np.sqrt(np.maximum(normals * rays, np.float32(1e-20)))
    return np.where(cosines > FLATTEST, cosines, 0).astype(np.float32)


def _slopes(depth: Float32) -> Float32:
    """(h, w) change of depth by a pixel to the right, over two pixels on the flatter side."""
    padded = np.pad(depth, ((0, 0), (2, 2)), "edge")
    steps = (padded[:, 2:] - padded[:, :-2]) / np.float32(2)
    before, after = steps[:, :-2], steps[:, 2:]
    return np.where(np.abs(before) < np.abs(after), before, after)


def depth_noise(frames: Sequence[RgbdFrame]) -> tuple[float, float]:
    """The noise of a depth at the middle depth, and that depth, world units."""
    noises, middles = [], []
    for frame in frames:
        depth = frame.read_depth()
        share = noise_share(depth)
        if share is not None:
            middles.append(float(np.median(depth[depth > 0])))
            noises.append(share * middles[-1])
    return (float(np.median(noises)), float(np.median(middles))) if noises else (0.0, 1.0)


def choose_voxel(frames: Sequence[RgbdFrame]) -> float:
    """The voxel's edge that keeps what the depth maps hold, world units."""
    sizes = []
    for frame in frames:
        depth = frame.read_depth()
        if (depth > 0).any():
            K = frame.intrinsics(depth.shape[1], depth.shape[0])
            sizes.append(float(np.median(depth[depth > 0])) / K[0, 0])
    voxel = VOXELS_PER_PIXEL * float(np.median(sizes)) if sizes else COARSEST
    return min(max(voxel, FINEST), COARSEST)


def spread(frames: Sequence[RgbdFrame], most: int) -> list[RgbdFrame]:
    """Some of the frames, evenly."""
    step = max(1, len(frames) // most)
    return list(frames[::step])


def fuse_frames(
    frames: Sequence[RgbdFrame],
    *,
    voxel: float | None = None,
    box: Box | None = None,
    memory: int = MEMORY,
    threads: int = 0,
    progress: Progress = no_progress,
    pictured: Sequence[RgbdFrame] = (),
    weights_of: Callable[[RgbdFrame, Float32], Float32] = pixel_weights,
) -> FusedSurface:
    """The surface that posed depth maps show; ``box`` leaves out what lies beside it.

    ``pictured`` are maps that pictures gave; voxels and noise are the sensor's.
    """
    frames = [frame for frame in frames if frame.depth is not None and frame.R is not None]
    if not frames:
        raise ReconstructionError("No depth map has a place in space, so there is no surface.")
    some = spread(frames, 24)
    noise, middle = depth_noise(some)
    share = noise / middle
    noisy = share > NOISY
    voxel = voxel or max(choose_voxel(some), VOXELS_PER_NOISE * noise)
    left = noise / NOISE_GAIN if noisy else noise
    truncation = max(TRUNCATION * voxel, NOISE_TRUNCATED * left)
    volume = TsdfVolume(voxel, truncation=truncation, memory=memory // 2, threads=threads)

    def sensed(frame: RgbdFrame) -> tuple[Float32, Float32]:
        depth = frame.read_depth()
        weights = weights_of(frame, depth)
        if noisy:
            depth = denoised(np.where(weights > 0, depth, 0).astype(np.float32), share)
        return depth, weights

    def measured(frame: RgbdFrame) -> tuple[Float32, Float32]:
        depth = frame.read_depth()
        return depth, np.float32(PICTURED) * weights_of(frame, depth)

    every = [(sensed, frame) for frame in frames] + [(measured, frame) for frame in pictured]
    for number, (frame, (depth, weights)) in enumerate(_ahead(every)):
        progress(0.8 * number / len(every), f"joining depth map {number + 1} of {len(every)}")
        K = frame.intrinsics(depth.shape[1], depth.shape[0])
        volume.integrate(depth, K, frame.R, frame.t, weights=weights)
    progress(0.8, "finding the surface")
    mesh = volume.mesh(LEAST_WEIGHT)
    if box is not None:
        inside = box.contains(mesh.vertices)
        mesh = compact(Mesh(mesh.vertices, mesh.faces[inside[mesh.faces].all(axis=1)]))
    progress(0.9, "leaving out dirt")
    mesh = without_dirt(without_degenerate_faces(mesh), np.pi * (DIRT_VOXELS * voxel) ** 2)
    mesh = faired(mesh, FAIRED)
    if not len(mesh.faces):
        raise ReconstructionError(
            "The depth maps show no surface together; their places in space do not fit each other."
        )
    return FusedSurface(mesh, voxel, truncation, noise, len(every))


def _ahead(
    jobs: Sequence[tuple[Callable[[RgbdFrame], tuple[Float32, Float32]], RgbdFrame]],
) -> Iterator[tuple[RgbdFrame, tuple[Float32, Float32]]]:
    """Each frame with what is made of it, in order; the next one is made while one is used."""
    with ThreadPoolExecutor(1) as pool:
        prepare, first = jobs[0]
        coming = pool.submit(prepare, first)
        for (_, frame), (prepare, following) in pairwise(jobs):
            made = coming.result()
            coming = pool.submit(prepare, following)
            yield frame, made
        yield jobs[-1][1], coming.result()


def without_dirt(mesh: Mesh, area: float) -> Mesh:
    """The parts of at least this area, or of `DIRT_SHARE` of the whole; the largest always."""
    if not len(mesh.faces):
        return mesh
    parts, label = face_components(mesh.faces)
    areas = np.bincount(label, face_areas(mesh), parts)
    keep = areas >= min(area, areas.max())
    keep |= areas >= DIRT_SHARE * areas.sum()
    return compact(Mesh(mesh.vertices, mesh.faces[keep[label]]))
