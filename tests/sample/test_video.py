"""The sample's clip: as long as asked for, the truth of every frame, blurred where it shakes."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import cv2
import numpy as np
import pytest

from gypsum.errors import ResourceError
from gypsum.sample import make_sample, render_view
from gypsum.sample._video import FRAME_RATE, TURNS, _Hand, clip_views, film
from gypsum.scene import no_progress


def test_a_clip_lies_beside_the_photos(tmp_path: Path) -> None:
    make_sample(tmp_path, 3, 160, 120, video=0.5)
    clip = cv2.VideoCapture(str(tmp_path / "video.mp4"))
    frames = []
    while (read := clip.read())[0]:
        frames.append(read[1])
    assert [frame.shape for frame in frames] == [(120, 160, 3)] * 10
    truth = json.loads((tmp_path / "truth" / "cameras.json").read_text())["photos"]
    assert sorted(truth) == ["0001.jpg", "0002.jpg", "0003.jpg"] + [
        f"video_{number:06d}.jpg" for number in range(10)
    ]
    views = clip_views(0.5, 160, 120, 0)
    for number in (0, 9):
        drawn = render_view(views[number]).rgb[..., ::-1].astype(int)
        assert np.abs(frames[number] - drawn).mean() < 6
        other = np.abs(frames[9 - number] - drawn).mean()
        assert np.abs(frames[number] - drawn).mean() < 0.7 * other
    make_sample(tmp_path, 3, 160, 120)
    assert not (tmp_path / "video.mp4").exists()


def test_a_disk_that_fills_is_told(tmp_path: Path) -> None:
    """The writer of clips says nothing when the system refuses to write any more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, hard))
    try:
        with pytest.raises(ResourceError, match=r"video\.mp4 can't be written to its end"):
            film(tmp_path / "video.mp4", 0.5, 160, 120, 0, (), 1, no_progress)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not list(tmp_path.iterdir())


def test_the_phone_goes_around_and_upwards() -> None:
    views = clip_views(30.0, 640, 480, 1)
    assert len(views) == 30 * FRAME_RATE
    centers = np.array([view.center for view in views])
    turned = np.unwrap(np.arctan2(centers[:, 1], centers[:, 0]))
    assert turned[-1] - turned[0] == pytest.approx(2 * np.pi * TURNS, rel=0.01)
    assert (np.diff(centers[:, 2]) > -0.005).all()
    assert np.linalg.norm(np.diff(centers, axis=0), axis=1).max() < 0.05


def test_shaking_blurs_along_its_way_and_keeps_the_light() -> None:
    hand = _Hand(10.0, 160, 120, 0)
    picture = np.random.default_rng(0).uniform(0, 1, (120, 160, 3)).astype(np.float32)
    spread = np.array([hand.blurred(picture, number).std() for number in range(200)])
    assert spread.max() == pytest.approx(picture.std(), rel=1e-3)
    assert spread.min() < 0.8 * picture.std()
    flat = np.full_like(picture, 0.3)
    blurriest = int(spread.argmin())
    assert hand.blurred(flat, blurriest) == pytest.approx(flat, abs=1e-5)
