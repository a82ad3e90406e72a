"""``gypsum convert`` and ``gypsum.convert``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gypsum
from gypsum.formats import (
    FORMATS,
    SPLAT_FORMATS,
    read_model,
    read_splats,
    write_asset,
    write_model,
    xyz,
)
from gypsum.scene import Material, Mesh, PointCloud, Splats, TexturedMesh


@pytest.fixture(autouse=True)
def _few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xyz, "POINTS", 3000)


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    """A textured ball around (1, 2, 3) with a radius of one."""
    rings, sides = 20, 40
    row, column = np.mgrid[: rings + 1, : sides + 1]
    lat, lon = np.pi * row / rings, 2 * np.pi * column / sides
    shape = np.stack([np.sin(lat) * np.cos(lon), np.sin(lat) * np.sin(lon), np.cos(lat)], -1)
    index = np.arange(row.size).reshape(row.shape)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    uvs = np.stack([column / sides, 1 - row / rings], -1).reshape(-1, 2)
    texture = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3), dtype=np.uint8)
    model = TexturedMesh.of_one(
        Mesh(
            (shape.reshape(-1, 3) + np.array([1, 2, 3])).astype(np.float32), faces.astype(np.int32)
        ),
        uvs.astype(np.float32),
        faces.astype(np.int32),
        Material("ball", texture),
    )
    return write_model(tmp_path / "ball.glb", model, "glb")[0]


def extent(path: Path, **options: Any) -> np.ndarray:
    model = read_model(path, **options)
    mesh = model.mesh if isinstance(model, TexturedMesh) else model
    points = mesh.points if isinstance(mesh, PointCloud) else mesh.vertices
    return np.stack([points.min(axis=0), points.max(axis=0)])


def test_every_format_into_every_other(ball: Path, tmp_path: Path):
    """By way of each in turn; the ball stays where it is."""
    for name in FORMATS:
        first = tmp_path / f"first.{name}"
        gypsum.convert(ball, first, texture="1k")
        np.testing.assert_allclose(extent(first), [[0, 1, 2], [2, 3, 4]], atol=0.01)
        target = "ply" if isinstance(read_model(first), PointCloud) else "obj"
        done = gypsum.convert(first, tmp_path / f"second.{target}")
        np.testing.assert_allclose(extent(done.files[0]), [[0, 1, 2], [2, 3, 4]], atol=0.01)
        assert done.warnings == ()
        assert done.size == pytest.approx((2, 2, 2), abs=0.02)


def test_all_changes_at_once(ball: Path, tmp_path: Path):
    out = tmp_path / "small.glb"
    done = gypsum.convert(
        ball, out, faces=500, texture="1k", texture_format="webp", scale=0.1, center=True,
        meshopt=True,
    )  # fmt: skip
    assert done.files == (out,)
    assert 498 <= done.triangles <= 500
    model = read_model(out)
    assert isinstance(model, TexturedMesh)
    assert model.materials[0].base_color.shape == (1024, 1024, 3)
    np.testing.assert_allclose(extent(out), [[-0.1, -0.1, 0], [0.1, 0.1, 0.2]], atol=0.002)
    assert b"EXT_texture_webp" in out.read_bytes()
    assert b"EXT_meshopt_compression" in out.read_bytes()


def test_the_up_axis_of_files_that_do_not_say_it(ball: Path, tmp_path: Path):
    gypsum.convert(ball, tmp_path / "z.stl")
    gypsum.convert(tmp_path / "z.stl", tmp_path / "y.ply", up_axis="y")
    np.testing.assert_allclose(extent(tmp_path / "y.ply"), [[0, -4, 1], [2, -2, 3]], atol=0.01)


def test_textures_are_baked_anew_where_seams_bind(ball: Path, tmp_path: Path):
    """Every triangle of the ball as a piece of its own."""
    model = read_model(ball)
    assert isinstance(model, TexturedMesh)
    pieces = np.arange(model.mesh.faces.size, dtype=np.int32).reshape(-1, 3)
    uvs = model.uvs[model.uv_faces].reshape(-1, 2)
    uvs = uvs + np.repeat(1e-4 * np.arange(len(pieces))[:, None] % 0.01, 3, axis=0)
    torn = TexturedMesh.of_one(
        model.mesh, uvs.astype(np.float32), pieces, model.materials[0]
    )  # fmt: skip
    write_model(tmp_path / "torn.obj", torn, "obj")
    done = run(tmp_path / "torn.obj", tmp_path / "few.glb", "--faces", 300, "--texture", "1k")
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(", textures baked anew")
    few = read_model(tmp_path / "few.glb")
    assert isinstance(few, TexturedMesh)
    assert 297 <= len(few.mesh.faces) <= 300
    assert few.materials[0].base_color.shape == (1024, 1024, 3)
    # Shape alone needs no texture, so none is baked.
    shape = gypsum.convert(tmp_path / "torn.obj", tmp_path / "few.stl", faces=300)
    assert not shape.baked
    assert shape.triangles in (299, 300)


def test_a_plain_mesh_is_reduced_freely(ball: Path, tmp_path: Path):
    gypsum.convert(ball, tmp_path / "ball.stl")
    done = gypsum.convert(tmp_path / "ball.stl", tmp_path / "small.obj", faces=200)
    assert done.triangles in (199, 200)
    assert not done.baked
    done = gypsum.convert(
        tmp_path / "ball.stl", tmp_path / "small.glb", faces=200, texture="1k", normal_map=True
    )
    assert done.baked
    assert read_model(tmp_path / "small.glb").materials[0].normal.shape == (1024, 1024, 3)


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gypsum", "convert", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_several_outputs_of_one_reading(ball: Path, tmp_path: Path):
    names = ("a.glb", "a.usdz", "a.stl")
    done = run(ball, *(tmp_path / n for n in names), "--texture", "1k", "--texture-format", "ktx2")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n") == 1
    for name in names:
        np.testing.assert_allclose(extent(tmp_path / name), [[0, 1, 2], [2, 3, 4]], atol=0.01)
    assert b"KHR_texture_basisu" in (tmp_path / "a.glb").read_bytes()
    both = gypsum.convert(ball, [tmp_path / "b.obj", tmp_path / "b.stl"])
    assert [file.name for file in both.files] == ["b.obj", "b.mtl", "b_texture.jpg", "b.stl"]


def test_folders_of_models(ball: Path, tmp_path: Path):
    models = tmp_path / "models"
    gypsum.convert(ball, models, format=("stl", "ply"), texture="1k")
    assert {path.name for path in models.iterdir()} == {"ball.stl", "ball.ply", "ball_texture.png"}
    (models / "ball.ply").rename(models / "other.ply")
    (models / "broken.glb").write_bytes(b"glTF")
    done = run(models, ball.rename(tmp_path / "third.glb"), tmp_path / "out", "-f", "obj")
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 3
    assert "broken.glb" in done.stderr
    assert done.stderr.strip().endswith("1 of 4 models could not be converted.")
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"ball.obj", "other.obj", "third.obj"} <= made


def test_the_command_says_what_it_wrote(ball: Path, tmp_path: Path):
    done = run(ball, tmp_path / "ball.usdz", "--faces", 600, "--texture", "1k", "--scale", 2)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert done.stdout.startswith(f"{tmp_path / 'ball.usdz'}: 600 triangles, ")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.glb", "a.obj"], "There is no file"),
        (["{ball}", "a.blend"], "no format ends in '.blend'"),
        (["a.blend", "a.obj"], "only .asc, .csv"),
        (["{ball}", "a.obj", "--draco"], "Only GLB and glTF can be compressed"),
        (["{ball}", "a.glb", "--draco", "--meshopt"], "not with both"),
        (["{ball}", "a.usdz", "--texture-format", "webp"], "WebP"),
        (["{ball}", "a.glb", "--scale", "0"], "scale"),
        (["{ball}", "."], "is a folder"),
        (["{ball}"], "the file to write"),
        (["{ball}", "a.glb", "--normal-map"], "--faces"),
        (["{ball}", ".", "--format", "blend"], "no format ends in '.blend'"),
        (["{ball}", "{ball}", ".", "--format", "obj"], "would become ball.obj"),
        (["{ball}", "{ball}", "--format", "obj"], "the folder to write into"),
    ],
)
def test_mistakes_are_explained_in_one_sentence(
    arguments: list[str], words: str, ball: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    done = run(*(argument.format(ball=ball) for argument in arguments))
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "a.obj").exists()


def test_points_have_no_triangles(ball: Path, tmp_path: Path):
    gypsum.convert(ball, tmp_path / "points.xyz")
    with pytest.raises(gypsum.InputError, match="no triangles to reduce"):
        gypsum.convert(tmp_path / "points.xyz", tmp_path / "a.ply", faces=100)
    with pytest.raises(gypsum.InputError, match="holds surfaces and the model is points"):
        gypsum.convert(tmp_path / "points.xyz", tmp_path / "a.glb")


@pytest.fixture
def field(tmp_path: Path) -> Path:
    """400 splats around the origin."""
    rows = np.random.default_rng(0).normal(size=(400, 59)).astype(np.float32)
    rows[:, 3:6] = -3
    rows[:, 14:] *= 0.1
    path = tmp_path / "field.ply"
    write_asset(path, Splats.from_rows(rows, 3), "ply")
    return path


def test_splats_become_all_their_formats(field: Path, tmp_path: Path):
    done = gypsum.convert(field, tmp_path / "out", format=tuple(SPLAT_FORMATS))
    assert done.splats
    assert (done.points, done.triangles) == (400, 0)
    names = {f"field.{name}" for name in SPLAT_FORMATS}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    for path in done.files:
        again = gypsum.convert(path, tmp_path / "again.ply")
        np.testing.assert_allclose(again.size, done.size, rtol=0.01)


def test_splats_are_reduced(field: Path, tmp_path: Path):
    box = ("-1", "-1", "-1", "1", "1", "1")
    done = run(field, tmp_path / "a.spz", "--crop", *box, "--prune", 0.25, "--sh", 1, "--scale", 2)
    assert done.returncode == 0, done.stderr
    before = read_splats(field)
    within = (np.abs(before.means) <= 1).all(axis=1).sum()
    left = within - int(0.25 * within)
    assert done.stdout.startswith(f"{tmp_path / 'a.spz'}: {left:,} splats, ")
    splats = read_splats(tmp_path / "a.spz")
    assert (len(splats), splats.degree) == (left, 1)
    assert np.abs(splats.means).max() <= 2.01


def test_points_are_cropped(ball: Path, tmp_path: Path):
    gypsum.convert(ball, tmp_path / "points.xyz")
    done = gypsum.convert(tmp_path / "points.xyz", tmp_path / "top.ply", crop="0 0 3 9 9 9")
    assert 0 < done.points < 3000
    assert done.size[2] <= 1.01


def test_the_axis_that_is_up_may_be_told(field: Path, tmp_path: Path):
    gypsum.convert(field, tmp_path / "a.ply", up_axis="y-down")
    before, after = read_splats(field).means, read_splats(tmp_path / "a.ply").means
    np.testing.assert_allclose(after, np.c_[before[:, 0], before[:, 2], -before[:, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("of", "target", "options", "words"),
    [
        ("field", "a.obj", {}, "field.ply holds Gaussian splats, which a.obj can't be"),
        ("ball", "a.spz", {}, "holds no Gaussian splats, which a.spz can't be"),
        ("field", "a.spz", {"faces": 100}, "for which there is no --faces"),
        ("ball", "a.obj", {"prune": 0.5}, "for which there is no --prune"),
        ("ball", "a.obj", {"crop": "0 0 0 1 1 1"}, "--crop is for splats and points"),
        ("field", "a.spz", {"crop": "50 50 50 51 51 51"}, "Nothing of field.ply is in the box"),
        ("field", "a.spz", {"crop": "off"}, "six numbers"),
        ("field", "a.spz", {"prune": 1}, "less than 1"),
        ("field", "a.spz", {"sh": 4}, "less than or equal to 3"),
    ],
)
def test_mistakes_with_splats_are_explained(
    of: str,
    target: str,
    options: dict[str, Any],
    words: str,
    field: Path,
    ball: Path,
    tmp_path: Path,
):
    with pytest.raises(gypsum.InputError, match=words):
        gypsum.convert({"field": field, "ball": ball}[of], tmp_path / target, **options)
    assert not (tmp_path / target).exists()
