"""Captures of a sculpture that is moved: what the truth says must be what the photos show."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from gypsum.errors import InputError
from gypsum.masking import is_turntable
from gypsum.options import Fault
from gypsum.sample import make_sample, sculpture_mesh

WIDTH, HEIGHT, PHOTOS = 160, 120, 24
Float64 = NDArray[np.float64]


@pytest.fixture(scope="module")
def turntable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posed") / "turntable"
    make_sample(folder, PHOTOS, WIDTH, HEIGHT, turntable=True)
    return folder


@pytest.fixture(scope="module")
def flip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("posed") / "flip"
    make_sample(folder, 8, WIDTH, HEIGHT, flip=True)
    return folder


def cameras(folder: Path) -> dict[str, tuple[Float64, Float64, Float64]]:
    """K, R, t of every photo."""
    truth = json.loads((folder / "truth" / "cameras.json").read_text())["photos"]
    return {
        name: (np.array(camera["K"]), np.array(camera["R"]), np.array(camera["t"]))
        for name, camera in truth.items()
    }


def mask_of(folder: Path, name: str) -> NDArray[np.bool_]:
    path = folder / "truth" / "masks" / "photos" / f"{Path(name).stem}.png"
    mask: NDArray[np.bool_] = np.asarray(Image.open(path)) == 255
    return mask


def grey(path: Path) -> Float64:
    return np.asarray(Image.open(path).convert("L"), np.float64)


@pytest.mark.parametrize("kind", ["turntable", "flip"])
def test_true_cameras_see_the_true_surface_where_the_mask_is(
    kind: str, request: pytest.FixtureRequest
) -> None:
    folder = request.getfixturevalue(kind)
    vertices = sculpture_mesh(WIDTH, HEIGHT).vertices.astype(np.float64)
    for name, (K, R, t) in cameras(folder).items():
        np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
        mask = mask_of(folder, name)
        seen = vertices @ R.T + t
        flat = seen[:, :2] / seen[:, 2:]
        flat *= 1 - 0.028 * (flat**2).sum(1, keepdims=True)
        column, row = np.floor(flat * np.diag(K)[:2] + K[:2, 2]).astype(int).T
        inside = (column >= 0) & (row >= 0) & (column < WIDTH) & (row < HEIGHT)
        outline = np.zeros_like(mask)
        outline[row[inside], column[inside]] = True
        assert (outline & mask).sum() > 0.9 * (outline | mask).sum(), name


def test_a_turntables_background_stands_still_and_its_object_turns(turntable: Path) -> None:
    names = sorted(cameras(turntable))[:6]
    pictures = [grey(turntable / "photos" / name) for name in names]
    masks = np.array([mask_of(turntable, name) for name in names])
    # Exposures differ a little, so that levels are compared after a gain.
    around = ~masks.any(axis=0)
    level = pictures[0][around]
    for picture in pictures[1:]:
        gain = level.mean() / picture[around].mean()
        assert np.abs(picture[around] * gain - level).mean() < 4
        both = masks.all(axis=0)
        assert np.abs(picture[both] * gain - pictures[0][both]).mean() > 15
    assert is_turntable([turntable / "photos" / name for name in sorted(cameras(turntable))])


def test_cameras_of_a_turntable_go_around_the_sculpture(turntable: Path) -> None:
    centers = np.array([-R.T @ t for _, R, t in cameras(turntable).values()])
    assert len(np.unique(np.round(centers[:, 2], 6))) == 3, "three heights of the tripod"
    around = np.sort(np.arctan2(centers[:, 1], centers[:, 0]))
    assert np.diff(around).max() < np.radians(40)


def test_a_flip_shows_the_underside(flip: Path) -> None:
    sets = {
        name: sorted(path.name for path in (flip / "photos" / name).iterdir())
        for name in ("standing", "lying")
    }
    assert [len(photos) for photos in sets.values()] == [4, 4]
    assert not set(sets["standing"]) & set(sets["lying"]), "the truth has one entry a name"
    assert set(cameras(flip)) == {*sets["standing"], *sets["lying"]}
    centers = {name: -R.T @ t for name, (_, R, t) in cameras(flip).items()}
    assert min(centers[name][2] for name in sets["standing"]) > 0.1
    assert min(centers[name][2] for name in sets["lying"]) < -0.1
    assert not (flip / "truth" / "table.ply").exists(), "the table moved against the truth"


def test_another_sample_replaces_a_flips_folders(tmp_path: Path) -> None:
    make_sample(tmp_path, 6, 96, 72, flip=True)
    make_sample(tmp_path, 3, 96, 72)
    assert sorted(path.name for path in (tmp_path / "photos").iterdir()) == [
        "0001.jpg",
        "0002.jpg",
        "0003.jpg",
    ]
    assert (tmp_path / "truth" / "table.ply").exists()


def test_a_moved_sculpture_has_no_markers_faults_or_clips(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="turntable sample can't have --flip"):
        make_sample(tmp_path / "x", turntable=True, flip=True)
    with pytest.raises(InputError, match="flip sample can't have --marker"):
        make_sample(tmp_path / "x", flip=True, marker=True)
    with pytest.raises(InputError, match="can't have --fault"):
        make_sample(tmp_path / "x", turntable=True, fault=Fault.DARK)
    with pytest.raises(InputError, match="can't have --video"):
        make_sample(tmp_path / "x", turntable=True, video=3.0)
    assert not (tmp_path / "x").exists()
