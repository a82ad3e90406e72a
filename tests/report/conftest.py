"""What the tests of the report share."""

from __future__ import annotations

import numpy as np
import pytest

from gypsum.report import (
    Cameras,
    ExportedFile,
    LostPhoto,
    Photos,
    RegisteredPhoto,
    ReportData,
    StageTiming,
    Surface,
    Texture,
    describe_machine,
)

from .scenes import Scene, photographed


@pytest.fixture(scope="session")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    return photographed(
        tmp_path_factory.mktemp("photos"), np.linspace(0, 2 * np.pi, 12, endpoint=False)
    )


@pytest.fixture
def report() -> ReportData:
    return ReportData(
        title="vase",
        created="2026-01-02T03:04:05+00:00",
        photos=Photos(
            given=21, usable=20, registered=20,
            skipped=(LostPhoto(name="broken.jpg", reason="is cut off"),),
        ),
        cameras=Cameras(
            photos=(
                RegisteredPhoto(
                    name="a.jpg", camera=1, width=640, height=480, focal_px=600, points=12,
                    error_px=None,
                ),
            ),
            points=1000, observations=5000, track_length=5, reprojection_error_px=0.6,
        ),
        surface=Surface(vertices=50, faces=96, size=(0.1, 0.2, 0.3), metric=True),
        texture=Texture(width=1024, height=1024, coverage=0.97),
        exports=(ExportedFile(name="models/vase.glb", format="glb", bytes=12_345_678),),
        seconds=4000,
        cpu_seconds=7000.5,
        peak_bytes=3 << 30,
        stages=(
            StageTiming(
                name="depth", label="Depth maps", seconds=3000, cpu_seconds=5500, peak_bytes=3 << 30
            ),
            StageTiming(
                name="texture", label="Texture", seconds=1000, cpu_seconds=1500, peak_bytes=1 << 30
            ),
        ),
        options={"quality": "normal", "faces": 96, "output": "/home/somebody/vase.glb"},
        versions={"gypsum": "0.1.0", "python": "3.11"},
        machine=describe_machine(),
    )  # fmt: skip
