"""How closely, how long and how smoothly a surface is fitted to photos."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """A part of the fit: nodes as fine, photos as large, so many steps."""

    resolution: float
    """Voxels along the box's longest side, as a share of the finest level's."""
    photos: float
    """Size of the photos, as a share of what they are given at."""
    steps: int
    rays: int
    """In a step, about."""
    rate: float = 0.06
    """Of the distances, voxels a step at most, at the beginning; it falls to a fifth."""


@dataclass(frozen=True)
class ImplicitSettings:
    """Settings of a fit; lengths in voxels of the level unless they say otherwise."""

    resolution: int = 192
    """Voxels along the box's longest side at the end."""
    levels: tuple[Level, ...] = (
        Level(0.5, 0.5, 160, 25_000, rate=0.12),
        Level(1.0, 1.0, 150, 60_000),
    )
    seed: int = 0
    color_weight: float = 1.0
    mask_weight: float = 0.4
    depth_weight: float = 0.1
    eikonal: float = 0.1
    curvature: float = 0.01
    edge: float = 0.5
    """Curvature beyond which more of it hardly costs more: edges stay."""
    diffusion: int = 4
    """Rounds by which each step's derivative is spread to its neighbours."""
    color_rate: float = 0.02
    gloss_rate: float = 0.01
    """Of what colours change with the direction."""
    gloss_decay: float = 0.001
    sharpness: tuple[float, float] = (0.8, 2.0)
    """Of the density around the surface, at the beginning and end of a level."""
    noise: float = 0.02
    """Of colours, 0 to 1."""
    tail: float = 0.15
    """Errors of colours above it hardly count: highlights, reflections."""
    rebuild: int = 40
    """Steps after which distances are made distances again, and blocks follow the surface."""
    hull_margin: float = 1.5
    """How far outside the hull the surface may get, voxels of the hull."""
