"""Training on a small scene whose splats are known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from gypsum.scene import PointCloud
from gypsum.splats import (
    Fitted,
    TrainOptions,
    checkpoint,
    density,
    fit,
    initial,
    render,
    schedule,
    train,
)
from gypsum.splats.exposure import Exposures
from gypsum.splats.fit import held_out, spread
from gypsum.splats.photos import PhotoCache, TrainingPhoto
from gypsum.splats.state import State
from gypsum.splats.train import Trainer

from . import scenes

OPTIONS = TrainOptions(splats=500, iterations=400, degree=1, seed=3, threads=1)


def trained(tmp_path: Path, folder: str = "fit", **changes: object) -> Fitted:
    model, views = scenes.capture(24, tmp_path)
    options = replace(OPTIONS, **changes)
    return fit(model, views, tmp_path / folder, options, long_side=scenes.WIDTH)


def test_photos_that_were_held_out_are_met(tmp_path: Path) -> None:
    found = trained(tmp_path, iterations=1000)
    assert list(found.scores) == ["005.png", "015.png"]
    assert found.mean is not None
    assert found.mean.psnr > 21
    assert found.mean.ssim > 0.66
    assert 300 < len(found.splats) <= 500
    assert found.splats.degree == 1
    picture = Image.open(tmp_path / "fit/preview.jpg")
    assert picture.size == (2 * scenes.WIDTH, scenes.HEIGHT)
    assert not (tmp_path / "fit/checkpoint.npz").exists()


def test_equal_seeds_make_equal_splats(tmp_path: Path) -> None:
    first = trained(tmp_path, "a", iterations=120)
    second = trained(tmp_path, "b", iterations=120, threads=2)
    other = trained(tmp_path, "c", iterations=120, seed=4)
    np.testing.assert_array_equal(first.splats.rows(), second.splats.rows())
    assert not np.array_equal(first.splats.rows(), other.splats.rows())


def trainer(tmp_path: Path, state: State | None = None) -> Trainer:
    model, views = scenes.capture(12, tmp_path)
    photos = PhotoCache(views, scenes.WIDTH, tmp_path / "cache")
    state = state or State.begin(initial.from_sparse(model), len(views), 0)
    return Trainer(state, photos, range(12), spread(views), replace(OPTIONS, iterations=240))


def test_a_training_goes_on_as_if_it_had_not_stopped(tmp_path: Path) -> None:
    whole, part = trainer(tmp_path), trainer(tmp_path)
    for _ in range(130):
        whole.step()
    for _ in range(70):
        part.step()
    checkpoint.save(tmp_path / "state.npz", part.state)
    part = trainer(tmp_path, checkpoint.load(tmp_path / "state.npz"))
    for _ in range(60):
        part.step()
    np.testing.assert_array_equal(whole.state.rows, part.state.rows)
    np.testing.assert_array_equal(whole.state.exposures.maps, part.state.exposures.maps)


def test_time_ends_a_training(tmp_path: Path) -> None:
    found = trained(tmp_path, iterations=1_000_000, minutes=0.02)
    assert 5 < found.iterations < 5000


def test_a_training_by_time_makes_the_steps_of_one_by_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, views = scenes.capture(12, tmp_path)
    now, levels = 0.0, []

    class Photos(PhotoCache):
        def get(self, number: int, level: int) -> TrainingPhoto:
            nonlocal now
            # As long as their pixels make them, small ones a little longer.
            now += (1.0, 0.28, 0.12)[level]
            levels.append(level)
            return super().get(number, level)

    monkeypatch.setattr(train, "time", SimpleNamespace(monotonic=lambda: now))
    photos = Photos(views, scenes.WIDTH, tmp_path / "cache")
    state = State.begin(initial.from_sparse(model), len(views), 0)
    options = replace(OPTIONS, iterations=10**9, minutes=2.0)
    Trainer(state, photos, range(12), spread(views), options).run()
    # Two minutes are 120 steps on the largest photos.
    shares = np.bincount(levels) / len(levels)
    assert 135 < len(levels) < 160
    np.testing.assert_allclose(shares, (0.75, 0.19, 0.06), atol=0.025)


def test_how_much_is_done_and_how_long_it_took_are_each_others_inverse() -> None:
    done = np.linspace(0, 1, 41)
    times = [schedule.time_at(part) for part in done]
    assert times[0] == 0
    assert times[-1] == 1
    np.testing.assert_allclose([schedule.done_at(time) for time in times], done, atol=1e-12)


def test_outside_of_masks_there_is_nothing(tmp_path: Path) -> None:
    model, views = scenes.capture(24, tmp_path, background=(0.9, 0.1, 0.1))
    scene, masked = scenes.truth(), []
    for view in views:
        _, opacity = render(scene, view)
        mask = tmp_path / f"mask-{view.name}"
        Image.fromarray(np.where(opacity > 0.5, 255, 0).astype(np.uint8)).save(mask)
        masked.append(replace(view, mask=mask))
    found = fit(model, masked, tmp_path / "fit", OPTIONS, long_side=scenes.WIDTH)
    # Scores are those of the object alone.
    assert found.mean is not None
    assert found.mean.psnr > 15
    assert 0.4 < found.mean.ssim < 1
    inside, outside, true = [], [], []
    for view in masked:
        _, opacity = render(found.splats, view)
        mask = view.read_mask()
        assert mask is not None
        inside.append(opacity[mask].mean())
        outside.append(opacity[~mask].mean())
        true.append(render(scene, view)[1][~mask].mean())
    assert np.mean(inside) > 0.9
    # At the rim pixels are half covered.
    assert np.mean(outside) < np.mean(true) + 0.05


def test_exposures_of_photos_are_told_from_the_scene(tmp_path: Path) -> None:
    model, views = scenes.capture(24, tmp_path)
    for number, view in enumerate(views):
        if number % 2:
            photo = np.asarray(Image.open(view.path)).astype(np.float32) * 0.8
            Image.fromarray(photo.astype(np.uint8)).save(view.path)
    photos = PhotoCache(views, scenes.WIDTH, tmp_path / "cache")
    state = State.begin(initial.from_sparse(model), len(views), 0)
    Trainer(state, photos, range(24), spread(views), replace(OPTIONS, iterations=900)).run()
    gains = np.trace(state.exposures.maps[:, :, :3], axis1=1, axis2=2) / 3
    # A photo comes 37 times: the way to 0.8 is not done, but no photo is on the wrong side.
    assert gains[1::2].max() < 1 < gains[::2].min()
    assert gains[1::2].mean() < 0.95 * gains[::2].mean()
    assert abs(gains.mean() - 1) < 1e-3


def test_exposures_have_the_identity_as_their_mean() -> None:
    exposures = Exposures.of(4)
    for photo in (0, 2):
        exposures.step(photo, np.ones((3, 4)), 0.01)
    exposures.center()
    np.testing.assert_allclose(exposures.maps[[0, 2]].mean(0), np.eye(3, 4), atol=1e-6)
    np.testing.assert_array_equal(exposures.maps[1], np.eye(3, 4))


def test_halves_look_as_the_whole_did() -> None:
    scene = scenes.truth(40)
    view = scenes.views(3, Path())[0]
    before, _ = render(scene, view)
    rows = np.concatenate([scene.rows(), np.zeros((40, 59), np.float32)])
    density.split(rows, np.arange(40), np.arange(40, 80))
    after, _ = render(type(scene).from_rows(rows, 0), view)
    assert np.abs(before.astype(float) - after).mean() < 10
    assert density.find_dead(rows).size == 0


def test_what_is_drawn_follows_the_scores() -> None:
    rng = np.random.default_rng(0)
    scores = np.array([0, 1, 1, 50, 0, 50], np.float32)
    draws = [density.choose(scores, 2, rng) for _ in range(200)]
    assert all(len(set(draw)) == 2 for draw in draws)
    counts = np.bincount(np.concatenate(draws), minlength=6)
    assert counts[0] == counts[4] == 0
    assert counts[3] > 150
    assert counts[5] > 150
    assert len(density.choose(scores, 9, rng)) == 4


def test_gaussians_of_a_cloud_lie_flat_on_it() -> None:
    rng = np.random.default_rng(1)
    normals = rng.normal(size=(50, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals[0] = (0, 0, -1)
    cloud = PointCloud(
        rng.uniform(size=(50, 3)).astype(np.float32), normals, np.full((50, 3), 128, np.uint8)
    )
    splats = initial.from_cloud(cloud, 40)
    assert len(splats) == 40
    axes = density.axes(initial.from_cloud(cloud, 50).quaternions)
    np.testing.assert_allclose(axes[:, :, 2], normals, atol=1e-5)
    assert (splats.log_scales[:, 2] < splats.log_scales[:, 0]).all()


def test_empty_places_are_filled_at_the_depth_around_them(tmp_path: Path) -> None:
    model, views = scenes.capture(6, tmp_path)
    filled = initial.fill(model, views)
    assert len(filled) > 50
    distances = np.linalg.norm(filled.means, axis=1)
    assert np.percentile(distances, 90) < 2.6


def test_points_outside_of_masks_are_left_out(tmp_path: Path) -> None:
    _, views = scenes.capture(6, tmp_path)
    left = np.zeros((scenes.HEIGHT, scenes.WIDTH), np.uint8)
    left[:, : scenes.WIDTH // 2] = 255
    Image.fromarray(left).save(tmp_path / "left.png")
    masked = [replace(view, mask=tmp_path / "left.png") for view in views[:1]]
    rays = np.c_[[-0.2, 0.2, 9.0], np.zeros(3), np.full(3, 2.0)]
    means = ((rays - views[0].t) @ views[0].R).astype(np.float32)
    assert initial.find_masked(means, masked).tolist() == [False, True, True]
    assert not initial.find_masked(means, views).any()


def test_where_nothing_is_empty_nothing_is_filled(tmp_path: Path) -> None:
    model, views = scenes.capture(6, tmp_path)
    nothing = tmp_path / "nothing.png"
    Image.fromarray(np.zeros((scenes.HEIGHT, scenes.WIDTH), np.uint8)).save(nothing)
    filled = initial.fill(model, [replace(view, mask=nothing) for view in views])
    assert len(filled) == 0
    known = initial.from_sparse(model)
    np.testing.assert_array_equal(initial.together(known, filled).rows(), known.rows())


def test_nothing_is_right_before_a_camera(tmp_path: Path) -> None:
    model, views = scenes.capture(12, tmp_path)
    clearings = initial.clearings(model, views)
    # The cameras are 2.6 to 3 from the middle of a ball of 0.8.
    assert (clearings.radii > 0.6).all()
    assert (clearings.radii < 1.4).all()
    near = np.array([view.center + 0.3 * view.direction for view in views], np.float32)
    assert clearings.find(near).tolist() == list(range(12))
    assert clearings.find(scenes.truth().means).size == 0
    assert clearings.find(np.full((1, 3), np.nan, np.float32)).size == 0


def test_photos_keep_no_files_open(tmp_path: Path) -> None:
    _, views = scenes.capture(6, tmp_path)
    photos = PhotoCache(views, 32, tmp_path / "cache")
    opened = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0
    sizes = {photos.get(n, level).pixels.shape for n in range(6) for level in range(3)}
    assert sizes == {(24, 32, 3), (12, 16, 3), (6, 8, 3)}
    assert photos.get(0, 2).view.K[0, 0] == views[0].K[0, 0] / 8
    if opened:
        assert len(list(Path("/proc/self/fd").iterdir())) == opened


def test_every_tenth_photo_is_held_out_when_there_are_enough() -> None:
    assert held_out(19) == []
    assert held_out(40) == [5, 15, 25, 35]
