"""``gypsum render`` and ``gypsum.render``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

import gypsum
from gypsum.errors import InputError
from gypsum.formats import write_model
from gypsum.formats.ply import write_cloud, write_splats
from gypsum.scene import Camera, Mesh, Photo, PointCloud, SparseModel, Splats

SIZE = (96, 64)


@pytest.fixture
def ball(tmp_path: Path) -> Path:
    """Flat, opaque, red splats on a sphere with a radius of one."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    turns = np.c_[1 + normals[:, 2], -normals[:, 1], normals[:, 0], np.zeros(len(normals))]
    splats = Splats(
        normals.astype(np.float32),
        np.tile(np.log([0.05, 0.05, 1e-4]), (len(normals), 1)).astype(np.float32),
        turns.astype(np.float32),
        np.full(len(normals), 4, np.float32),
        np.tile(np.array([2, -2, -2], np.float32), (len(normals), 1, 1)),
    )
    write_splats(tmp_path / "ball.ply", splats)
    return tmp_path / "ball.ply"


@pytest.fixture
def cameras(tmp_path: Path) -> Path:
    """A COLMAP model of five places that look at the origin from three units away."""
    photos, nothing = {}, (np.empty((0, 2)), np.empty(0, np.int64))
    for number, angle in enumerate(np.linspace(0, 3, 5)):
        z = -np.array([np.cos(angle), np.sin(angle), 0.0])
        R = np.stack([np.cross(z, (0, 0, 1.0)), [0, 0, -1.0], z])
        photos[number] = Photo(number, f"p{number}.jpg", 1, R, np.array([0, 0, 3.0]), *nothing)
    camera = Camera(1, "PINHOLE", *SIZE, np.array([80.0, 80, SIZE[0] / 2, SIZE[1] / 2]))
    empty = (np.empty(0, np.int64), np.empty((0, 3)), np.empty((0, 3), np.uint8), np.empty(0))
    SparseModel({1: camera}, photos, *empty).write(tmp_path / "sparse")
    return tmp_path / "sparse"


def test_a_picture(ball: Path, tmp_path: Path) -> None:
    done = gypsum.render(ball, tmp_path / "a.png", size="96x64")
    assert (done.frames, done.size, done.files) == (1, SIZE, (tmp_path / "a.png",))
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture.shape == (64, 96, 3)
    red, green, _ = picture[32, 48]
    assert red > 200 > 50 > green
    assert (picture[2, 2] == 255).all()


def test_a_picture_without_background(ball: Path, tmp_path: Path) -> None:
    gypsum.render(ball, tmp_path / "a.png", size=SIZE, background="none")
    picture = np.asarray(Image.open(tmp_path / "a.png"))
    assert picture[32, 48, 3] > 240
    assert picture[2, 2, 3] == 0


def test_depth_and_normals_from_cameras(ball: Path, cameras: Path, tmp_path: Path) -> None:
    gypsum.render(ball, tmp_path / "d", path="cameras", cameras=cameras, show="depth")
    names = sorted(path.name for path in (tmp_path / "d").iterdir())
    assert names == [f"p{number}.png" for number in range(5)]
    depth = np.asarray(Image.open(tmp_path / "d" / "p2.png"))
    assert depth.dtype == np.uint16
    # Thousandths of a unit: the ball's front is two units away.
    assert abs(int(depth[32, 48]) - 2000) < 10
    assert depth[1, 1] == 0
    gypsum.render(ball, tmp_path / "n.png", path="cameras", cameras=cameras, show="normals")
    normals = np.asarray(Image.open(tmp_path / "n.png"))[32, 48]
    np.testing.assert_allclose(normals, [127, 127, 255], atol=12)


@pytest.mark.parametrize("show", ["color", "depth", "normals"])
def test_a_film_plays(ball: Path, cameras: Path, tmp_path: Path, show: str) -> None:
    output = tmp_path / "new" / "a.mp4"
    done = gypsum.render(
        ball, output, path="fly", cameras=cameras, frames=7, size="97x65", show=show, fps=10
    )
    assert done.frames == 7
    film = cv2.VideoCapture(str(output))
    frames = []
    while (read := film.read())[0]:
        frames.append(read[1])
    assert len(frames) == 7
    assert frames[0].shape == (64, 96, 3)
    assert film.get(cv2.CAP_PROP_FPS) == 10
    assert frames[3].std() > 10
    assert [path.name for path in output.parent.iterdir()] == ["a.mp4"]


def test_models_are_drawn_as_well(tmp_path: Path) -> None:
    corners = np.array([[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]], "f4")
    faces = [[a, (a + 1) % 4, 4] for a in range(4)] + [[(a + 1) % 4, a, 5] for a in range(4)]
    model = write_model(tmp_path / "m.glb", Mesh(corners, np.array(faces, np.int32)), "glb")[0]
    gypsum.render(model, tmp_path / "f", frames=3, size=SIZE, background="black")
    pictures = [np.asarray(Image.open(path)) for path in sorted((tmp_path / "f").iterdir())]
    assert len(pictures) == 3
    for picture in pictures:
        assert picture[32, 48].min() > 150
        assert picture[0].max() == 0
        # All of it is in the picture.
        assert (picture[:, 0].max(), picture[:, -1].max(), picture[-1].max()) == (0, 0, 0)
    gypsum.render(model, tmp_path / "d.png", size=SIZE, show="depth", elevation=0)
    assert np.asarray(Image.open(tmp_path / "d.png"))[32, 48] > 1000


@pytest.mark.parametrize(
    ("output", "options", "words"),
    [
        ("a.gif", {}, "films are .mp4"),
        ("a.mp4", {"path": "fly"}, "needs --cameras"),
        ("a.mp4", {"cameras": "sparse"}, "are for --path"),
        ("a.mp4", {"background": "none"}, "is for PNG"),
        ("a.mp4", {"size": "12"}, "1280x720"),
        ("a.mp4", {"size": "12x12"}, "16 to 8192"),
        (".", {}, "folder"),
    ],
)
def test_what_can_not_be_drawn_is_said(
    ball: Path, tmp_path: Path, output: str, options: dict[str, Any], words: str
) -> None:
    if output == ".":
        (tmp_path / "b.png").mkdir()
        output = "b.png"
    with pytest.raises(InputError, match=words):
        gypsum.render(ball, tmp_path / output, **options)


def test_points_and_missing_files_are_refused(tmp_path: Path) -> None:
    points = np.zeros((3, 3), np.float32)
    write_cloud(tmp_path / "c.ply", PointCloud(points, points, points.astype(np.uint8)))
    with pytest.raises(InputError, match="no surface to draw"):
        gypsum.render(tmp_path / "c.ply", tmp_path / "a.png")
    with pytest.raises(InputError, match="no file"):
        gypsum.render(tmp_path / "no.ply", tmp_path / "a.png")


def test_command(ball: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gypsum", "render", str(ball), "-o", str(tmp_path / "a.png")]
    ended = subprocess.run([*command, "--size", "96x64"], capture_output=True, text=True)
    assert ended.returncode == 0
    assert "1 picture, 96x64" in ended.stdout
    ended = subprocess.run([*command, "--size", "96"], capture_output=True, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith("gypsum: ") or "gypsum" in ended.stderr
    assert "Traceback" not in ended.stderr
