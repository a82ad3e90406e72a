"""Points from photos whose poses are known already: triangulated, and nothing moved."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image  # noqa: F401  before pycolmap, whose zlib breaks Pillow when it is loaded first

from gypsum.cameras.known import Pose
from gypsum.cameras.mapping import Mapped, Scene
from gypsum.cameras.matches import SEED
from gypsum.errors import ReconstructionError
from gypsum.scene import Progress

#: Of the matched keypoints, at least this share has to agree with the poses; right ones reach 0.7
#: to 0.9, poses in another convention a few percent.
_LEAST_AGREEMENT = 0.15
#: Below this share the poses are used, with a word of warning.
_GOOD_AGREEMENT = 0.45


def triangulate_known(
    scene: Scene,
    poses: Sequence[Pose | None],
    database_path: Path,
    photos_folder: Path,
    folder: Path,
    threads: int,
    progress: Progress,
) -> tuple[Mapped, list[str]]:
    """The points that photos with these poses see, and warnings for people.

    Poses and intrinsics stay exactly as they are. ``poses`` are those of the scene's photos; None
    leaves a photo out.
    """
    import pycolmap

    progress(0.1, "triangulating")
    model = pycolmap.Reconstruction()
    for camera in {camera.camera_id: camera for camera in scene.cameras}.values():
        model.add_camera_with_trivial_rig(camera)
    for number, (name, camera, pose) in enumerate(
        zip(scene.names, scene.cameras, poses, strict=True), start=1
    ):
        if pose is None:
            continue
        image = pycolmap.Image(
            name=name,
            keypoints=scene.points[number - 1],
            camera_id=camera.camera_id,
            image_id=number,
        )
        model.add_image_with_trivial_frame(
            image, pycolmap.Rigid3d(np.column_stack([pose.R, pose.t]))
        )
    options = pycolmap.IncrementalPipelineOptions()
    options.num_threads = threads
    options.extract_colors = False
    options.random_seed = options.mapper.random_seed = options.triangulation.random_seed = SEED
    output = folder / "mapping"
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    try:
        model = pycolmap.triangulate_points(
            model, database_path, photos_folder, output, options=options
        )
    finally:
        shutil.rmtree(output, ignore_errors=True)
    model.update_point_3d_errors()
    agreement = _agreement(scene, model)
    if agreement < _LEAST_AGREEMENT:
        raise ReconstructionError(
            f"The given poses don't fit the photos: only {agreement:.0%} of what they show in "
            "common agrees with them. Check that photos and cameras belong together, and the "
            "axes' convention of the file."
        )
    warnings = []
    if agreement < _GOOD_AGREEMENT:
        warnings.append(
            f"Only {agreement:.0%} of what the photos show in common agrees with the given poses."
        )
    facts = {"thresholds": "poses as given", "pose_agreement": round(agreement, 3)}
    return Mapped(model, facts=facts), warnings


def _agreement(scene: Scene, model: object) -> float:
    """Share of the keypoints with verified matches between posed photos that got a point."""
    import pycolmap

    assert isinstance(model, pycolmap.Reconstruction)
    posed = set(model.reg_image_ids())
    matched = {number: np.zeros(len(scene.points[number - 1]), np.bool_) for number in posed}
    for pair, geometry in scene.geometries.items():
        if not all(i + 1 in posed for i in pair):
            continue
        for side, i in enumerate(pair):
            matched[i + 1][geometry.inlier_matches[:, side]] = True
    total = sum(int(rows.sum()) for rows in matched.values())
    seen = sum(model.image(number).num_points3D for number in posed)
    return seen / total if total else 0.0
