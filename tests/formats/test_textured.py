"""A textured mesh between two stages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gypsum.formats.textured import read_textured, write_textured
from gypsum.scene import Mesh, TexturedMesh


@pytest.mark.parametrize("colored", [False, True])
def test_nothing_is_lost(colored: bool, tmp_path: Path):
    random = np.random.default_rng(0)
    colors = random.integers(0, 256, (9, 3), dtype=np.uint8) if colored else None
    model = TexturedMesh(
        Mesh(
            random.normal(size=(9, 3)).astype(np.float32),
            random.integers(0, 9, (7, 3), dtype=np.int32),
            colors,
        ),
        random.random((8, 2), dtype=np.float32),
        random.integers(0, 8, (7, 3), dtype=np.int32),
        random.integers(0, 256, (32, 32, 3), dtype=np.uint8),
    )
    write_textured(tmp_path, model)
    again = read_textured(tmp_path)
    for name in ("uvs", "uv_faces", "atlas"):
        np.testing.assert_array_equal(getattr(again, name), getattr(model, name))
    for name in ("vertices", "faces", "colors"):
        np.testing.assert_array_equal(getattr(again.mesh, name), getattr(model.mesh, name))
