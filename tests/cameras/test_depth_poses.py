"""Poses of frames with depth, on a room whose every pose is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.cameras.depth_poses import PlacedFrames, _derivative, _motions, place_depth_frames
from gypsum.options import SampleMode
from gypsum.sample import make_sample
from gypsum.scene import RgbdFrame, read_frames

Float64 = NDArray[np.float64]


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("room")
    make_sample(folder, photos=24, width=400, height=300, mode=SampleMode.LIDAR)
    return folder


def errors(folder: Path, frames: list[RgbdFrame], *, align: bool) -> Float64:
    """(N,) metres from the true places."""
    truth = json.loads((folder / "truth" / "cameras.json").read_text())["photos"]
    true = [truth[f"{frame.name}.jpg"] for frame in frames]
    places = np.stack([-np.transpose(one["R"]) @ one["t"] for one in true])
    found = np.stack([frame.center for frame in frames])
    if align:
        motion = _motions(found[None], places[None])[0]
        found = found @ motion[:3, :3].T + motion[:3, 3]
    return np.asarray(np.linalg.norm(found - places, axis=1))


@pytest.fixture(scope="module")
def refined(room: Path) -> PlacedFrames:
    return place_depth_frames(read_frames(room), threads=2)


def test_drift_goes(room: Path, refined: PlacedFrames) -> None:
    given = errors(room, read_frames(room), align=False).mean()
    found = errors(room, refined.frames, align=False).mean()
    assert refined.refined
    assert found < 0.01
    assert found < given / 3
    assert refined.before is not None
    assert refined.after < refined.before
    assert refined.drift == pytest.approx(given, rel=0.3)
    assert refined.loops > 0


def test_threads_change_nothing(room: Path, refined: PlacedFrames) -> None:
    again = place_depth_frames(read_frames(room), threads=1)
    for one, other in zip(refined.frames, again.frames, strict=True):
        assert np.array_equal(one.R, other.R)  # type: ignore[arg-type]


def test_good_poses_stay_good(room: Path) -> None:
    """Never worse than what came in: exact poses move by no more than the noise of the fit."""
    truth = json.loads((room / "truth" / "cameras.json").read_text())["photos"]
    exact = [
        frame.posed(
            np.array(truth[f"{frame.name}.jpg"]["R"]), np.array(truth[f"{frame.name}.jpg"]["t"])
        )
        for frame in read_frames(room)
    ]
    placed = place_depth_frames(exact, threads=2)
    assert errors(room, placed.frames, align=False).mean() < 0.004


def test_frames_without_poses_are_tracked(room: Path) -> None:
    bare = [replace(frame, R=None, t=None) for frame in read_frames(room)]
    placed = place_depth_frames(bare, threads=2)
    assert placed.drift is None
    assert len(placed.frames) + len(placed.lost) == len(bare)
    assert len(placed.frames) > 0.9 * len(bare)
    assert errors(room, placed.frames, align=True).mean() < 0.01


def test_a_frame_without_a_pose_is_placed_by_the_others(room: Path, refined: PlacedFrames) -> None:
    frames = read_frames(room)
    for n in (0, 7, 8):
        frames[n] = replace(frames[n], R=None, t=None)
    placed = place_depth_frames(frames, threads=2)
    assert not placed.lost
    assert placed.drift == pytest.approx(refined.drift, rel=0.3)
    assert errors(room, placed.frames, align=True).max() < 0.01


def test_pictures_without_depth_go_along(room: Path) -> None:
    frames = read_frames(room)
    frames[5] = replace(frames[5], depth=None, confidence=None)
    placed = place_depth_frames(frames, threads=2)
    assert [frame.name for frame in placed.frames] == [frame.name for frame in frames]
    assert errors(room, placed.frames, align=False)[5] < 0.02


def test_derivative_of_a_turn() -> None:
    import cv2

    rng = np.random.default_rng(0)
    lever, turn = rng.normal(size=(5, 3)), 1e-6 * rng.normal(size=3)
    moved = lever @ cv2.Rodrigues(turn)[0].T - lever
    predicted = _derivative(lever) @ np.concatenate([turn, np.zeros(3)])
    assert np.allclose(moved, predicted, atol=1e-11)
