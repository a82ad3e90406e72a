"""The stages of a scan that tell the object from what is around it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gypsum.errors import ReconstructionError
from gypsum.formats.atomic import atomic_write
from gypsum.scene import Capture, Progress, SparseModel, View
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
    record(folder, masks=made is not None, given=made.given if made else (), features=features)


def record(
    folder: Path, *, masks: bool, given: Iterable[str], features: bool, models: Sequence[int] = ()
) -> None:
    data = {"masks": masks, "given": sorted(given), "features": features, "models": list(models)}
    with atomic_write(folder / _FILE) as file:
        file.write(json.dumps(data).encode())


def _read(folder: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((folder / _FILE).read_text(encoding="utf-8"))
    return data


def feature_masks(context: StageContext) -> Path | None:
    """The masks in which features are sought; None: everywhere.

    Only where the surroundings contradict the object: otherwise they help to find the cameras.
    """
    folder = _singles(context.inputs)
    if folder is None or not _read(folder)["features"]:
        return None
    return folder / "masks"


def set_models(inputs: Mapping[str, Path]) -> list[SparseModel]:
    """The models of a flip capture's sets, each by itself, where there are some."""
    folder = inputs.get("sets")
    numbers = _read(folder)["models"] if folder is not None else []
    return [SparseModel.read(inputs["sets"] / f"set{number}" / "sparse") for number in numbers]


def _singles(inputs: Mapping[str, Path]) -> Path | None:
    """The folder with the photos' best masks before all photos agree."""
    return inputs.get("sets", inputs.get("masks"))


def agree_in_sets(context: StageContext) -> None:
    """The masks of each set of a flip capture, made to agree within the set.

    Within a set, all that is around the object helps to find the cameras; with these, the masks
    agree. What they say then finds the object's own features, and joins the sets.
    """
    from gypsum.masking import is_turntable

    if "masks" not in context.inputs:
        record(context.folder, masks=False, given=(), features=False)
        return
    singles, photos = context.inputs["masks"], context.inputs["photos"]
    capture, before = Capture.read(photos), _read(singles)
    sets = sorted({photo.set for photo in capture.photos})
    given, models = set(before["given"]), []
    for photo in capture.photos:
        source, target = (f / "masks" / f"{photo.name}.png" for f in (singles, context.folder))
        if source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    placed = 0
    # Cameras that were given need no finding.
    for number in sets if before["masks"] and context.settings["known_cameras"] is None else []:
        part = replace(capture, photos=tuple(p for p in capture.photos if p.set == number))
        still = is_turntable([photos / "photos" / photo.name for photo in part.photos])

        def progress(done: float, doing: str = "", start: int = sets.index(number)) -> None:
            context.progress((start + done) / len(sets), doing)

        model = _place_set(context, part, number, still, progress)
        if model is not None:
            models.append(number)
            placed += len(model.photos)
            given |= _agree_in_set(context, model, number, frozenset(given), progress)
    context.facts.update(placed=placed, agreed=len(given) - len(before["given"]))
    record(
        context.folder,
        masks=before["masks"],
        given=given,
        features=before["features"],
        models=models,
    )


def _place_set(
    context: StageContext, part: Capture, number: int, still: bool, progress: Progress
) -> SparseModel | None:
    """The cameras of one set by itself, kept in the stage's folder; None when that fails.

    ``still`` says that the camera stood still, so that only the object counts.
    """
    from gypsum.cameras import detect_features, estimate_cameras, match_features

    photos = context.inputs["photos"] / "photos"
    folder, threads = context.folder / f"set{number}", context.threads
    detect_features(
        part,
        photos,
        folder / "features",
        masks=context.inputs["masks"] / "masks" if still else None,
        long_side=context.settings["feature_side"],
        threads=threads,
        progress=lambda done, doing="": progress(0.2 * done, doing),
    )
    match_features(
        part,
        folder / "features",
        folder / "matches",
        threads=threads,
        progress=lambda done, doing="": progress(0.2 + 0.2 * done, doing),
    )
    try:
        found = estimate_cameras(
            part,
            photos,
            folder / "matches",
            folder / "mapping",
            threads=threads,
            progress=lambda done, doing="": progress(0.4 + 0.2 * done, doing),
        )
    except ReconstructionError:
        return None
    finally:
        for name in ("features", "matches", "mapping"):
            shutil.rmtree(folder / name, ignore_errors=True)
    found.model.write(folder / "sparse")
    return found.model


def _agree_in_set(
    context: StageContext,
    model: SparseModel,
    number: int,
    given: frozenset[str],
    progress: Progress,
) -> frozenset[str]:
    """Masks that the photos of a set agree on, in place of their own; the names of these photos."""
    from gypsum.dense import distort_masks, read_views, undistort, undistort_masks
    from gypsum.masking import agree

    if {photo.name for photo in model.photos.values()} <= given:
        return frozenset()
    folder, threads = context.folder / f"set{number}", context.threads
    try:
        undistort(model, context.inputs["photos"] / "photos", folder / "flat", threads=threads)
        undistort_masks(
            model, context.inputs["masks"] / "masks", folder / "singles", threads=threads
        )
        found = agree(
            read_views(folder / "flat"),
            folder / "singles",
            folder / "agreed",
            model=SparseModel.read(folder / "flat" / "sparse"),
            given=given,
            threads=threads,
            progress=lambda done, doing="": progress(0.6 + 0.4 * done, doing),
        )
        for name in given & found.masks.keys():
            found.masks[name].unlink()
        if not found.found or not found.consistent:
            return frozenset()
        return distort_masks(model, folder / "agreed", context.folder / "masks", threads=threads)
    finally:
        for name in ("flat", "singles", "agreed"):
            shutil.rmtree(folder / name, ignore_errors=True)


def agree_on_object(context: StageContext) -> None:
    """Masks of the undistorted photos that agree with each other."""
    from gypsum.dense import read_views, undistort_masks
    from gypsum.masking import agree

    folder = _singles(context.inputs)
    assert folder is not None
    singles = _read(folder)
    if not singles["masks"]:
        return
    model = SparseModel.read(context.inputs["cameras"] / "sparse")
    undistort_masks(model, folder / "masks", context.folder / "singles", threads=context.threads)
    if "sets" in context.inputs:  # What the photos alone gave, for the report.
        undistort_masks(
            model,
            context.inputs["masks"] / "masks",
            context.folder / "alone",
            threads=context.threads,
        )
    found = agree(
        read_views(context.inputs["undistort"]),
        context.folder / "singles",
        context.folder / "masks",
        model=SparseModel.read(context.inputs["undistort"] / "sparse"),
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

    folder = _singles(context.inputs)
    assert folder is not None
    singles = _read(folder)
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
    if singles and (alone := singles.with_name("alone")).exists():
        singles = alone  # Those of flip captures agree within their set already.
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
SETS = Stage(
    "sets",
    "Making the masks of each set agree",
    f"{_HERE}:agree_in_sets",
    "cameras",
    needs=("photos", "masks"),
    settings=("feature_side", "known_cameras"),
    cost=50,
    when="sets",
)
OBJECT = Stage(
    "object",
    "Making the masks agree",
    f"{_HERE}:agree_on_object",
    "dense",
    needs=("photos", "masks", "sets", "cameras", "undistort"),
    cost=25,
    version=4,
    when="mask",
)
GROUND = Stage(
    "ground",
    "Telling the object from what it stands on",
    f"{_HERE}:clear_ground",
    "dense",
    needs=("masks", "sets", "undistort", "object", "depth"),
    cost=4,
    when="mask",
)
