"""Facts for the report that are read off results and the machine."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any

import numpy as np

from gypsum._version import __version__
from gypsum.report.coverage import find_coverage
from gypsum.report.schema import (
    Calibration,
    Cameras,
    Frame,
    KeptBox,
    Machine,
    RegisteredPhoto,
    Surface,
)
from gypsum.scene import Mesh, Photo, SparseModel

_LIBRARIES = (
    "numpy", "scipy", "pillow", "opencv-python-headless", "pycolmap", "embreex",
    "pydantic",
)  # fmt: skip


def now() -> str:
    """The time as the report writes it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def describe_cameras(model: SparseModel, facts: Mapping[str, Any] | None = None) -> Cameras:
    """The registered photos with their focal lengths and errors.

    ``facts`` are those of the cameras' stage: matches of each photo, and focal lengths.
    """
    facts = facts or {}
    matches = facts.get("matches", {})
    coverage = find_coverage(model)
    order = np.argsort(model.point_ids)
    ids, errors = model.point_ids[order], model.errors[order]
    observations = sum(int((photo.point3d_ids >= 0).sum()) for photo in model.photos.values())
    count = len(model.points)
    return Cameras(
        photos=tuple(
            _describe_photo(model, photo, ids, errors, matches.get(photo.name))
            for photo in sorted(model.photos.values(), key=lambda photo: photo.name)
        ),
        points=count,
        observations=observations,
        track_length=observations / max(count, 1),
        reprojection_error_px=float(model.errors.mean()) if count else 0.0,
        calibration=tuple(
            Calibration(camera=camera, **found)
            for camera, found in facts.get("focal_lengths", {}).items()
        ),
        weak_directions=() if coverage is None else coverage.weak,
    )


def describe_frame(facts: Mapping[str, Any]) -> Frame | None:
    """How up and scale were found, from the facts of the cameras' stage."""
    if "up" not in facts:
        return None
    return Frame(**{name: facts[name] for name in Frame.model_fields if name in facts})


def _describe_photo(
    model: SparseModel, photo: Photo, ids: np.ndarray, errors: np.ndarray, matches: int | None
) -> RegisteredPhoto:
    """``ids`` (P,) ascending with the mean error (P,) of each point."""
    camera = model.camera_of(photo)
    seen = photo.point3d_ids[photo.point3d_ids >= 0]
    place = np.searchsorted(ids, seen)
    known = place[np.isin(seen, ids)]
    return RegisteredPhoto(
        name=photo.name,
        camera=camera.id,
        width=camera.width,
        height=camera.height,
        focal_px=float(np.sqrt(camera.K[0, 0] * camera.K[1, 1])),
        points=len(seen),
        error_px=float(errors[known].mean()) if len(known) else None,
        matches=matches,
    )


def describe_surface(
    mesh: Mesh, metric: bool = False, box: Mapping[str, Any] | None = None
) -> Surface:
    """Counts and extent of the final mesh, and the box from the facts of the surface's stage."""
    used = mesh.vertices[np.unique(mesh.faces)]
    extent = np.ptp(used, axis=0) if len(used) else np.zeros(3)
    return Surface(
        vertices=len(used),
        faces=len(mesh.faces),
        size=(float(extent[0]), float(extent[1]), float(extent[2])),
        metric=metric,
        box=None if box is None else KeptBox(**box),
    )


def describe_versions() -> dict[str, str]:
    """Versions of Gypsum, Python and the libraries that results depend on."""
    versions = {"gypsum": __version__, "python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def describe_machine() -> Machine:
    """Cores and memory; no names of hosts or users."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        system=f"{platform.system()} {platform.release().split('-')[0]}",
        architecture=platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=pages,
    )
