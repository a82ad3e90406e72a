"""3D Gaussians in the PLY layout of Kerbl et al. 2023, which every viewer of splats reads.

A vertex is a Gaussian: ``f_dc`` are the constant harmonics, ``f_rest`` the others, all of red
before all of green and blue; opacities are logits, scales logarithms, ``rot`` is (w, x, y, z).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gypsum.formats.atomic import atomic_write
from gypsum.formats.ply.read import _optional, _parse, _stack
from gypsum.formats.ply.write import Columns, _encode, _vectors
from gypsum.formats.source import Source
from gypsum.formats.splats.quantities import checked
from gypsum.scene import Splats

_DC = "f_dc_0 f_dc_1 f_dc_2"
_SCALES = "scale_0 scale_1 scale_2"
_TURN = "rot_0 rot_1 rot_2 rot_3"

#: How many f_rest there are for each degree of the harmonics.
_RESTS = (0, 9, 24, 45)


def write_splats(path: Path, splats: Splats) -> None:
    """Write Gaussians with all the harmonics that they have."""
    with atomic_write(path) as file:
        file.write(encode(path, splats))


def encode(_: Path, splats: Splats) -> bytes:
    """The file's bytes."""
    rest = splats.harmonics[:, 1:].transpose(0, 2, 1).reshape(len(splats), -1)
    columns: Columns = _vectors("x y z", "f4", splats.means)
    # Readers of the reference implementation's age want normals, and read zeros.
    columns |= _vectors("nx ny nz", "f4", np.zeros_like(splats.means))
    columns |= _vectors(_DC, "f4", splats.harmonics[:, 0])
    columns |= _vectors(_rests(rest.shape[1]), "f4", rest)
    columns["opacity"] = ("f4", splats.opacities)
    columns |= _vectors(_SCALES, "f4", splats.log_scales)
    columns |= _vectors(_TURN, "f4", splats.quaternions)
    return _encode(columns)


def read_splats(path: Path) -> Splats:
    """Read Gaussians that any program wrote in this layout, of degree 0 to 3."""
    return decode(Source(path))


def decode(source: Source) -> Splats:
    """The same of a file that is being read."""
    vertices = _parse(source).vertices
    count = sum(name.startswith("f_rest_") for name in vertices)
    if "opacity" not in vertices or "f_dc_0" not in vertices:
        raise source.fail("holds no Gaussian splats: it has no opacity or no f_dc_0")
    if count not in _RESTS:
        raise source.fail(f"has {count} f_rest values a splat; 0, 9, 24 or 45 make sense")
    dc = _stack(source, vertices, _DC, np.float32)
    rest = np.empty((len(dc), 0), np.float32)
    if count:
        rest = _stack(source, vertices, _rests(count), np.float32)
    opacities = _optional(source, vertices, "opacity", np.float32, single=True)
    assert opacities is not None
    splats = Splats(
        _stack(source, vertices, "x y z", np.float32),
        _stack(source, vertices, _SCALES, np.float32),
        _stack(source, vertices, _TURN, np.float32),
        opacities,
        np.concatenate([dc[:, None], rest.reshape(len(dc), 3, -1).transpose(0, 2, 1)], axis=1),
    )
    return checked(source, splats)


def _rests(count: int) -> str:
    return " ".join(f"f_rest_{i}" for i in range(count))
