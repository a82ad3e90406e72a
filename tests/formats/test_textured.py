"""A textured mesh between two stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gypsum.formats.textured import read_textured, write_textured
from gypsum.scene import Material, Mesh, TexturedMesh


@pytest.mark.parametrize("colored", [False, True])
def test_nothing_is_lost(colored: bool, tmp_path: Path):
    random = np.random.default_rng(0)

    def texture(*shape: int) -> np.ndarray:
        return random.integers(0, 256, shape, dtype=np.uint8)

    model = TexturedMesh(
        Mesh(
            random.normal(size=(9, 3)).astype(np.float32),
            random.integers(0, 9, (7, 3), dtype=np.int32),
            texture(9, 3) if colored else None,
        ),
        random.random((8, 2), dtype=np.float32),
        random.integers(0, 8, (7, 3), dtype=np.int32),
        (
            Material("größe /1", texture(32, 32, 3)),
            Material("plain", color=(0.1, 0.5, 0.25)),
            Material(
                "all",
                texture(8, 16, 3),
                normal=texture(4, 4, 3),
                occlusion=texture(2, 4),
                roughness=texture(16, 8),
            ),
        ),
        random.integers(0, 3, 7, dtype=np.int32),
    )
    write_textured(tmp_path, model)
    again = read_textured(tmp_path)
    for name in ("uvs", "uv_faces", "face_materials"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    for name in ("vertices", "faces", "colors"):
        np.testing.assert_array_equal(getattr(again.mesh, name), getattr(model.mesh, name))
    for one, two in zip(again.materials, model.materials, strict=True):
        assert (one.name, one.color) == (two.name, two.color)
        for name in ("base_color", "normal", "occlusion", "roughness"):
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name))
