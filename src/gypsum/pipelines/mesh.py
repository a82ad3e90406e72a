"""``gypsum.to_mesh``: anyone's splats to a textured model."""

from __future__ import annotations

import inspect
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from gypsum.errors import InputError
from gypsum.formats import FORMATS, format_of, read_asset, write_model
from gypsum.options import MeshOptions, mesh_options
from gypsum.scene import Box, Mesh, Progress, Splats, TexturedMesh, View, no_progress

StrPath = str | os.PathLike[str]

#: Long side of the pictures in which depths are drawn, and of those that a texture is made of where
#: there are no photos, pixels.
_DEPTH_SIDE, _PAINT_SIDE = 800, 1200


@dataclass(frozen=True)
class MeshResult:
    """What was made."""

    files: tuple[Path, ...]
    """Each model, and after it what belongs to it."""
    triangles: int
    size: tuple[float, float, float]
    """Extent in x, y and z, Z up."""
    views: int
    """Views that the surface was measured from."""
    painted: str
    """What the texture is made of: ``photos`` or ``splats``."""


def to_mesh(
    source: StrPath,
    target: StrPath | Sequence[StrPath],
    *,
    progress: Progress = no_progress,
    **options: Any,
) -> MeshResult:
    """Make a textured model of 3D Gaussian splats, whichever program trained them.

    Args:
        source: splats in any format that ``gypsum.convert`` reads.
        target: the model to write, or several; their suffixes choose the formats.
        progress: called with the share that is done and what is being done.
        options: see the signature; ``docs/options.md`` explains each.

    Raises:
        InputError: a file or an option can't be used.
        ReconstructionError: the splats have no surface.
        ResourceError: a file can't be written.
    """
    wanted = mesh_options(options)
    path = Path(source)
    targets = [Path(one) for one in _each(target)]
    _check(path, targets, wanted)
    with tempfile.TemporaryDirectory(prefix="gypsum-mesh-") as folder:
        progress(0.0, f"reading {path.name}")
        scene = _scene(path, wanted, Path(folder), _part(progress, 0.0, 0.1))
        mesh = _surface(scene, wanted, Path(folder), _part(progress, 0.1, 0.6))
        model = _painted(scene, mesh, wanted, Path(folder), _part(progress, 0.6, 0.95))
        files = []
        for one in targets:
            progress(0.95, f"writing {one.name}")
            files += write_model(one, model, format_of(one))
    progress(1.0, "done")
    x, y, z = (float(side) for side in np.ptp(mesh.vertices, axis=0))
    painted = "splats" if scene.made_up else "photos"
    return MeshResult(tuple(files), len(mesh.faces), (x, y, z), len(scene.views), painted)


def _each(target: StrPath | Sequence[StrPath]) -> Sequence[StrPath]:
    return [target] if isinstance(target, str | os.PathLike) else target


def _signature() -> inspect.Signature:
    """The options as keyword arguments, from the one place where they are declared."""
    fixed = [p for p in inspect.signature(to_mesh).parameters.values() if p.name != "options"]
    keywords = [
        inspect.Parameter(
            name, inspect.Parameter.KEYWORD_ONLY, default=info.default, annotation=info.annotation
        )
        for name, info in MeshOptions.model_fields.items()
    ]
    return inspect.Signature([*fixed, *keywords], return_annotation=MeshResult)


to_mesh.__signature__ = _signature()  # type: ignore[attr-defined]


@dataclass(frozen=True)
class _Scene:
    """Splats with views of them, Z up."""

    splats: Splats
    views: list[View]
    extent: float
    """Spread of the cameras, world units."""
    made_up: bool
    """Whether there are no photos: the views go around the middle of the splats."""


def _check(source: Path, targets: Sequence[Path], options: MeshOptions) -> None:
    """Everything that can be known to be wrong before the work begins."""
    if not source.is_file():
        raise InputError(f"There is no file {source}.")
    if not targets:
        raise InputError("There is no output; name the file to write, like model.glb.")
    for target in targets:
        name = format_of(target)
        if name not in FORMATS:
            raise InputError(f"{target.name} can't hold a mesh; name it like model.glb.")
    if options.photos is not None and options.cameras is None:
        raise InputError(
            "Say where the photos were taken: --cameras with the COLMAP model or transforms.json "
            "that the splats were trained with."
        )
    if options.photos is None and options.cameras is not None:
        raise InputError("--cameras are those of photos; name the folder of these with --photos.")


