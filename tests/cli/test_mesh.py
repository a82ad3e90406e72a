"""``gypsum mesh`` and ``gypsum.to_mesh``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import gypsum
from gypsum.errors import InputError
from gypsum.formats import read_model
from gypsum.formats.ply import write_splats
from gypsum.pipelines import mesh as pipeline
from gypsum.scene import Camera, Photo, SparseModel, Splats, TexturedMesh
from gypsum.splats import render
from gypsum.splats.paths import Subject, orbit

MIDDLE = np.array([1.0, 2, 3])
SIDE = 160
#: From the world to the frame of most other programs' files: Y points down.
Y_DOWN = np.array([[1.0, 0, 0], [0, 0, -1], [0, 1, 0]])


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_DEPTH_SIDE", SIDE)
    monkeypatch.setattr(pipeline, "_PAINT_SIDE", 240)


def ball() -> Splats:
    """Flat, opaque splats on a sphere: red above its middle, blue below."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(6000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    turns = np.c_[1 + normals[:, 2], -normals[:, 1], normals[:, 0], np.zeros(len(normals))]
    colors = np.where(normals[:, 2:] > 0, [[1.5, -1.5, -1.5]], [[-1.5, -1.5, 1.5]])
    return Splats(
        (normals + MIDDLE).astype(np.float32),
        np.tile(np.log([0.04, 0.04, 1e-4]), (len(normals), 1)).astype(np.float32),
        turns.astype(np.float32),
        np.full(len(normals), 4, np.float32),
        colors[:, None].astype(np.float32),
    )


@pytest.fixture
def splats(tmp_path: Path) -> Path:
    write_splats(tmp_path / "ball.ply", ball())
    return tmp_path / "ball.ply"


def check(path: Path) -> None:
    """The ball, with its radius, upright and in its colours."""
    model = read_model(path)
    assert isinstance(model, TexturedMesh)
    offsets = model.mesh.vertices - MIDDLE
    radii = np.linalg.norm(offsets, axis=1)
    assert abs(np.median(radii) - 1) < 0.01
    assert np.percentile(np.abs(radii - 1), 95) < 0.03
    assert offsets[:, 2].max() > 0.97
    texture = model.materials[0].base_color
    assert texture is not None
    uv = model.uvs[model.uv_faces].mean(axis=1)
    height, width = texture.shape[:2]
    texel = texture[
        ((1 - uv[:, 1]) * height).astype(int).clip(0, height - 1),
        (uv[:, 0] * width).astype(int).clip(0, width - 1),
    ].astype(int)
    up = offsets[model.mesh.faces].mean(axis=1)[:, 2]
    red = texel[:, 0] > texel[:, 2]
    assert (red[up > 0.1]).mean() > 0.97
    assert (~red[(up < -0.1) & (up > -0.6)]).mean() > 0.97


def test_splats_alone(splats: Path, tmp_path: Path) -> None:
    done = gypsum.to_mesh(
        splats, [tmp_path / "a.glb", tmp_path / "a.stl"], faces=3000, texture="1k", threads=2
    )
    assert done.painted == "splats"
    assert [path.name for path in done.files] == ["a.glb", "a.stl"]
    assert 2000 < done.triangles <= 3000
    np.testing.assert_allclose(done.size[:2], 2, atol=0.05)
    check(tmp_path / "a.glb")


def photographed(folder: Path) -> tuple[Path, Path]:
    """Photos of the ball and their cameras, in a frame in which Y points down."""
    (folder / "photos").mkdir(parents=True)
    photos, nothing = {}, (np.empty((0, 2)), np.empty(0, np.int64))
    views = orbit(Subject(MIDDLE, 1.0), SIDE, SIDE)
    for number, view in enumerate(views):
        name = f"{number:02d}.png"
        Image.fromarray(render(ball(), view, extent=3.0)[0]).save(folder / "photos" / name)
        photos[number] = Photo(number, f"cam/{name}", 1, view.R @ Y_DOWN.T, view.t, *nothing)
    K = views[0].K
    # The model is of photos twice as large as those at hand.
    params = 2 * np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]])
    camera = Camera(1, "PINHOLE", 2 * SIDE, 2 * SIDE, params)
    empty = (np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, 3), np.uint8), np.empty(0))
    SparseModel({1: camera}, photos, *empty).write(folder / "sparse" / "0")
    return folder / "photos", folder / "sparse"


def test_splats_with_their_photos(tmp_path: Path) -> None:
    photos, cameras = photographed(tmp_path)
    write_splats(tmp_path / "ball.ply", ball().moved(Y_DOWN))
    before = sorted(tmp_path.rglob("*"))
    done = gypsum.to_mesh(
        tmp_path / "ball.ply", tmp_path / "a.glb", photos=photos, cameras=cameras, faces=3000,
        texture="1k", threads=2,
    )  # fmt: skip
    assert (done.painted, done.views) == ("photos", 50)
    check(tmp_path / "a.glb")
    assert sorted(tmp_path.rglob("*")) == sorted([*before, tmp_path / "a.glb"])


@pytest.mark.parametrize(
    ("output", "options", "words"),
    [
        ("a.glb", {"photos": "."}, "--cameras with the COLMAP model"),
        ("a.glb", {"cameras": "sparse"}, "--photos"),
        ("a.spz", {}, "can't hold a mesh"),
        ("a.glb", {"faces": 3}, "faces"),
        ("a.glb", {"photos": "nowhere", "cameras": "sparse"}, "no folder of photos"),
        ("a.glb", {"photos": "empty", "cameras": "sparse"}, "0 of the photos"),
    ],
)
def test_what_can_not_be_meshed_is_said(
    splats: Path, tmp_path: Path, output: str, options: dict[str, Any], words: str
) -> None:
    photographed(tmp_path)
    (tmp_path / "empty").mkdir()
    given: dict[str, Any] = {
        name: tmp_path / value if isinstance(value, str) else value
        for name, value in options.items()
    }
    with pytest.raises(InputError, match=words):
        gypsum.to_mesh(splats, tmp_path / output, **given)


def test_other_photos_and_models_are_refused(splats: Path, tmp_path: Path) -> None:
    photos, cameras = photographed(tmp_path)
    Image.new("RGB", (200, 50)).save(photos / "07.png")
    with pytest.raises(InputError, match="not the photos that the cameras are of"):
        gypsum.to_mesh(splats, tmp_path / "a.glb", photos=photos, cameras=cameras)
    (tmp_path / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    with pytest.raises(InputError, match="holds no Gaussian splats"):
        gypsum.to_mesh(tmp_path / "a.obj", tmp_path / "b.glb")
