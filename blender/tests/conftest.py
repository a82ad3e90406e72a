# SPDX-License-Identifier: GPL-3.0-or-later
"""The add-on in a fresh Blender for each test; run by ``make blender-test``."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

bpy = pytest.importorskip("bpy", reason="Blender's module bpy is not installed")

import numpy as np  # noqa: E402

sys.path[:0] = [str(Path(__file__).resolve().parents[1]), str(Path(__file__).resolve().parent)]

from addon.splats import TERMS, Splats  # noqa: E402
from support import GYPSUM_PYTHON  # noqa: E402


@pytest.fixture(autouse=True)
def blender() -> Iterator[None]:
    """An empty scene with the add-on enabled."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module="cycles")
    bpy.ops.preferences.addon_enable(module="addon")
    yield
    bpy.ops.preferences.addon_disable(module="addon")


@pytest.fixture
def preferences() -> bpy.types.AddonPreferences:
    """The add-on's."""
    return bpy.context.preferences.addons["addon"].preferences


@pytest.fixture
def gypsum(tmp_path: Path, preferences) -> Path:
    """The real program, known to the add-on."""
    if not GYPSUM_PYTHON:
        pytest.skip("GYPSUM_PYTHON names no Python in which Gypsum is installed")
    path = tmp_path / "gypsum"
    path.write_text(f'#!/bin/sh\nexec "{GYPSUM_PYTHON}" -m gypsum "$@"\n')
    path.chmod(0o755)
    preferences.program = str(path)
    return path


def random_splats(count: int, degree: int = 3, seed: int = 0) -> Splats:
    """Gaussians without order, with quaternions of any length as trainers leave them."""
    random = np.random.default_rng(seed)
    return Splats(
        random.normal(size=(count, 3)).astype(np.float32),
        random.uniform(-4, -2, (count, 3)).astype(np.float32),
        random.normal(size=(count, 4)).astype(np.float32),
        random.normal(0, 2, count).astype(np.float32),
        random.normal(0, 0.3, (count, TERMS[degree], 3)).astype(np.float32),
    )


@pytest.fixture
def make_splats():
    """See :func:`random_splats`."""
    return random_splats
