"""View lists as COLMAP keeps them beside a cloud."""

from pathlib import Path

import numpy as np
import pytest

from gypsum.errors import InputError
from gypsum.formats import visibility
from gypsum.scene import ViewLists


def lists(points: int, seed: int = 0) -> ViewLists:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 7, points)
    starts = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    return ViewLists(starts, rng.integers(0, 500, starts[-1]).astype(np.uint16))


@pytest.mark.parametrize("points", [0, 1, 1000])
def test_round_trip(tmp_path: Path, points: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visibility, "_BLOCK", 64)
    path = visibility.visibility_path(tmp_path / "cloud.ply")
    assert path.name == "cloud.ply.vis"
    written = lists(points)
    visibility.write_visibility(path, written)
    read = visibility.read_visibility(path)
    np.testing.assert_array_equal(read.starts, written.starts)
    np.testing.assert_array_equal(read.photos, written.photos)


def test_layout_is_colmaps(tmp_path: Path) -> None:
    path = tmp_path / "cloud.ply.vis"
    visibility.write_visibility(
        path, ViewLists(np.array([0, 2, 3]), np.array([7, 1, 5], np.uint16))
    )
    expected = np.uint64(2).tobytes() + np.uint32([2, 7, 1, 1, 5]).tobytes()
    assert path.read_bytes() == expected


@pytest.mark.parametrize("size", [0, 5, 12, 30, -4])
def test_damage_is_named(tmp_path: Path, size: int) -> None:
    path = tmp_path / "cloud.ply.vis"
    visibility.write_visibility(path, lists(20))
    data = path.read_bytes()
    path.write_bytes(data[:size] if size != 5 else data + b"\1\0\0\0")
    with pytest.raises(InputError, match=r"cloud\.ply\.vis is damaged"):
        visibility.read_visibility(path)


def test_rows_can_be_chosen() -> None:
    all_rows = lists(50)
    keep = np.arange(50) % 3 == 1
    for chosen in (keep, np.flatnonzero(keep)):
        some = all_rows.select(chosen)
        assert len(some) == keep.sum()
        for row, source in enumerate(np.flatnonzero(keep)):
            np.testing.assert_array_equal(
                some.photos[some.starts[row] : some.starts[row + 1]],
                all_rows.photos[all_rows.starts[source] : all_rows.starts[source + 1]],
            )
