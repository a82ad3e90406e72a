"""Rooms of known dimensions: planes, outlines, flat walls, and plans that other programs read."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.errors import ReconstructionError
from gypsum.rooms import encode_dxf, encode_svg, find_planes, find_rooms, flattened, sharpened
from gypsum.rooms.planes import Plane
from gypsum.scene import Mesh

Float64 = NDArray[np.float64]

CORNERS = np.array([(0, 0), (5.2, 0), (5.2, 2.4), (3.1, 2.4), (3.1, 4.0), (0, 4.0)])
HEIGHT = 2.55


def rectangle(
    rng: np.random.Generator, start: object, u: object, v: object, normal: object
) -> tuple[Float64, Float64]:
    """Points with normals, one for each 2.2 cm in square."""
    a, b = np.array(u, float), np.array(v, float)
    count = int(np.linalg.norm(np.cross(a, b)) * 2_000)
    share = rng.random((count, 2))
    points = np.array(start, float) + share[:, :1] * a + share[:, 1:] * b
    return points, np.tile(np.array(normal, float), (count, 1))


def room(corners: Float64, turn: float = 0.0, ceiling: bool = True) -> tuple[Float64, Float64]:
    """A furnished room with noise, turned about Z, its floor at -1.2 m."""
    rng = np.random.default_rng(0)
    low, size = corners.min(axis=0), np.ptp(corners, axis=0)
    parts = []
    for height, sign in ((0.0, 1.0), (HEIGHT, -1.0))[: 1 + ceiling]:
        points, normals = rectangle(rng, (*low, height), (size[0], 0, 0), (0, size[1], 0),
                                    (0, 0, sign))  # fmt: skip
        inner = inside(corners, points)
        parts.append((points[inner], normals[inner]))
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        along = end - start
        normal = np.array([-along[1], along[0], 0]) / np.linalg.norm(along)
        parts.append(rectangle(rng, (*start, 0), (*along, 0), (0, 0, HEIGHT), normal))
    parts.append(rectangle(rng, (1, 1, 0.75), (1.6, 0, 0), (0, 0.9, 0), (0, 0, 1)))
    parts.append(rectangle(rng, (0.6, 2.5, 0), (0, 1.0, 0), (0, 0, 1.0), (1, 0, 0)))
    points, normals = (np.concatenate(both) for both in zip(*parts, strict=True))
    points += rng.normal(0, 0.005, points.shape)
    normals += rng.normal(0, 0.08, normals.shape)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    R = rotation(turn)
    return points @ R.T - (0, 0, 1.2), normals @ R.T


def rotation(turn: float) -> Float64:
    c, s = np.cos(turn), np.sin(turn)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def inside(corners: Float64, points: Float64) -> NDArray[np.bool_]:
    """Whether points are in a polygon: by crossings of a ray."""
    odd = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        if y1 != y2:
            between = (points[:, 1] >= min(y1, y2)) & (points[:, 1] < max(y1, y2))
            odd ^= between & (points[:, 0] < x1 + (points[:, 1] - y1) / (y2 - y1) * (x2 - x1))
    return odd


@pytest.mark.parametrize("turn", [0.0, 0.3, 2.0])
def test_an_l_shaped_room_is_measured_to_millimetres(turn: float) -> None:
    planes = find_planes(*room(CORNERS, turn))
    assert planes.floor == pytest.approx(-1.2, abs=0.002)
    plan = find_rooms(planes)
    (found,) = plan.rooms
    assert plan.has_ceiling
    assert found.height == pytest.approx(HEIGHT, abs=0.003)
    assert found.area == pytest.approx(5.2 * 2.4 + 3.1 * 1.6, abs=0.03)
    true = np.linalg.norm(np.roll(CORNERS, -1, axis=0) - CORNERS, axis=1)
    shifts = [np.abs(np.roll(found.walls, k) - true).max() for k in range(6)]
    assert len(found.walls) == 6
    assert min(shifts) < 0.006


def test_walls_at_any_angle_and_no_ceiling() -> None:
    corners = np.array([(0, 0), (4.0, 0), (5.0, 2.0), (2.5, 4.0), (0, 3.0)])
    plan = find_rooms(find_planes(*room(corners, ceiling=False)))
    (found,) = plan.rooms
    assert not plan.has_ceiling
    assert found.height == pytest.approx(HEIGHT, abs=0.05)
    x, y = corners.T
    u, v = np.roll(corners, -1, axis=0).T
    assert found.area == pytest.approx((x * v - u * y).sum() / 2, rel=0.01)
    assert len(found.corners) == 5


def test_drawings_hold_what_was_measured() -> None:
    plan = find_rooms(find_planes(*room(CORNERS)))
    svg = ET.fromstring(encode_svg(plan))
    texts = [text.text for text in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"5.20 m", "2.40 m", "2.10 m", "1.60 m", "3.10 m", "4.00 m"} <= set(texts)
    (area,) = (text for text in texts if text and text.endswith("m²"))
    assert float(area.split()[0]) == pytest.approx(17.44, abs=0.03)
    lines = encode_dxf(plan).decode("ascii").splitlines()
    assert len(lines) % 2 == 0
    pairs = [(int(code), value) for code, value in zip(lines[::2], lines[1::2], strict=True)]
    assert pairs[0] == (0, "SECTION")
    assert pairs[-1] == (0, "EOF")
    kinds = [value for code, value in pairs if code == 0]
    assert kinds.count("VERTEX") == 6
    assert kinds.count("SECTION") == kinds.count("ENDSEC")
    assert (1, area.replace("²", "2")) in pairs


def test_walls_become_flat_and_corners_sharp() -> None:
    floor = Plane(np.array([0.0, 0, 1]), 0.0, 1.0)
    wall = Plane(np.array([1.0, 0, 0]), 0.0, 1.0)
    # A strip from the floor, over a rounded corner, up the wall; counter-clockwise from inside.
    profile = [(1.0, 0.01), (0.5, -0.01), (0.02, 0.02), (0.01, 0.5), (-0.01, 1.0)]
    vertices = np.array([(x, y, z) for x, z in profile for y in (0.0, 1.0)], np.float32)
    faces = []
    for n in range(4):
        a, b, c, d = 2 * n, 2 * n + 1, 2 * n + 2, 2 * n + 3
        faces += [(a, b, c), (b, d, c)]
    mesh = Mesh(vertices, np.array(faces, np.int32))
    if mesh.face_normals()[0, 2] < 0:
        mesh = Mesh(vertices, mesh.faces[:, ::-1].copy())
    found = sharpened(flattened(mesh, [floor, wall]), [floor, wall])
    assert np.allclose(found.vertices[:4, 2], 0, atol=1e-6)
    assert np.allclose(found.vertices[6:, 0], 0, atol=1e-6)
    assert np.allclose(found.vertices[4:6][:, [0, 2]], 0, atol=1e-6)


def test_no_room_is_said() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5_000, 3))
    normals = np.tile((1.0, 0, 0), (5_000, 1))
    with pytest.raises(ReconstructionError, match="--plan is for scans of rooms"):
        find_planes(points, normals)
