"""Gaussian splats in PLY."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import trimesh

from gypsum.errors import InputError
from gypsum.formats.ply import read_splats, write_splats
from gypsum.scene import Splats


def some(count: int = 30, degree: int = 3) -> Splats:
    rng = np.random.default_rng(0)
    return Splats.from_rows(rng.normal(size=(count, 59)).astype(np.float32), degree)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_nothing_is_lost(tmp_path: Path, degree: int) -> None:
    splats = some(degree=degree)
    write_splats(tmp_path / "a.ply", splats)
    again = read_splats(tmp_path / "a.ply")
    assert again.degree == degree
    np.testing.assert_array_equal(again.rows(), splats.rows())


def test_layout_is_that_of_the_reference(tmp_path: Path) -> None:
    splats = some()
    path = tmp_path / "a.ply"
    write_splats(path, splats)
    vertices = trimesh.load(path, process=False).metadata["_ply_raw"]["vertex"]["data"]
    names = list(vertices.dtype.names)
    assert names[:9] == ["x", "y", "z", "nx", "ny", "nz", "f_dc_0", "f_dc_1", "f_dc_2"]
    assert names[9:54] == [f"f_rest_{i}" for i in range(45)]
    assert names[54:] == [
        "opacity", "scale_0", "scale_1", "scale_2", "rot_0", "rot_1", "rot_2", "rot_3",
    ]  # fmt: skip
    # All of red, then all of green, then all of blue.
    np.testing.assert_array_equal(vertices["f_rest_14"], splats.harmonics[:, 15, 0])
    np.testing.assert_array_equal(vertices["f_rest_15"], splats.harmonics[:, 1, 1])


def test_other_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "cloud.ply"
    path.write_text(
        "ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nproperty float y\n"
        "property float z\nend_header\n0 0 0\n"
    )
    with pytest.raises(InputError, match=r"cloud\.ply holds no Gaussian splats"):
        read_splats(path)


def test_damage_is_named(tmp_path: Path) -> None:
    splats = some()
    splats.means[3, 1] = np.nan
    write_splats(tmp_path / "a.ply", splats)
    with pytest.raises(InputError, match="damaged"):
        read_splats(tmp_path / "a.ply")
    data = (tmp_path / "a.ply").read_bytes()
    (tmp_path / "b.ply").write_bytes(data[:-100])
    with pytest.raises(InputError, match=r"b\.ply"):
        read_splats(tmp_path / "b.ply")
