"""A capture comes back from disk as it was."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gypsum.scene import Capture, PhotoFile, SkippedPhoto

text = st.text(st.characters(codec="utf-8"), max_size=20)
share = st.floats(0, 1)
photo_files = st.builds(
    PhotoFile,
    name=text,
    source=text,
    width=st.integers(1, 20_000),
    height=st.integers(1, 20_000),
    focal_px=st.none() | st.floats(1, 1e5),
    camera=text,
    gps=st.none()
    | st.tuples(st.floats(-90, 90), st.floats(-180, 180), st.none() | st.floats(-500, 9000)),
    time=st.none() | st.datetimes(min_value=datetime(1990, 1, 1)),
    sharpness=share,
    brightness=share,
    digest=text,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(
    st.builds(
        Capture,
        st.lists(photo_files, max_size=3).map(tuple),
        st.lists(st.builds(SkippedPhoto, text, text), max_size=3).map(tuple),
        st.integers(0, 99),
    )
)
def test_round_trip(tmp_path: Path, capture: Capture):
    capture.write(tmp_path)
    assert Capture.read(tmp_path) == capture
    assert [path.name for path in tmp_path.iterdir()] == ["capture.json"]


def test_other_versions_are_refused(tmp_path: Path):
    Capture(()).write(tmp_path)
    file = tmp_path / "capture.json"
    file.write_text(file.read_text().replace('"version": 1', '"version": 2'))
    with pytest.raises(ValueError, match="version 2"):
        Capture.read(tmp_path)
