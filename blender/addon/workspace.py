# SPDX-License-Identifier: GPL-3.0-or-later
"""A Gypsum workspace on disk, free of Blender: what a scan left, what goes into the next one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .colmap import Float64, ModelError, Shot, read_model, write_model

MESHES = (".glb", ".gltf", ".obj", ".fbx", ".stl")
"""Files of models that Blender reads by itself, the best first."""

_EDITS = "blender"
"""Folder for what is sent back."""


@dataclass(frozen=True)
class Workspace:
    """A scan's folder."""

    root: Path

    @property
    def name(self) -> str:
        return self.root.name.removesuffix(".gypsum")

    @property
    def models(self) -> list[Path]:
        """Exports, by name."""
        return sorted(path for path in (self.root / "models").glob("*") if path.is_file())

    @property
    def mesh(self) -> Path | None:
        """The best mesh: with texture if there is one."""
        for suffix in MESHES:
            for path in self.models:
                if path.suffix.lower() == suffix:
                    return path
        plain = self.root / "mesh.ply"
        return plain if plain.is_file() else None

    @property
    def splats(self) -> Path | None:
        """The splats of a splat scan, with the least loss."""
        wanted = [self.root / "splats.ply", *self.models]
        kinds = [".ply", ".spz", ".sog", ".splat"] if self.mode == "splat" else []
        for suffix in kinds:
            for path in wanted:
                packed = path.name.endswith(".compressed.ply")
                if path.suffix.lower() == suffix and path.is_file() and not packed:
                    return path
        return None

    @property
    def cloud(self) -> Path | None:
        """Dense points."""
        path = self.root / "cloud.ply"
        return path if path.is_file() else None

    @property
    def options(self) -> dict[str, Any]:
        """Of the last run."""
        found = self._record().get("options", {})
        return dict(found) if isinstance(found, dict) else {}

    @property
    def inputs(self) -> list[str]:
        """Photos, clips or folders of the last run."""
        return [str(item) for item in self._record().get("inputs", [])]

    @property
    def mode(self) -> str:
        """What the scan made."""
        return str(self.options.get("mode", "photo"))

    def shots(self) -> list[Shot]:
        """Photos and where they were taken; none when the scan has no cameras."""
        if not (self.root / "sparse" / "cameras.bin").is_file():
            return []
        return read_model(self.root / "sparse")

    def photo(self, name: str) -> Path | None:
        """A photo as it was scanned: upright, with its lens's distortion."""
        path = self.root / "stages" / "photos" / "photos" / name
        return path if path.is_file() else None

    def send_cameras(self, similarity: Float64) -> Path:
        """Write the cameras of a world that was turned, scaled and shifted by (4, 4)."""
        folder = self.root / _EDITS / "cameras"
        shots = self.shots()
        if not shots:
            raise ModelError(f"{self.name} has no cameras, so its frame can't be sent back.")
        write_model(folder, [shot.moved(similarity) for shot in shots])
        return folder

    def note(self, text: str) -> Path:
        """Keep the command of the next run beside what it needs."""
        path = self.root / _EDITS / "next_run.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n", encoding="utf-8")
        return path

    def _record(self) -> dict[str, Any]:
        try:
            found = json.loads((self.root / "scan.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}


def open_workspace(path: Path) -> Workspace:
    """The workspace that a person means: its folder, a file in it, or the model made beside it."""
    beside = [path.with_suffix(".gypsum")] if path.name else []
    for folder in (path, *path.parents[:2], *beside):
        if (folder / "scan.json").is_file() or (folder / "sparse" / "cameras.bin").is_file():
            return Workspace(folder)
    raise ModelError(f"{path.name} is no workspace of Gypsum: it has no scan.json.")


def plane_through(points: Float64) -> tuple[Float64, Float64]:
    """The middle (3,) and the upward normal (3,) of the plane nearest to points (N, 3)."""
    middle = points.mean(axis=0)
    normal = np.linalg.svd(points - middle, full_matrices=False)[2][2]
    return middle, -normal if normal[2] < 0 else normal


def turn_between(start: Float64, end: Float64) -> Float64:
    """(3, 3) the least rotation that takes one unit vector to another (Rodrigues)."""
    axis, cosine = np.cross(start, end), float(start @ end)
    if cosine < -1 + 1e-9:
        other = np.eye(3)[np.argmin(np.abs(start))]
        across = np.cross(start, other) / np.linalg.norm(np.cross(start, other))
        return 2 * np.outer(across, across) - np.eye(3)
    skew = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))


def box_of(corners: NDArray[np.floating]) -> tuple[float, ...]:
    """``--box`` for corners (N, 3): six numbers, to a ten-thousandth of its size."""
    low, high = corners.min(axis=0), corners.max(axis=0)
    digits = max(0, 4 - int(np.floor(np.log10(max(float((high - low).max()), 1e-9)))))
    return tuple(round(float(value), digits) for value in (*low, *high))
