"""Splats in USD: OpenUSD's ``ParticleField3DGaussianSplat``, in a USDZ package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.formats.gltf.splats import joined, placed
from gypsum.formats.source import Source
from gypsum.formats.splats.quantities import TERMS, checked, logits, sigmoid, unit
from gypsum.formats.usd.installed import check_installed
from gypsum.formats.usd.package import pack
from gypsum.formats.usd.write import binary, identifier, new_stage, vectors
from gypsum.scene import Splats

_SMALLEST = 1e-12
_EXACT = 1e-7
_REACH = 3.0
"""Standard deviations within which a splat is seen."""


def encode(path: Path, splats: Splats) -> bytes:
    """The bytes of a USDZ."""
    check_installed()
    from pxr import Usd, UsdVol, Vt

    if not hasattr(UsdVol, "ParticleField3DGaussianSplat"):
        raise InputError("Splats as USD need a newer usd-core; pip install --upgrade usd-core.")
    stage, root = new_stage(identifier(path))
    field = UsdVol.ParticleField3DGaussianSplat.Define(stage, f"{root}/splats")
    sizes = np.exp(splats.log_scales.astype(np.float64))
    field.CreatePositionsAttr(vectors(splats.means))
    field.CreateScalesAttr(vectors(sizes.astype(np.float32)))
    # USD keeps the real part last.
    turns = np.ascontiguousarray(unit(splats.quaternions)[:, [1, 2, 3, 0]], np.float32)
    field.CreateOrientationsAttr(Vt.QuatfArray.FromNumpy(turns))
    opacities = np.ascontiguousarray(sigmoid(splats.opacities), np.float32)
    field.CreateOpacitiesAttr(Vt.FloatArray.FromNumpy(opacities))
    field.CreateRadianceSphericalHarmonicsDegreeAttr(splats.degree)
    harmonics = field.CreateRadianceSphericalHarmonicsCoefficientsAttr(
        vectors(splats.harmonics.reshape(-1, 3))
    )
    harmonics.SetMetadata("elementSize", splats.harmonics.shape[1])
    reach = _REACH * sizes.max(axis=1, keepdims=True).astype(np.float32)
    corners = [(splats.means - reach).min(axis=0), (splats.means + reach).max(axis=0)]
    field.CreateExtentAttr(vectors(np.stack(corners)))
    Usd.ColorSpaceAPI.Apply(field.GetPrim()).CreateColorSpaceNameAttr("srgb_rec709_display")
    return pack({"model.usdc": binary(stage)})


def decode(
    source: Source, arrays: dict[str, NDArray[Any]], keys: list[str], meters_per_unit: float
) -> Splats:
    """The splats of all fields in the scene's frame, in metres."""
    return joined([_field(source, arrays, key, meters_per_unit) for key in keys])


def _field(source: Source, arrays: dict[str, NDArray[Any]], key: str, unit_size: float) -> Splats:
    means, sizes, turns, opacities, harmonics = (
        arrays[key + name] for name in ("means", "sizes", "turns", "opacities", "harmonics")
    )
    count = len(means)
    terms = len(harmonics) // max(count, 1)
    if {len(sizes), len(turns), len(opacities)} != {count} or terms * count != len(harmonics):
        raise source.fail("has splats without some of their properties; it is damaged")
    if terms not in TERMS:
        raise source.fail(f"has {terms} harmonics a splat; 1, 4, 9 or 16 make sense")
    splats = checked(
        source,
        Splats(
            means,
            np.log(np.maximum(sizes, _SMALLEST)).astype(np.float32),
            unit(turns[:, [3, 0, 1, 2]]).astype(np.float32),
            logits(opacities, _EXACT),
            harmonics.reshape(count, terms, 3),
        ),
    )
    matrix = arrays[f"{key}matrix"].copy()
    matrix[:3] *= unit_size
    return placed(source, splats, matrix)