def _scene(path: Path, options: MeshOptions, folder: Path, progress: Progress) -> _Scene:
    from gypsum.cameras import read_known_cameras
    from gypsum.pipelines.given_views import turned, undistorted_views, upright
    from gypsum.splats.fit import spread

    asked = None if options.up_axis is None else options.up_axis.value
    if options.photos is None or options.cameras is None:
        return _seen_from_around(_splats(path, asked))
    known = read_known_cameras(options.cameras)
    views = undistorted_views(
        options.photos, options.cameras, known, folder / "views",
        threads=options.threads, progress=progress,
    )  # fmt: skip
    # Cameras are in the file's own frame, and tell what is up there.
    splats = _splats(path, "z")
    rotation = upright(views) if asked is None else _splats_rotation(asked)
    return _Scene(
        splats.moved(rotation), [turned(view, rotation) for view in views], spread(views), False
    )


def _splats(path: Path, up_axis: str | None) -> Splats:
    held = read_asset(path, up_axis=up_axis)
    if not isinstance(held, Splats):
        raise InputError(f"{path.name} holds no Gaussian splats.")
    if not len(held):
        raise InputError(f"{path.name} is empty.")
    return held


def _splats_rotation(up_axis: str) -> Any:
    from gypsum.formats.splats.frames import TO_WORLD

    return TO_WORLD[up_axis]


def _seen_from_around(splats: Splats) -> _Scene:
    """Views around the middle, and of the splats only what is near it."""
    from gypsum.splats.fit import spread
    from gypsum.splats.paths import around, orbit, subject_of_splats

    subject = subject_of_splats(splats)
    views = orbit(subject, _PAINT_SIDE, _PAINT_SIDE)
    return _Scene(around(splats, subject), views, spread(views), True)


def _surface(scene: _Scene, options: MeshOptions, folder: Path, progress: Progress) -> Mesh:
    from gypsum.pipelines.splat_surface import surface_of_splats
    from gypsum.surface import simplify

    asked = options.box
    found = surface_of_splats(
        scene.splats,
        [view.limited(_DEPTH_SIDE) for view in scene.views],
        folder / "depths",
        extent=scene.extent,
        box=None if isinstance(asked, str) else Box.between(asked[:3], asked[3:]),
        everything=asked == "off",
        threads=options.threads,
        progress=progress,
    )
    return simplify(found.mesh, options.faces)


def _painted(
    scene: _Scene, mesh: Mesh, options: MeshOptions, folder: Path, progress: Progress
) -> TexturedMesh:
    from gypsum.texture import bake_texture

    views = scene.views
    if scene.made_up:
        views = _pictures(scene, folder / "pictures", options.threads, _part(progress, 0, 0.2))
    model, _ = bake_texture(
        mesh,
        views,
        options.texture.pixels,
        spare=True,
        smoothing=scene.made_up,
        threads=options.threads,
        progress=_part(progress, 0.2, 1),
    )
    return model


def _pictures(scene: _Scene, folder: Path, threads: int, progress: Progress) -> list[View]:
    """What the splats look like from the views, as if these were photos with masks."""
    from gypsum.splats import render

    folder.mkdir()
    views = []
    for number, view in enumerate(scene.views):
        progress(number / len(scene.views), f"picture {number + 1} of {len(scene.views)}")
        drawn, opacity = render(scene.splats, view, extent=scene.extent, threads=threads)
        picture, mask = folder / view.name, folder / f"mask-{view.name}"
        Image.fromarray(drawn).save(picture, compress_level=1)
        Image.fromarray(np.where(opacity > 0.5, 255, 0).astype(np.uint8)).save(mask)
        views.append(replace(view, path=picture, mask=mask))
    return views


def _part(progress: Progress, start: float, end: float) -> Progress:
    """The share of the whole progress that one part fills."""

    def report(done: float, doing: str = "") -> None:
        progress(start + (end - start) * done, doing)

    return report
