"""The stages of a scan that tell the object from what is around it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gypsum.formats.atomic import atomic_write
from gypsum.scene import Capture, SparseModel, View
from gypsum.workspace import Stage, StageContext

if TYPE_CHECKING:
    from gypsum.masking import SingleMasks

_HERE = "gypsum.pipelines.masks"
_FILE = "masks.json"


def mask_photos(context: StageContext) -> None:
    """A mask for every photo by itself, where the scan needs masks."""
    from gypsum.masking import (
        MODEL,
        clear_surroundings,
        is_turntable,
        mask_photos,
        match_given,
    )

    photos = context.inputs["photos"]
    capture = Capture.read(photos)
    asked = context.settings["mask"]
    alpha = photos / "alpha"
    given = {
        photo.name: alpha / f"{photo.name}.png"
        for photo in capture.photos
        if (alpha / f"{photo.name}.png").exists()
    }
    if context.settings["mask_folder"] is not None:
        given = match_given(capture, Path(context.settings["mask_folder"][0]))
    flipped = len({photo.set for photo in capture.photos}) > 1
    turntable = is_turntable([photos / "photos" / photo.name for photo in capture.photos])
    network = Path(context.settings["mask_model"][0]) if context.settings["mask_model"] else MODEL
    if not (given or flipped or turntable or asked == "auto"):
        _write(context.folder, None, features=False)
        return
    made = mask_photos(
        capture,
        photos / "photos",
        context.folder / "masks",
        given=given,
        # Around a turning object lies what it stands on, a mat perhaps: from closer, that is seen
        # as a part of it more often.
        closer=not (flipped or turntable),
        network=network if len(given) < len(capture.photos) and not _partly(given) else None,
        threads=context.threads,
        progress=context.progress,
    )
    if turntable:
        clear_surroundings(photos / "photos", context.folder / "masks", capture, made.found)
    without = len(capture.photos) - len(made.given) - len(made.found)
    if without:
        context.warn(
            f"{without} photos have no mask; the others' masks tell where the object is in them."
        )
    if turntable and asked == "found" and not given:
        context.warn(
            "The background stands still while the object turns, so only the object counts; "
            "--mask off takes everything."
        )
    context.facts.update(given=len(made.given), found=len(made.found), turntable=turntable)
    _write(context.folder, made, features=flipped or turntable)


def _partly(given: Mapping[str, Path]) -> bool:
    """Whether people made some masks: then the network has no say in the other photos."""
    return bool(given)


def _write(folder: Path, made: SingleMasks | None, *, features: bool) -> None:
    data = {
        "masks": made is not None,
        "given": list(made.given) if made else [],
        "features": features,
    }
    with atomic_write(folder / _FILE) as file:
        file.write(json.dumps(data).encode())


def _read(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return data


def feature_masks(context: StageContext) -> Path | None:
    """The masks in which features are sought; None: everywhere.

    Only where the surroundings contradict the object: otherwise they help to find the cameras.
    """
    folder = context.inputs.get("masks")
    if folder is None or not _read(folder)["features"]:
        return None
    return folder / "masks"


def agree_on_object(context: StageContext) -> None:
    """Masks of the undistorted photos that agree with each other."""
    from gypsum.dense import read_views, undistort_masks
    from gypsum.masking import agree

    singles = _read(context.inputs["masks"])
    if not singles["masks"]:
        return
    undistort_masks(
        SparseModel.read(context.inputs["cameras"] / "sparse"),
        context.inputs["masks"] / "masks",
        context.folder / "singles",
        threads=context.threads,
    )
    found = agree(
        read_views(context.inputs["undistort"]),
        context.folder / "singles",
        context.folder / "masks",
        points=SparseModel.read(context.inputs["undistort"] / "sparse").points,
        given=frozenset(singles["given"]),
        threads=context.threads,
        progress=context.progress,
    )
    if not found.found:
        context.warn(
            "The masks of the photos contradict each other, so no object could be cut out and "
            "everything is kept; make masks by hand, or take photos with the whole object in each."
        )
    context.facts["masked"] = len(found.masks)
    context.facts["agreement"] = {name: round(v, 3) for name, v in found.agreement.items()}


def clear_ground(context: StageContext) -> None:
    """The masks without the ground that the object stands on, where depths tell it."""
    from gypsum.dense import read_views
    from gypsum.dense.colmap_workspace import map_path, read_map
    from gypsum.masking import clear_ground, find_ground

    singles = _read(context.inputs["masks"])
    views = attached(read_views(context.inputs["undistort"]), context.inputs)
    found = [view for view in views if view.mask is not None and view.name not in singles["given"]]
    if not found:
        return
    plane = find_ground(views, SparseModel.read(context.inputs["undistort"] / "sparse").points)
    context.facts["ground"] = plane is not None
    if plane is not None:
        clear_ground(
            found,
            plane,
            lambda view: read_map(map_path(context.inputs["depth"], "depth", view.name)),
            context.folder / "masks",
            threads=context.threads,
            progress=context.progress,
        )


def draw_masks(context: StageContext, views: Sequence[View], folder: Path) -> None:
    """The sheet of all photos with the outline of the object in each, where there are masks."""
    from PIL import Image

    from gypsum.report import draw_outlines, outline, pictures

    singles = context.inputs["object"] / "singles" if "object" in context.inputs else None
    masked = [view for view in views if view.mask is not None]
    if not masked:
        return
    tiles = [outline(view, singles and singles / f"{view.name}.png") for view in masked]
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(folder / pictures.MASKS.file) as file:
        Image.fromarray(draw_outlines(tiles)).save(file, "JPEG", quality=86)
    context.facts["changed_masks"] = [tile.name for tile in tiles if tile.changed]


def attached(views: Sequence[View], inputs: Mapping[str, Path]) -> list[View]:
    """The views with the object's masks, where there are some."""
    folders = [inputs[stage] for stage in ("ground", "object") if stage in inputs]

    def mask_of(view: View) -> Path | None:
        paths = (folder / "masks" / f"{view.name}.png" for folder in folders)
        return next((path for path in paths if path.exists()), None)

    return [replace(view, mask=mask_of(view)) for view in views]


MASKS = Stage(
    "masks",
    "Telling the object from its surroundings",
    f"{_HERE}:mask_photos",
    "cameras",
    needs=("photos",),
    settings=("mask", "mask_folder", "mask_model"),
    cost=30,
    version=3,
    when="mask",
)
OBJECT = Stage(
    "object",
    "Making the masks agree",
    f"{_HERE}:agree_on_object",
    "dense",
    needs=("photos", "masks", "cameras", "undistort"),
    cost=25,
    version=2,
    when="mask",
)
GROUND = Stage(
    "ground",
    "Telling the object from what it stands on",
    f"{_HERE}:clear_ground",
    "dense",
    needs=("masks", "undistort", "object", "depth"),
    cost=4,
    when="mask",
)
