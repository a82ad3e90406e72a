# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in and out, through the operators."""

from __future__ import annotations

import resource
import struct
import time
from dataclasses import fields
from pathlib import Path

import bpy
import numpy as np
import pytest
from addon import files, objects
from addon.splats import Splats, sigmoid, unit


def _same(first: Splats, second: Splats) -> bool:
    """To the last bit."""
    return all(
        np.array_equal(getattr(first, field.name), getattr(second, field.name))
        for field in fields(Splats)
    )


def _through_blender(path: Path, out: Path) -> Splats:
    bpy.ops.import_scene.gypsum_splats(filepath=str(path))
    bpy.ops.export_scene.gypsum_splats(filepath=str(out))
    return files.read(out)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_ply_comes_back_to_the_last_byte(tmp_path: Path, make_splats, degree: int) -> None:
    path = tmp_path / "a.ply"
    files.write(path, make_splats(200, degree))
    _through_blender(path, tmp_path / "b.ply")
    assert path.read_bytes() == (tmp_path / "b.ply").read_bytes()


def test_attributes_are_the_file_s_numbers(tmp_path: Path, make_splats) -> None:
    splats = make_splats(50)
    files.write(tmp_path / "a.ply", splats)
    bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / "a.ply"))
    mesh = bpy.context.active_object.data
    assert {"scale", "rotation", "opacity", "sh_0", "sh_15"} <= set(mesh.attributes.keys())
    assert _same(objects.splats_of(mesh), splats)
    assert tuple(mesh.attributes["rotation"].data[7].value) == tuple(splats.quaternions[7])


def test_edit_mode_and_saving_lose_nothing(tmp_path: Path, make_splats) -> None:
    splats = make_splats(50)
    files.write(tmp_path / "a.ply", splats)
    bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / "a.ply"))
    bpy.ops.object.mode_set(mode="EDIT")
    bpy.ops.object.mode_set(mode="OBJECT")
    bpy.ops.wm.save_as_mainfile(filepath=str(tmp_path / "a.blend"))
    bpy.ops.wm.open_mainfile(filepath=str(tmp_path / "a.blend"))
    assert _same(objects.splats_of(bpy.context.active_object.data), splats)


def test_spz_comes_back_within_its_precision(tmp_path: Path, make_splats) -> None:
    path = tmp_path / "a.spz"
    files.write(path, make_splats(5000))
    first = files.read(path)
    second = _through_blender(path, tmp_path / "b.spz")
    for name in ("means", "log_scales", "opacities", "harmonics"):
        assert np.array_equal(getattr(first, name), getattr(second, name)), name
    cosine = np.abs((unit(first.quaternions) * unit(second.quaternions)).sum(axis=1))
    assert cosine.min() > 1 - 1e-5


def test_spz_is_near_what_was_written(tmp_path: Path, make_splats) -> None:
    splats = make_splats(2000)
    files.write(tmp_path / "a.spz", splats)
    read = files.read(tmp_path / "a.spz")
    assert np.abs(read.means - splats.means).max() < 1e-6
    assert np.abs(read.log_scales - splats.log_scales).max() <= 1 / 32 + 1e-6
    assert np.abs(sigmoid(read.opacities) - sigmoid(splats.opacities)).max() < 1 / 255
    cosine = np.abs((unit(read.quaternions) * unit(splats.quaternions)).sum(axis=1))
    assert cosine.min() > 1 - 1e-4


def test_splat_files_are_read(tmp_path: Path) -> None:
    row = struct.pack("<6f8B", 1, 2, 3, 0.1, 0.2, 0.3, 255, 0, 128, 200, 255, 128, 128, 128)
    (tmp_path / "a.splat").write_bytes(row)
    bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / "a.splat"))
    thing = bpy.context.active_object
    splats = objects.splats_of(thing.data)
    assert np.allclose(np.exp(splats.log_scales), [[0.1, 0.2, 0.3]])
    assert np.allclose(sigmoid(splats.opacities), 200 / 255)
    assert np.allclose(splats.quaternions, [[1, 0, 0, 0]])
    # Y is down in the file: what has y = 2 stands 2 below.
    assert np.allclose(thing.matrix_world @ thing.data.vertices[0].co, (1, 3, -2))


def test_a_moved_object_is_exported_where_it_stands(tmp_path: Path, make_splats) -> None:
    splats = make_splats(40)
    files.write(tmp_path / "a.ply", splats)
    bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / "a.ply"))
    bpy.context.active_object.location.x = 2
    bpy.context.active_object.scale = (2, 2, 2)
    bpy.context.view_layer.update()
    bpy.ops.export_scene.gypsum_splats(filepath=str(tmp_path / "b.ply"))
    moved = files.read(tmp_path / "b.ply")
    assert np.allclose(moved.means, splats.means * 2 + [2, 0, 0], atol=1e-5)
    assert np.allclose(moved.log_scales, splats.log_scales + np.log(2), atol=1e-5)
    assert np.array_equal(moved.harmonics, splats.harmonics)


def test_formats_with_other_axes_agree(tmp_path: Path, make_splats) -> None:
    splats = make_splats(40)
    files.write(tmp_path / "a.ply", splats)
    back = tmp_path / "b.spz"
    _through_blender(tmp_path / "a.ply", back)
    bpy.ops.object.select_all(action="DESELECT")
    bpy.ops.import_scene.gypsum_splats(filepath=str(back))
    world = np.array(bpy.context.active_object.matrix_world)
    means = objects.splats_of(bpy.context.active_object.data).means
    assert np.allclose(means @ world[:3, :3].T, splats.means, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("a.ply", b"solid", "no PLY"),
        ("a.ply", b"ply\nformat ascii 1.0\nelement vertex 1\nend_header\n", "of text"),
        ("b.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 9\n"
                  b"property float x\nend_header\n", "holds no splats"),
        ("a.spz", b"nothing", "no SPZ"),
        ("b.spz", b"\x1f\x8bnothing", "damaged"),
        ("a.splat", b"123", "32 bytes"),
        ("a.txt", b"", "no known format"),
    ],
)  # fmt: skip
def test_bad_files_are_told_in_a_sentence(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(RuntimeError, match=why):
        bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / name))
    assert not bpy.data.objects


def test_cut_off_files_are_told(tmp_path: Path, make_splats) -> None:
    for suffix in (".ply", ".spz"):
        path = tmp_path / f"a{suffix}"
        files.write(path, make_splats(100))
        path.write_bytes(path.read_bytes()[:-50])
        with pytest.raises(RuntimeError, match=r"cut off|damaged"):
            bpy.ops.import_scene.gypsum_splats(filepath=str(path))


def test_a_million_splats_in_ten_seconds_and_two_gibibytes(tmp_path: Path, make_splats) -> None:
    small = make_splats(1000)
    files.write(tmp_path / "a.ply", small.select(np.arange(1_000_000) % 1000))
    start = time.process_time()
    bpy.ops.import_scene.gypsum_splats(filepath=str(tmp_path / "a.ply"))
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"1,000,000 splats of degree 3: {seconds:.1f} s, peak of the process {peak:.2f} GiB")
    assert len(bpy.context.active_object.data.vertices) == 1_000_000
    assert seconds <= 10
    assert peak <= 2
