"""Training by Warp's kernels against that of the native ones.

Without a graphics card they run on the processor: the same source, compiled by the same compiler
of Warp's, but not by a card's.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gypsum.splats import TrainOptions, fit, schedule
from gypsum.splats.engine import Processor
from gypsum.splats.photos import PhotoCache, TrainingPhoto
from gypsum.splats.state import State

from . import scenes

pytest.importorskip("warp", reason="needs gypsum[cuda]")

from gypsum.splats.cuda import Card

EXPOSURE = np.array(
    [[1.05, 0.02, 0.0, 0.01], [0.0, 0.95, 0.01, 0.0], [0.01, 0.0, 1.02, -0.02]], np.float32
)
BACKGROUND = np.array([0.2, 0.7, 0.4], np.float32)


def photo_of(tmp_path: Path, masked: bool) -> TrainingPhoto:
    _, views = scenes.capture(2, tmp_path)
    photo = PhotoCache(views, scenes.WIDTH, tmp_path / "cache").get(0, 0)
    mask = np.zeros(photo.pixels.shape[:2], np.uint8)
    mask[5:-9, 7:-4] = 255
    return replace(photo, mask=mask if masked else None)


def begun(seed: int = 1) -> State:
    """Gaussians that are not quite the scene's."""
    splats = scenes.truth()
    state = State.begin(splats, 1, 0)
    noise = np.random.default_rng(seed).normal(0, 0.05, state.rows.shape)
    state.rows += noise.astype(np.float32)
    return state


def close(one: np.ndarray, other: np.ndarray, tolerance: float) -> None:
    """Equal but for rounding, by the size of each column."""
    assert one.shape == other.shape
    size = np.sqrt((one.astype(np.float64) ** 2).mean(0)) + 1e-12
    assert np.abs((one - other) / size).max() < tolerance


# At first pixels are finished early, and natively so by blocks: what lies behind differs a little.
@pytest.mark.parametrize(("done", "tolerance"), [(0.1, 0.2), (0.6, 0.2), (0.95, 0.02)])
@pytest.mark.parametrize("surface", [False, True])
@pytest.mark.parametrize("masked", [False, True])
def test_a_step_is_the_processors(
    tmp_path: Path, done: float, tolerance: float, surface: bool, masked: bool
) -> None:
    photo, moment = photo_of(tmp_path, masked), schedule.at(done, 1.0)
    native, card = begun(), begun()
    engines = Processor(native, 1.0, surface, 1), Card(card, 1.0, surface, "cpu")
    told, heard = (engine.step(photo, EXPOSURE, BACKGROUND, moment) for engine in engines)
    engines[1].fetch()
    assert told.loss == pytest.approx(heard.loss, rel=1e-4)
    # The sign of what differs by rounding alone is either.
    size = np.abs(told.by_exposure).max()
    np.testing.assert_allclose(told.by_exposure, heard.by_exposure, atol=0.01 * size)
    # The first step's moments are the derivatives.
    close(native.first, card.first, tolerance)
    close(native.scores, card.scores, tolerance)
    assert (native.rows != begun().rows).any(1).sum() == (card.rows != begun().rows).any(1).sum()


def test_a_training_is_as_good_as_the_processors(tmp_path: Path) -> None:
    model, views = scenes.capture(24, tmp_path)
    options = TrainOptions(splats=400, iterations=150, degree=1, seed=3, threads=1)
    scores = []
    for device in ("cpu", "cuda"):
        given = replace(options, device="warp-cpu" if device == "cuda" else device)
        found = fit(model, views, tmp_path / device, given, long_side=scenes.WIDTH)
        assert found.mean is not None
        scores.append(found.mean.psnr)
    assert scores[0] == pytest.approx(scores[1], abs=0.3)


def test_what_nobody_sees_stays(tmp_path: Path) -> None:
    state = begun()
    state.rows[:, 2] += 1000
    before = state.rows.copy()
    card = Card(state, 1.0, False, "cpu")
    told = card.step(photo_of(tmp_path, False), EXPOSURE, BACKGROUND, schedule.at(0.5, 1.0))
    card.fetch()
    np.testing.assert_array_equal(state.rows, before)
    assert np.isfinite(told.loss)
