"""Splats in glTF: points with the extension ``KHR_gaussian_splatting``, Y up.

Written are the extension's own attributes, as floats, which lose nothing; programs that don't know
it show coloured points. Read is also what its draft ``KHR_gaussian_splatting_compression_spz_2``
packs.
"""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum._version import __version__
from gypsum.formats.gltf.accessors import Accessors
from gypsum.formats.gltf.buffer import BufferBuilder, Json
from gypsum.formats.source import Source
from gypsum.formats.splats import spz
from gypsum.formats.splats.quantities import (
    TERMS,
    check_count,
    checked,
    logits,
    plain_colors,
    sigmoid,
    to_bytes,
    unit,
)
from gypsum.scene import Splats

EXTENSION = "KHR_gaussian_splatting"
PACKED = "KHR_gaussian_splatting_compression_spz_2"

_POINTS = 0
_SMALLEST = 1e-12
_EXACT = 1e-7
"""Opacities are floats."""


def encode(path: Path, splats: Splats) -> bytes:
    """The bytes of a GLB."""
    buffer = BufferBuilder()
    opacity = sigmoid(splats.opacities)
    shown = np.c_[to_bytes(plain_colors(splats)), to_bytes(opacity)].astype(np.uint8)
    attributes = {
        "POSITION": buffer.add_vectors(splats.means.astype("<f4"), bounds=True),
        "COLOR_0": buffer.add_vectors(shown, normalized=True),
    }
    for name, values in {
        "ROTATION": unit(splats.quaternions)[:, [1, 2, 3, 0]],
        "SCALE": np.exp(splats.log_scales.astype(np.float64)),
        "OPACITY": opacity,
        **_harmonics(splats),
    }.items():
        attributes[f"{EXTENSION}:{name}"] = buffer.add_vectors(values.astype("<f4"))
    kernel = {
        "kernel": "ellipse",
        "colorSpace": "srgb_rec709_display",
        "sortingMethod": "cameraDistance",
        "projection": "perspective",
    }
    points = {"attributes": attributes, "mode": _POINTS, "extensions": {EXTENSION: kernel}}
    document: Json = {
        "asset": {"version": "2.0", "generator": f"Gypsum {__version__}"},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0, "name": path.stem}],
        "meshes": [{"primitives": [points], "name": path.stem}],
    }
    text = json.dumps(buffer.finish(document), separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text
    chunks += struct.pack("<I4s", len(buffer.content), b"BIN\0") + buffer.content
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _harmonics(splats: Splats) -> dict[str, NDArray[np.float32]]:
    return {
        f"SH_DEGREE_{degree}_COEF_{number}": splats.harmonics[:, degree**2 + number]
        for degree in range(splats.degree + 1)
        for number in range(2 * degree + 1)
    }


def are_splats(primitive: Json) -> bool:
    """Whether a primitive holds splats."""
    return EXTENSION in primitive.get("extensions", {})


def decode(
    source: Source, document: Json, accessors: Accessors, primitive: Json, size: int
) -> Splats:
    """The splats of a primitive, in its node's frame; ``size`` is the file's, in bytes."""
    packed = primitive["extensions"][EXTENSION].get("extensions", {}).get(PACKED)
    if packed is not None:
        return spz.decode_bytes(source, accessors.view(packed["bufferView"]))
    held: dict[str, int] = primitive["attributes"]
    counts = {int(document["accessors"][index]["count"]) for index in held.values()}
    if len(counts) != 1:
        raise source.fail("has splats without some of their properties; it is damaged")
    check_count(source, counts.pop(), size)

    def values(name: str) -> NDArray[Any]:
        return accessors.values(held[f"{EXTENSION}:{name}"])

    terms = sum(name.startswith(f"{EXTENSION}:SH_DEGREE_") for name in held)
    if terms not in TERMS:
        raise source.fail(f"has {terms} harmonics a splat; 1, 4, 9 or 16 make sense")
    names = (f"SH_DEGREE_{d}_COEF_{n}" for d in range(4) for n in range(2 * d + 1) if d * d < terms)
    return checked(
        source,
        Splats(
            accessors.values(held["POSITION"]).astype(np.float32),
            np.log(np.maximum(values("SCALE"), _SMALLEST)).astype(np.float32),
            unit(values("ROTATION")[:, [3, 0, 1, 2]]).astype(np.float32),
            logits(values("OPACITY")[:, 0], _EXACT),
            np.stack([values(name) for name in names], axis=1).astype(np.float32),
        ),
    )


def placed(source: Source, splats: Splats, matrix: NDArray[np.float64]) -> Splats:
    """Splats of a node in the scene, by the node's (4, 4) matrix.

    Splats turn and grow; where a matrix does more, such as mirror, that is left out of their shape.
    """
    linear = matrix[:3, :3]
    left, stretch, right = np.linalg.svd(linear)
    factor = float(np.prod(stretch) ** (1 / 3))
    if factor < _SMALLEST:
        raise source.fail("has splats that are flattened by their node; it is damaged")
    rotation = left @ np.diag([1, 1, np.linalg.det(left @ right)]) @ right
    if np.abs(linear - factor * rotation).max() > 1e-4 * factor:
        source.tell("mirrors or stretches splats, of which only the places follow")
    moved = splats.moved(rotation, factor)
    means = splats.means @ linear.T + matrix[:3, 3]
    return replace(moved, means=means.astype(np.float32))


def joined(parts: list[Splats]) -> Splats:
    """All splats of a file; harmonics up to the highest degree of any."""
    terms = max(part.harmonics.shape[1] for part in parts)
    padded = [
        np.pad(part.harmonics, ((0, 0), (0, terms - part.harmonics.shape[1]), (0, 0)))
        for part in parts
    ]
    return Splats(
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.log_scales for part in parts]),
        np.concatenate([part.quaternions for part in parts]),
        np.concatenate([part.opacities for part in parts]),
        np.concatenate(padded),
    )
