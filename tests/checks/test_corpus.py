"""Captures with a photographer's mistake are named by it, and good ones raise no alarm.

The captures are made by the sample's renderer; thresholds come from the problem, not from them.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from gypsum import CheckResult, check
from gypsum.errors import InputError
from gypsum.formats.ply import write_cloud
from gypsum.options import Fault
from gypsum.sample import make_sample
from gypsum.scene import PointCloud

#: Photos that each mistake needs to show; few, as rendering them takes the time of these tests.
PHOTOS = {
    None: 20, Fault.BLURRED: 6, Fault.DARK: 6, Fault.BURNT: 6, Fault.FEW: 8, Fault.ONE_SIDED: 10,
    Fault.MOVED: 22, Fault.MOVING: 22, Fault.UNFOCUSED: 6, Fault.PLAIN: 14, Fault.MIRROR: 16,
    Fault.DUPLICATES: 20, Fault.SMALL: 6,
}  # fmt: skip

#: What else is true of a capture with a mistake.
ALSO = {
    Fault.BLURRED: {"few", "one-sided", "unlinked"},
    Fault.DARK: {"few", "one-sided", "unlinked"},
    Fault.UNFOCUSED: {"few", "one-sided", "unlinked"},
    Fault.MOVING: {"few", "one-sided"},
    Fault.BURNT: {"few", "one-sided", "unlinked"},
    Fault.SMALL: {"few", "one-sided", "unlinked"},
    Fault.FEW: {"one-sided", "unlinked"},
    Fault.PLAIN: {"few", "one-sided"},
    Fault.MIRROR: {"few", "one-sided"},
    Fault.DUPLICATES: {"few", "one-sided"},
}

NAMES = {fault: str(fault) for fault in Fault} | {Fault.MIRROR: "reflective"}


def checked(folder: Path, fault: Fault | None, seed: int) -> CheckResult:
    make_sample(folder, PHOTOS[fault], 640, 480, seed=seed, fault=fault)
    return check(folder / "photos")


@pytest.mark.parametrize("fault", list(Fault))
def test_a_mistake_is_named(tmp_path: Path, fault: Fault) -> None:
    result = checked(tmp_path / "owl", fault, seed=7)
    codes = {finding.code for finding in result.findings}
    assert NAMES[fault] in codes
    assert codes <= {NAMES[fault]} | ALSO.get(fault, set())


def test_a_good_capture_raises_no_alarm(tmp_path: Path) -> None:
    result = checked(tmp_path / "owl", None, seed=11)
    assert result.usable
    assert [finding.code for finding in result.findings] == []
    assert result.recommendation == "photo"


def test_what_has_distances_is_for_lidar(tmp_path: Path) -> None:
    cloud = tmp_path / "room.ply"
    points = np.zeros((9, 3), np.float32)
    write_cloud(cloud, PointCloud(points, points, np.zeros((9, 3), np.uint8)))
    result = check(cloud)
    assert result.recommendation == "lidar"
    assert "--mode lidar" in result.reason
    with pytest.raises(InputError, match=r"no photos for a contact sheet"):
        check(cloud, tmp_path / "sheet.html")
    with pytest.raises(InputError, match=r"There is no file"):
        check(tmp_path / "room.obj")


@pytest.mark.parametrize("name", ["strecha_fountain_P11", "banana", "drone_beach"])
def test_good_photos_of_real_things_raise_no_alarm(captures: Path, name: str) -> None:
    result = check(captures / name / "photos")
    assert result.usable
    assert not {finding.code for finding in result.findings} - {"duplicates"}
