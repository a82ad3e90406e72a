"""The field's kernels again: slow, obvious, in double precision, on a dense grid."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.implicit.grid import TRUNCATION

Float64 = NDArray[np.float64]

GOLDEN = 0.6180339887498949
SOFT, NEAR, FAINT = 0.05, 3.0, 5e-4


def trilinear(values: Float64, points: Float64) -> Float64:
    """Values (nx, ny, nz, ...) at index coordinates (N, 3)."""
    low = np.clip(points.astype(int), 0, np.array(values.shape[:3]) - 2)
    part = points - low
    total = 0.0
    for corner in np.ndindex(2, 2, 2):
        weight = np.prod(np.where(corner, part, 1 - part), axis=1)
        found = values[tuple((low + corner).T)]
        total = total + weight.reshape(-1, *[1] * (found.ndim - 1)) * found
    return np.asarray(total)


def ray(camera: Float64, pixel: Float64) -> tuple[Float64, Float64, float]:
    """Start, unit direction, and depth along z for a unit of length."""
    x, y = (pixel - camera[2:4]) / camera[:2]
    depth = 1 / np.sqrt(1 + x * x + y * y)
    return camera[13:], camera[4:13].reshape(3, 3).T @ np.array([x, y, 1]) * depth, depth


def places(
    distance: Float64, start: Float64, along: Float64, sharpness: float, step: float, shift: float
) -> Float64:
    """How far along a ray the samples lie, where all blocks are there."""
    high = np.array(distance.shape) - 1
    with np.errstate(divide="ignore"):
        first, second = -start / along, (high - 1e-3 - start) / along
    at = max(np.minimum(first, second).max(), 0) + 1e-3 + shift * step
    end = np.maximum(first, second).min()
    found, light, before = [], 1.0, None
    while at < end:
        f = float(trilinear(distance, np.clip(start + at * along, 0, high)[None])[0])
        lit = 1 / (1 + np.exp(-sharpness * f))
        light *= 1 if before is None else min(1, lit / before)
        before = lit
        found.append(at)
        if light < 5e-3:
            break
        at += max(step, 0.6 * f, f - 5 / sharpness)
    return np.array(found)


def seen(
    distance: Float64,
    color: Float64,
    start: Float64,
    along: Float64,
    depth: float,
    at: Float64,
    sharpness: float,
) -> tuple[Float64, float, float]:
    """Colour (3,), opacity and depth, each summed over the samples' weights."""
    points = start + at[:, None] * along
    lit = 1 / (1 + np.exp(-sharpness * trilinear(distance, points)))
    passing = np.minimum(1, lit[1:] / lit[:-1])
    light = np.concatenate([[1], np.cumprod(passing)])
    stopped = light[:-1] - light[1:]
    weight = np.zeros(len(at))
    weight[:-1] += stopped / 2
    weight[1:] += stopped / 2
    basis = np.concatenate([[1], along])
    rows = trilinear(color, points)[:, :12].reshape(-1, 3, 4)
    # The kernel leaves out colours of samples that hardly show.
    rgb = (weight * (weight >= FAINT)) @ (rows @ basis)
    return rgb, float(weight.sum()), float(weight @ at * depth)


def loss(
    rgb: Float64,
    opacity: float,
    far: float,
    target: Float64,
    trust: float,
    depth: Float64 | None,
    optics: Float64,
) -> float:
    """The weighted errors of one pixel."""
    noise, tail, by_color, by_mask, by_depth = optics[2:7]
    error = rgb - opacity * target[:3]
    size = np.sqrt(noise**2 + error @ error) - noise
    total = by_color * trust * target[3] * tail * np.log1p(size / tail)
    total += by_mask * (np.sqrt((opacity - target[3]) ** 2 + SOFT**2) - SOFT)
    if depth is not None:
        whole = np.sqrt((far - opacity * depth[0]) ** 2 + 1) - 1
        total += by_depth * depth[1] * NEAR * np.log1p(whole / NEAR)
    return float(total)


def smoothness(
    distance: Float64, eikonal: float, curvature: float, edge: float, width: float
) -> float:
    """The eikonal and curvature terms of a dense field, but for the nodes at its border."""
    inner = distance[1:-1, 1:-1, 1:-1]
    slopes, bend = [], -6 * inner
    for axis in range(3):
        before, after = (np.roll(distance, step, axis)[1:-1, 1:-1, 1:-1] for step in (1, -1))
        slopes.append((after - before) / 2)
        bend = bend + before + after
    length = np.sqrt(sum(s * s for s in slopes))
    near = np.abs(inner) <= width
    tension = edge**2 * (np.sqrt(1 + (bend / edge) ** 2) - 1)
    return float((near * (eikonal * (length - 1) ** 2 / 2 + curvature * tension)).sum())


def truncated_sphere(shape: tuple[int, int, int], center: Float64, radius: float) -> Float64:
    """Signed distances of a sphere at the nodes of a dense grid."""
    away = np.stack(np.indices(shape), -1) - center
    return np.clip(np.linalg.norm(away, axis=-1) - radius, -TRUNCATION, TRUNCATION)
