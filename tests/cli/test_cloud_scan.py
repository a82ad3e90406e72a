"""A lidar scan of a point cloud from the file to models, plan, map and report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import gypsum
from gypsum.errors import InputError
from gypsum.formats import read_model
from gypsum.scene import PointCloud, TexturedMesh

ORIGIN = np.array([500_000.0, 4_000_000.0, 100.0])
SIZE = np.array([4.0, 3.0, 2.5])


@pytest.fixture
def room(tmp_path: Path) -> Path:
    """The inside of a room of 4 x 3 x 2.5 m on a map, red below and green above."""
    rng = np.random.default_rng(0)
    parts = []
    for axis in range(3):
        for side in (0.0, SIZE[axis]):
            others = [other for other in range(3) if other != axis]
            points = rng.random((int(SIZE[others].prod() * 700), 3)) * SIZE
            points[:, axis] = side
            parts.append(points)
    points = np.concatenate(parts)
    shade = np.rint(255 * points[:, 2:] / SIZE[2])
    table = np.hstack([ORIGIN + points + rng.normal(0, 0.003, points.shape), 255 - shade, shade,
                       0 * shade])  # fmt: skip
    path = tmp_path / "room.csv"
    np.savetxt(path, table, "%.4f,%.4f,%.4f,%d,%d,%d", header="X,Y,Z,R,G,B", comments="")
    return path


@pytest.mark.slow
def test_a_room_on_a_map(room: Path, tmp_path: Path) -> None:
    result = gypsum.scan(
        room, tmp_path / "out" / "room.glb", mode="lidar", quality="draft", faces=3_000,
        plan=True, format=("las",), threads=2,
    )  # fmt: skip
    model, points = (read_model(path) for path in result.models)
    assert isinstance(model, TexturedMesh)
    # Z is up again when a GLB is read; the model is in metres.
    assert np.allclose(np.ptp(model.mesh.vertices, axis=0), SIZE, atol=0.03)
    texture = model.materials[0].base_color
    assert texture is not None
    assert texture[..., 0].max() > 200
    assert texture[..., 2].max() < 20
    place = json.loads((tmp_path / "out" / "room.place.json").read_text())
    corner = model.mesh.vertices.min(axis=0) + place["origin"]
    assert np.allclose(corner, ORIGIN, atol=0.02)
    assert isinstance(points, PointCloud)
    assert points.place is not None
    full = points.place.full(points.points)
    assert np.allclose(full.min(axis=0), ORIGIN, atol=0.03)
    measured = result.report["room"]
    assert measured["area"] == pytest.approx(12, abs=0.05)
    assert measured["height"] == pytest.approx(2.5, abs=0.01)
    assert (tmp_path / "out" / "room-plan.svg").exists()
    assert (tmp_path / "out" / "room-plan.dxf").exists()
    assert result.report_html is not None
    assert "From" in result.report_html.read_text()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"plan": True}, "--plan is for lidar scans"),
        ({"mode": "lidar", "until": "cameras"}, "has no cameras"),
        ({"mode": "lidar", "scale": 2.0}, "where on a map"),
        ({"mode": "lidar", "up": (0.0, 1.0, 0.0)}, "where on a map"),
    ],
)
def test_mistakes_are_said_at_once(
    room: Path, tmp_path: Path, options: dict[str, object], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        gypsum.scan(room, tmp_path / "room.glb", **options)


def test_an_empty_file_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "empty.xyz"
    path.write_text("x y z\n")
    with pytest.raises(InputError, match=r"empty\.xyz holds no points"):
        gypsum.scan(path, tmp_path / "room.glb", mode="lidar")


def test_other_triangles_are_no_new_surface(room: Path, tmp_path: Path) -> None:
    from gypsum.pipelines.scan import stage_keys

    options = {"mode": "lidar", "quality": "draft", "workspace": tmp_path / "work"}
    some, fewer, many = (
        stage_keys([room], faces=faces, **options) for faces in (40_000, 1_000, 2_000_000)
    )
    assert some["surface"] == fewer["surface"]
    assert some["simplify"] != fewer["simplify"]
    assert many["points"] != some["points"]  # which need more points than are kept usually
