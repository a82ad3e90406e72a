"""Light taken out of colours, and roughness guessed: what a renderer needs to light a scan anew.

Both are estimates. Light from afar that depends on the surface's direction only (no cast shadows
beyond ambient occlusion) is told from paint by how it changes: between neighbouring places of
different direction, colour mostly changes because of light. An object whose paint follows its
directions, such as a dark top on light sides, is read as lit from below.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import srgb_encoded
from gypsum.scene import Mesh
from gypsum.texture.candidates import Candidates
from gypsum.texture.topology import vertex_average

Float64 = NDArray[np.float64]

STEPS = (2, 6, 18)
"""Lengths of the random walks over the mesh whose ends are compared, edges."""
WALKS = 100_000
"""Walks of each length."""
PAINT = 0.15
"""Difference of the logarithm between two places that is nothing unusual for paint."""
STEPS_OF_FIT = 15
DIMMEST = 0.1
"""Light in the darkest direction, share of the mean over all directions."""
MOST_POWER = 1.5
"""Largest power of ambient occlusion."""
RIDGE = 1e-4
"""How much the light resists depending on directions at all, beside what the colours say."""
DARKEST, BRIGHTEST = 0.003, 0.98
STRONGEST = np.log(4.0)
"""Natural logarithm of the largest factor by which colours are changed."""

MATTE, SHINY = 0.9, 0.35
"""Roughness of what never changes between photos, and of what changes most."""
NOISE, GLEAM = 0.03, 0.25
"""sRGB-encoded brightening, beyond the usual look, that is nothing, and that is a clear gleam."""
BRIGHT = 0.9
"""The brighter looks: this quantile."""
SMOOTHING = 8
"""Rings over which roughness is averaged."""


def shading(
    mesh: Mesh, normals: NDArray[np.float32], openness: NDArray[np.float32], colors: Float64
) -> Float64:
    """The light (V, 3) on each vertex, with geometric mean one, from linear ``colors`` (V, 3).

    The light is a spherical harmonic of second order in the normals (V, 3), as Ramamoorthi,
    Hanrahan 2001 show that diffuse light is, times a power of ambient occlusion (``openness``
    (V,)). It is fitted, robustly against edges in the paint, to the differences of logarithmic
    colours between vertices a short walk apart.
    """
    usable = np.all((colors > DARKEST) & (colors < BRIGHTEST), axis=1)
    a, b = _pairs(mesh)
    both = usable[a] & usable[b]
    a, b = a[both], b[both]
    if len(a) == 0:
        return np.ones_like(colors)
    basis = _harmonics(normals)
    hidden = np.log(np.maximum(openness.astype(np.float64), 0.05))
    logs = np.log(np.maximum(colors, DARKEST))
    light = np.empty_like(colors)
    for channel in range(3):
        step = logs[a, channel] - logs[b, channel]
        light[:, channel] = _fit_light(basis, hidden, a, b, step)
    light -= light[usable].mean(axis=0)
    return np.exp(np.clip(light, -STRONGEST, STRONGEST))


def _fit_light(
    basis: Float64, hidden: Float64, a: NDArray[np.int64], b: NDArray[np.int64], step: Float64
) -> Float64:
    """Logarithm of the light (V,) whose differences between vertices a and b are ``step`` (N,).

    Gauss-Newton steps on log(1 + basis @ c) + power * hidden, with Cauchy weights.
    """
    fitted: Float64 = np.zeros(basis.shape[1])
    power = 0.0
    for _ in range(STEPS_OF_FIT):
        light = np.maximum(1 + basis @ fitted, DIMMEST)
        log = np.log(light) + power * hidden
        error = step - (log[a] - log[b])
        weights = 1 / (1 + (error / PAINT) ** 2)
        slope = np.column_stack([basis / light[:, None], hidden])
        rows = slope[a] - slope[b]
        weighted = rows * weights[:, None]
        normal = weighted.T @ rows + RIDGE * len(rows) * np.eye(rows.shape[1])
        pull = weighted.T @ error - RIDGE * len(rows) * np.append(fitted, power)
        change = np.linalg.solve(normal, pull)
        fitted = fitted + change[:-1]
        # Occlusion only ever takes light away.
        power = float(np.clip(power + change[-1], 0, MOST_POWER))
    light = np.maximum(1 + basis @ fitted, DIMMEST)
    return np.asarray(np.log(light) + power * hidden)


def _harmonics(normals: NDArray[np.float32]) -> Float64:
    """(V, 8) real spherical harmonics of orders one and two, not normalised."""
    x, y, z = normals.astype(np.float64).T
    return np.stack([x, y, z, x * y, y * z, z * x, x * x - y * y, 3 * z * z - 1], axis=1)


def _pairs(mesh: Mesh) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ends of random walks along the mesh's edges."""
    near = vertex_average(mesh)
    degrees = np.diff(near.indptr)
    rng = np.random.default_rng(0)
    used = np.unique(mesh.faces)
    starts, ends = [], []
    for steps in STEPS:
        start = rng.choice(used, WALKS)
        end = start
        for _ in range(steps):
            end = near.indices[near.indptr[end] + (rng.random(WALKS) * degrees[end]).astype(int)]
        starts.append(start)
        ends.append(end)
    return np.concatenate(starts), np.concatenate(ends)


def roughness(mesh: Mesh, candidates: Candidates, gains: Float64) -> NDArray[np.float32]:
    """Roughness (V,) from how much brighter than usual some photos show a place.

    A matte place looks the same from everywhere; a gleam is seen from few places. No lamp's place
    is known, so this tells shiny from matte parts, not how shiny they are.
    """
    even = srgb_encoded(candidates.colors * gains[candidates.views])
    luma = even @ np.array([0.299, 0.587, 0.114])
    order = np.lexsort((luma, candidates.faces))
    luma = luma[order]
    first, counts = candidates.first[:-1], candidates.counts
    enough = np.flatnonzero(counts >= 4)
    usual = luma[first[enough] + (counts[enough] - 1) // 2]
    bright = luma[first[enough] + np.floor(BRIGHT * (counts[enough] - 1)).astype(np.int64)]
    corners = mesh.faces[enough].ravel()
    weight = np.bincount(corners, minlength=len(mesh.vertices)).astype(np.float64)
    gleam = np.bincount(corners, np.repeat(bright - usual, 3), len(mesh.vertices))
    average = vertex_average(mesh)
    for _ in range(SMOOTHING):
        weight, gleam = average @ weight, average @ gleam
    mean = np.where(weight > 1e-9, gleam / np.maximum(weight, 1e-9), 0)
    share = np.clip((mean - NOISE) / (GLEAM - NOISE), 0, 1)
    return (MATTE + (SHINY - MATTE) * np.sqrt(share)).astype(np.float32)
