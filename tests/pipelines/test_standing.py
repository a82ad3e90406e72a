"""Models as their users want them to stand and how large, from a scan that is not repeated."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gypsum
from gypsum.errors import InputError
from gypsum.formats import read_asset, write_asset
from gypsum.pipelines.standing import Standing, upright
from gypsum.scene import Mesh, PointCloud, Splats, TexturedMesh, View
from gypsum.workspace import events

DIRECTIONS = np.random.default_rng(0).normal(size=(20, 3))


@pytest.mark.parametrize("up", [*DIRECTIONS, *np.array([(0, 0, 1), (0, 0, -1), (1e-7, 0, -1)])])
def test_up_is_up_by_the_smallest_turn(up: np.ndarray) -> None:
    turn = upright(np.asarray(up, float))
    assert np.allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    unit = up / np.linalg.norm(up)
    assert np.allclose(turn @ unit, [0, 0, 1], atol=1e-6)
    # A turn by an angle has the trace 1 + 2 cos.
    assert np.trace(turn) == pytest.approx(1 + 2 * unit[2], abs=1e-6)


def test_photos_see_the_same_of_what_moved_with_them() -> None:
    rng = np.random.default_rng(1)
    standing = Standing(upright(np.array([1.0, 2.0, -0.5])), 0.3)
    points = rng.normal(size=(50, 3)).astype(np.float32)
    K = np.array([[500.0, 0, 320], [0, 500, 240], [0, 0, 1]])
    view = View("a", Path("a.jpg"), 640, 480, K, upright(rng.normal(size=3)), np.array([0, 0, 5.0]))
    cloud = PointCloud(points, points, np.zeros((50, 3), np.uint8), np.ones(50, np.float32))
    moved = standing.cloud(cloud)
    (seen,) = standing.views([view])
    pixels, depth = view.project(cloud.points)
    again, nearer = seen.project(moved.points)
    assert np.allclose(pixels, again, atol=1e-3)
    assert np.allclose(nearer, 0.3 * depth, atol=1e-5)
    assert moved.radii is not None
    assert np.allclose(moved.radii, 0.3)
    splats = Splats(
        points, np.zeros((50, 3), np.float32), np.tile(np.eye(4, dtype=np.float32)[0], (50, 1)),
        np.zeros(50, np.float32), np.zeros((50, 1, 3), np.float32),
    )  # fmt: skip
    assert np.allclose(standing.splats(splats).means, moved.points, atol=1e-5)


def test_nothing_asked_is_nothing_done() -> None:
    plain = Standing.of({"up": "auto", "scale": None})
    assert plain.is_plain
    assert Standing.of({"up": [0, 0, 1], "scale": 1.0}).is_plain
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))
    assert plain.mesh(mesh) is mesh


@pytest.mark.parametrize("wrong", ["sideways", "0 0 0", "1 2", "nan 0 1", (1, 2, 3, 4)])
def test_a_direction_is_three_numbers(wrong: object) -> None:
    with pytest.raises(InputError, match="X Y Z"):
        gypsum.scan("missing", "a.glb", up=wrong)


def test_plans_are_as_they_were_measured(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--scale does not go with --plan"):
        gypsum.scan("missing", tmp_path / "a.glb", mode="lidar", plan=True, scale=2)


def egg(path: Path) -> Path:
    """A cloud of an egg that lies along x, 2 by 1 by 1."""
    direction = np.random.default_rng(1).normal(size=(3000, 3))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    points = (direction * (1, 0.5, 0.5)).astype(np.float32)
    colors = np.full((3000, 3), 200, np.uint8)
    write_asset(path, PointCloud(points, direction.astype(np.float32), colors), "ply")
    return path


@pytest.mark.slow
def test_another_standing_repeats_the_writing_alone(tmp_path: Path) -> None:
    source = egg(tmp_path / "egg.ply")

    def scan(**options: object) -> tuple[np.ndarray, dict[str, Any], set[str]]:
        made: set[str] = set()

        def listen(event: events.Event) -> None:
            if isinstance(event, events.StageStarted):
                made.add(event.stage)

        result = gypsum.scan(
            source, tmp_path / "egg.glb", mode="lidar", quality="draft", faces=500, threads=2,
            progress=listen, **options,
        )  # fmt: skip
        model = read_asset(result.models[0])
        assert isinstance(model, TexturedMesh)
        return np.ptp(model.mesh.vertices, axis=0), result.report, made

    sizes, _, _ = scan()
    assert np.allclose(sizes, (2, 1, 1), rtol=0.1)
    larger, report, made = scan(scale=10)
    assert np.allclose(larger, 10 * sizes, rtol=1e-4)
    assert np.allclose(report["surface"]["size"], larger, rtol=1e-3)
    assert made == {"export", "report"}
    standing, _, made = scan(up="1 0 0", scale=10)
    assert np.allclose(standing, larger[[2, 1, 0]], rtol=1e-4)
    assert made == {"export", "previews", "report"}
