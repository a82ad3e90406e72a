"""COLMAP's arrays and settings."""

from pathlib import Path

import numpy as np
import pytest

from gypsum.dense.colmap_workspace import read_map, write_map, write_settings


@pytest.mark.parametrize("shape", [(3, 5), (7, 2, 3), (1, 1)])
def test_maps_come_back_as_they_were(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    write_map(tmp_path / "a.bin", values)
    np.testing.assert_array_equal(read_map(tmp_path / "a.bin"), values)


def test_maps_are_laid_out_as_colmap_documents(tmp_path: Path) -> None:
    values = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    write_map(tmp_path / "a.bin", values)
    header, data = b"2&2&3&", (tmp_path / "a.bin").read_bytes()
    assert data.startswith(header)
    # One plane after the other, each row by row.
    np.testing.assert_array_equal(
        np.frombuffer(data[len(header) :], "<f4"), values.transpose(2, 0, 1).ravel()
    )


def test_settings_name_the_sources(tmp_path: Path) -> None:
    write_settings(tmp_path, {"a.jpg": ["b.jpg", "c.jpg"], "b.jpg": ["a.jpg"]})
    lines = (tmp_path / "stereo" / "patch-match.cfg").read_text().splitlines()
    assert lines == ["a.jpg", "b.jpg, c.jpg", "b.jpg", "a.jpg"]
    assert (tmp_path / "stereo" / "fusion.cfg").read_text() == "a.jpg\nb.jpg\n"
