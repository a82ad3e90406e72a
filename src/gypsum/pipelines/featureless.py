"""The Featureless Object Scan: plain, glossy and metallic things. It reads top to bottom as its
stages.

Cameras come from what is around the object, its outlines bound it, and a surface is fitted within
that bound to all photos at once. It begins and ends as the Photo Scan does, with the same stages.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.errors import ReconstructionError
from gypsum.formats.atomic import atomic_write
from gypsum.options import Quality, Settings
from gypsum.pipelines import masks as masking_stages
from gypsum.pipelines.masks import draw_masks
from gypsum.pipelines.photo import PHOTO_SCAN, known_lengths, posed_views
from gypsum.pipelines.standing import DRAWN, Standing
from gypsum.scene import Box, Capture, Mesh, PointCloud, SparseModel, View
from gypsum.workspace import Pipeline, Stage, StageContext

if TYPE_CHECKING:
    from gypsum.cameras import EstimatedCameras, KnownCameras
    from gypsum.implicit import Hull, ImplicitSettings, Observation

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_HULL, _MASKS, _EVIDENCE, _CARRIED_BY = "hull.npz", "masks.npz", "evidence.npy", "carried.json"

#: Voxels along the longest side of the hull.
_VOXELS = 192
#: The object is sought within this many distances of the cameras from where they look.
_REACH = 0.6
#: Room around what all outlines have in common, where parts may lie that some of them lack.
_ROOM = 1.15
#: A mask was healed when this share of it came back.
_HEALED = 0.005
#: Share of the photos whose mask may miss a part of the object.
_CONTRADICTIONS = 0.03
#: The surface may leave the hull by so many of its voxels: outlines are as exact as that.
_MARGIN = 0.5
#: How much the outlines weigh in the fit where a plain backdrop tells them.
_EXACT = 2.0
#: A surface is doubtful where photos shaped it less than this.
_DOUBTFUL = 0.25
#: Photos that agree on a point of which its depth is sure.
_SURE = 6
#: Features in the surroundings that carry a photo, and the share of photos that need them.
_CARRYING, _CARRIED = 400, 0.8
#: With a smaller share of the photos placed by their detail, the object's outlines are tried, and
#: before a plain backdrop with any left out; they have to fit by this share of the long side.
_PLACED, _FITTING = 0.6, 0.004
#: So have markers, by this share.
_ON_MARKERS = 0.0015
#: The object's mask is this much wider where features are left out, share of the long side.
_WIDER = 0.008

#: Bytes that a scan takes on disk and in memory, besides what its photos do.
_DISK_PER_PHOTO, _DISK_PER_DEPTH_PIXEL, _DISK_FOR_RESULTS = 12 * 2**20, 60, 300 * 2**20
_MEMORY_BASE, _MEMORY_PER_PHOTO_PIXEL = 1400 * 2**20, 40


def mask_photos(context: StageContext) -> None:
    """The object in each photo: by a plain backdrop where there is one, else as in a Photo Scan."""
    from gypsum.masking.backdrop import mask_on_backdrop, plain_backdrop

    photos = context.inputs["photos"]
    capture = Capture.read(photos)
    paths = [photos / "photos" / photo.name for photo in capture.photos]
    brought = context.settings["mask_folder"] is not None or (photos / "alpha").exists()
    if brought or not plain_backdrop(paths):
        masking_stages.mask_photos(context)
        return
    (context.folder / "masks").mkdir(parents=True, exist_ok=True)
    for done, (photo, path) in enumerate(zip(capture.photos, paths, strict=True), 1):
        with Image.open(path) as file:
            mask = mask_on_backdrop(np.asarray(file.convert("RGB")))
        with atomic_write(context.folder / "masks" / f"{photo.name}.png") as target:
            Image.fromarray(mask).save(target, "PNG", compress_level=2)
        context.progress(done / len(paths), f"photo {done} of {len(paths)}")
    names = [photo.name for photo in capture.photos]
    # As exact as masks that people make, and taken as they are, too.
    masking_stages.record(context.folder, masks=True, given=names, features=False)
    context.facts.update(given=0, found=len(names), turntable=False, backdrop=True)


def find_features(context: StageContext) -> None:
    """Distinctive points around the object, where there are enough; else everywhere.

    On gloss and metal, what looks distinctive is a reflection, which moves with the camera.
    """
    from gypsum.cameras import detect_features
    from gypsum.pipelines.check import warn_of_photos

    photos = context.inputs["photos"]
    capture = Capture.read(photos)
    warn_of_photos(capture, photos / "photos", context)
    turning = masking_stages.feature_masks(context)
    found = {}
    for where in ("object",) if turning else ("around", "everywhere"):
        found[where] = context.folder / where
        masks = turning if turning else None
        if where == "around":
            masks = _masks_of_surroundings(context, capture)
        detect_features(
            capture,
            photos / "photos",
            found[where],
            masks=masks,
            long_side=context.settings["feature_side"],
            threads=context.threads,
            progress=context.progress,
        )
        counts = _feature_counts(found[where], capture)
        if np.mean(counts >= _CARRYING) >= _CARRIED:
            break
    chosen = found[where]
    for path in sorted(chosen.iterdir()):
        path.rename(context.folder / path.name)
    context.facts["where"] = where
    context.facts["features"] = int(np.median(counts))


def _masks_of_surroundings(context: StageContext, capture: Capture) -> Path:
    """A folder of masks of all that is not the object."""
    import cv2

    folder = context.folder / "surroundings"
    folder.mkdir(parents=True, exist_ok=True)
    for photo in capture.photos:
        source = context.inputs["masks"] / "masks" / f"{photo.name}.png"
        if not source.exists():
            continue
        with Image.open(source) as file:
            mask = np.asarray(file.convert("L"))
        reach = max(1, round(_WIDER * max(mask.shape)))
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
        around = 255 - cv2.dilate((mask >= 128).astype(np.uint8) * 255, kernel)
        with atomic_write(folder / f"{photo.name}.png") as file:
            Image.fromarray(around).save(file, "PNG", compress_level=1)
    return folder


def _feature_counts(folder: Path, capture: Capture) -> NDArray[np.int64]:
    from gypsum.cameras.features import Features, features_path

    return np.array([
        len(Features.load(features_path(folder, photo.name))) for photo in capture.photos
    ])  # fmt: skip


def carve_hull(context: StageContext) -> None:
    """The part of space that all outlines leave: what the surface stays within."""
    from gypsum.implicit import carve
    from gypsum.implicit.hull import heal_masks, without_strays

    views = posed_views(context)
    observations = _observations(views, context.settings["field_side"])
    plane = _ground(views, context)
    context.progress(0.1, "finding where the object is")
    rough = _box(observations, views, plane, context).grown(_ROOM)
    context.progress(0.3, "looking for what single outlines lack")
    healed = heal_masks(
        observations,
        rough,
        contradictions=_contradictions(len(views)),
        plane=plane,
        threads=context.threads,
    )
    carried = _carried(context, views, plane)
    changed = [_changed(*pair) for pair in zip(observations, healed, strict=True)]
    observations = healed
    box = _box(observations, views, plane, context)
    context.progress(0.5, "carving the outlines")
    hull = without_strays(
        carve(
            observations,
            box,
            float(2 * box.half.max()) / _VOXELS,
            contradictions=_contradictions(len(views)),
            plane=plane,
            threads=context.threads,
        )
    )
    write_hull(context.folder / _HULL, hull)
    with atomic_write(context.folder / _MASKS) as file:
        np.savez_compressed(file, *[(255 * one.mask).astype(np.uint8) for one in observations])
    inside = hull.occupied()
    context.facts.update(
        voxel=float(hull.voxel.max()),
        volume=float(inside.sum() * hull.voxel.prod()),
        grounded=plane is not None,
        contradictions=_contradictions(len(views)),
        healed=sum(1 for share in changed if share > _HEALED),
        carried=carried,
        carried_note=_NOTES[carried],
    )


def _changed(before: Observation, after: Observation) -> float:
    """The share of the object in a mask that was given back to it."""
    now, then = (int(np.count_nonzero(one.mask >= 0.5)) for one in (after, before))
    return (now - then) / max(1, now)


def write_hull(path: Path, hull: Hull) -> None:
    """One ``.npz`` file."""
    with atomic_write(path) as file:
        np.savez_compressed(
            file, values=hull.values.astype(np.float16), box=json.dumps(hull.box.as_json())
        )


def read_hull(path: Path) -> Hull:
    """What :func:`write_hull` wrote."""
    from gypsum.implicit import Hull

    with np.load(path) as data:
        box = Box.from_json(json.loads(str(data["box"])))
        return Hull(box, data["values"].astype(np.float32))


def _contradictions(photos: int) -> int:
    return round(_CONTRADICTIONS * photos)


def _box(
    observations: Sequence[Observation],
    views: Sequence[View],
    plane: Float64 | None,
    context: StageContext,
) -> Box:
    """Where the outlines have something in common."""
    from gypsum.implicit.hull import find_box
    from gypsum.masking.hull import looked_at

    center, distance = looked_at(views)
    box = find_box(
        observations,
        center,
        _REACH * distance,
        contradictions=_contradictions(len(views)),
        plane=plane,
        threads=context.threads,
    )
    if box is None:
        raise ReconstructionError(
            "The outlines of the object in the photos have nothing in common: take photos with the "
            "whole object in each, or make masks by hand and name their folder with --mask."
        )
    return box


def _observations(
    views: Sequence[View], side: int, cloud: PointCloud | None = None
) -> list[Observation]:
    """The photos with masks at the size in which a surface is fitted.

    ``cloud`` holds points on which photos agree, with the numbers of the photos that see each:
    these give the depths.
    """
    from gypsum.implicit import Observation

    found = []
    for number, view in enumerate(views):
        if view.mask is None:
            continue
        small = view.limited(side)
        with Image.open(view.mask) as file:
            grey = file.convert("L").resize((small.width, small.height), Image.Resampling.BOX)
            mask = np.asarray(np.asarray(grey, np.float32) / 255, np.float32)
        depth, weight = (None, None) if cloud is None else _measured(small, number, cloud)
        found.append(Observation(small.read(), mask, small.K, small.R, small.t, depth, weight))
    return found


def _measured(view: View, number: int, cloud: PointCloud) -> tuple[Float32, Float32]:
    """Depths (h, w), 0 where unknown, of the points that a view sees, and how much they count."""
    assert cloud.views is not None
    assert cloud.support is not None
    owners = np.repeat(np.arange(len(cloud)), np.diff(cloud.views.starts))
    mine = owners[cloud.views.photos == number]
    pixels, along = view.project(cloud.points[mine])
    x, y = np.floor(pixels).astype(np.int64).T
    shown = (along > 0) & (x >= 0) & (y >= 0) & (x < view.width) & (y < view.height)
    x, y, along, mine = x[shown], y[shown], along[shown], mine[shown]
    # The nearest of a pixel's points is written last.
    order = np.argsort(-along, kind="stable")
    depth, weight = (np.zeros((view.height, view.width), np.float32) for _ in range(2))
    depth[y[order], x[order]] = along[order]
    sure = np.minimum(cloud.support[mine] / _SURE, 1)
    weight[y[order], x[order]] = sure[order]
    return depth, weight


def _ground(views: Sequence[View], context: StageContext) -> Float64 | None:
    """The plane (4,) that the object stands on, where the surroundings tell."""
    from gypsum.masking import find_ground

    if _carried_by(context) == "outlines":  # Which tell of nothing but the object.
        return None
    if _carried_by(context) == "markers":  # They lie on it.
        return np.array([0.0, 0.0, 1.0, 0.0])
    return find_ground(views, SparseModel.read(context.inputs["undistort"] / "sparse").points)


_NOTES = {
    "given": "The cameras are those that were given.",
    "table": "The cameras rest on what the object stands on, which has detail of its own.",
    "background": "The cameras rest on the surroundings of the object.",
    "object": "The cameras rest on the object's own detail, as its surroundings don't turn with "
    "it.",
    "everything": "The cameras rest on all that the photos show, the object's own detail too: "
    "what is around it has little.",
    "markers": "The cameras rest on the markers that lie beside the object.",
    "outlines": "The cameras rest on the object's outlines: it turned on one axis before a still "
    "camera. How far apart they are is as exact as the outlines are.",
}


def _carried(context: StageContext, views: Sequence[View], plane: Float64 | None) -> str:
    """What carried the cameras; a key of ``_NOTES``."""
    how = _carried_by(context)
    if how != "around":
        return {"everywhere": "everything"}.get(how, how)
    if plane is None:
        return "background"
    from gypsum.masking.hull import looked_at

    center, distance = looked_at(views)
    points = SparseModel.read(context.inputs["undistort"] / "sparse").points
    near = np.linalg.norm(points - center, axis=1) < distance
    flat = np.abs(points @ plane[:3] + plane[3]) < 0.02 * distance
    return "table" if np.mean(near & flat) > 0.5 else "background"


def _carried_by(context: StageContext) -> str:
    return str(json.loads((context.inputs["cameras"] / _CARRIED_BY).read_text(encoding="utf-8")))


def find_cameras(context: StageContext) -> None:
    """Where each photo was taken: told by what has detail, or else by the object's outlines."""
    from gypsum.pipelines.photo import _known_cameras

    known = _known_cameras(context)
    capture = Capture.read(context.inputs["photos"])
    given = known is not None and known.has_poses
    where = _where(context)
    found = _by_detail(context, capture, known, context.inputs["matches"], "mapping")
    if where == "around" and not given and _placed(found) < len(capture.photos):
        # The table may look alike on all sides, or be too small: the object's own detail tells.
        more = _by_all_detail(context, capture, known)
        if _placed(more) > _placed(found):
            found, where = more, "everywhere"
    otherwise = None
    # Outlines before a plain backdrop are exact enough to place what detail leaves out.
    enough = 1 if _on_backdrop(context) else _PLACED
    if not given and _placed(found) < enough * len(capture.photos):
        otherwise = _on_markers(context, capture) or _turned(context, capture)
    if otherwise is not None and len(otherwise[0].photos) > _placed(found):
        model, facts, carried = otherwise
    elif isinstance(found, ReconstructionError):
        raise found
    else:
        model, facts, carried = found.model, found.facts, "given" if given else where
        for name, reason in facts["unregistered"].items():
            context.warn(f"{name} was left out: it {reason}.")
        for sentence in found.warnings:
            context.warn(sentence)
    model.write(context.folder / "sparse")
    with atomic_write(context.folder / _CARRIED_BY) as file:
        file.write(json.dumps(carried).encode())
    context.facts.update(facts)


def _by_detail(
    context: StageContext,
    capture: Capture,
    known: KnownCameras | None,
    matches: Path,
    name: str,
    first: float = 0.0,
) -> EstimatedCameras | ReconstructionError:
    """Cameras by matches, worked out in the stage's folder ``name``; or why there are none."""
    from gypsum.cameras import estimate_cameras

    try:
        return estimate_cameras(
            capture,
            context.inputs["photos"] / "photos",
            matches,
            context.folder / name,
            known=known,
            lengths=known_lengths(context.settings),
            threads=context.threads,
            progress=lambda done, doing="": context.progress(first + (1 - first) * done, doing),
        )
    except ReconstructionError as error:
        return error


def _by_all_detail(
    context: StageContext, capture: Capture, known: KnownCameras | None
) -> EstimatedCameras | ReconstructionError:
    """The same by what all of each photo shows, the object too."""
    from gypsum.cameras import detect_features, match_features

    features, matches = context.folder / "everywhere", context.folder / "matches"
    detect_features(
        capture,
        context.inputs["photos"] / "photos",
        features,
        long_side=context.settings["feature_side"],
        threads=context.threads,
        progress=lambda done, doing="": context.progress(0.3 + 0.3 * done, doing),
    )
    match_features(
        capture,
        features,
        matches,
        known=known,
        threads=context.threads,
        progress=lambda done, doing="": context.progress(0.6 + 0.2 * done, doing),
    )
    return _by_detail(context, capture, known, matches, "mapping-everywhere", 0.8)


def _placed(found: EstimatedCameras | ReconstructionError) -> int:
    return 0 if isinstance(found, ReconstructionError) else len(found.model.photos)


def _on_markers(
    context: StageContext, capture: Capture
) -> tuple[SparseModel, dict[str, Any], str] | None:
    """Cameras by markers that lie flat; None where most photos don't show enough of them."""
    from gypsum.cameras.features import read_gray
    from gypsum.cameras.flat_markers import model_of, solve_flat_markers
    from gypsum.cameras.markers import detect

    context.progress(0.95, "looking for markers")
    seen, sizes = [], set()
    for photo in capture.photos:
        gray = read_gray(context.inputs["photos"] / "photos" / photo.name)
        seen.append({name: corners for name, corners, _ in detect(gray)})
        sizes.add(gray.shape)
    if len(sizes) > 1:
        return None
    height, width = sizes.pop()
    found = solve_flat_markers(seen, width, height)
    if found is None or found.error_px > _ON_MARKERS * max(width, height):
        return None
    if len(found.photos) < _PLACED * len(capture.photos):
        return None
    model = model_of(found, seen, [photo.name for photo in capture.photos], width, height)
    facts = _facts_of(model, capture, found.error_px)
    return model, {**facts, "up": "markers", "up_note": "up is where markers look"}, "markers"


def _turned(
    context: StageContext, capture: Capture
) -> tuple[SparseModel, dict[str, Any], str] | None:
    """Cameras by the object's outlines, as on a turntable; None where these fit no such motion."""
    from gypsum.cameras.circular import model_of, solve_circular

    outlines = []
    for photo in capture.photos:
        path = context.inputs["masks"] / "masks" / f"{photo.name}.png"
        if not path.exists():
            return None
        with Image.open(path) as file:
            outlines.append(np.asarray(file.convert("L")) >= 128)
    context.progress(0.96, "placing photos by the object's outlines")
    motion = solve_circular(outlines)
    height, width = outlines[0].shape
    if motion is None or motion.error_px > _FITTING * max(width, height):
        return None
    model = model_of(motion, [photo.name for photo in capture.photos], width, height)
    turn = np.degrees(np.diff(motion.angles))
    facts = _facts_of(model, capture, motion.error_px)
    note = (
        f"up is the axis on which the object turned, by {np.median(turn):.1f}° from photo to photo"
    )
    return model, {**facts, "up": "axis", "up_note": note}, "outlines"


def _facts_of(model: SparseModel, capture: Capture, error_px: float) -> dict[str, Any]:
    """What there is to say of cameras without features."""
    observations = sum(len(photo.xy) for photo in model.photos.values())
    placed = {photo.name for photo in model.photos.values()}
    missing = [photo.name for photo in capture.photos if photo.name not in placed]
    return {
        "registered": len(model.photos),
        "given": len(capture.photos),
        "points": len(model.points),
        "observations": observations,
        "mean_track_length": observations / max(1, len(model.points)),
        "reprojection_error_px": round(error_px, 3),
        "groups": [],
        "matches": {},
        "focal_lengths": {},
        "unregistered": dict.fromkeys(missing, "shows too few of the markers"),
        "metric": False,
        "scale": "cameras",
        "scale_note": "the size is unknown; the cameras' spread is 1",
    }


def _where(context: StageContext) -> str:
    """Where the features are that carried the cameras."""
    from gypsum.workspace import Workspace

    record = Workspace(context.workspace).last_record("features")
    return "everywhere" if record is None else str(record.facts["where"])


def measure_evidence(context: StageContext) -> None:
    """Depths of splats that look like all photos, where matching two of them finds little."""
    from gypsum.formats.ply import read_cloud
    from gypsum.pipelines.splat_evidence import Training, measure_splats, starting_points

    cloud = read_cloud(context.inputs["fusion"] / "cloud.ply")
    found = measure_splats(
        SparseModel.read(context.inputs["undistort"] / "sparse"),
        posed_views(context),
        _read_masks(context.inputs["hull"] / _MASKS),
        starting_points(cloud, read_hull(context.inputs["hull"] / _HULL)),
        context.folder,
        Training(
            context.settings["evidence_steps"], context.settings["fit_device"], context.threads
        ),
        side=context.settings["field_side"],
        progress=context.progress,
    )
    context.facts["splats"] = found


def fit_surface(context: StageContext) -> None:
    """The surface within the hull."""
    from gypsum.formats.ply import write_mesh
    from gypsum.implicit import fit
    from gypsum.implicit.shading import refine_by_shading
    from gypsum.surface.closing import solid

    hull = read_hull(context.inputs["hull"] / _HULL)
    observations = _evidence(context)
    field = fit(
        observations,
        hull.box,
        hull.occupied(_MARGIN * float(hull.voxel.max())),
        fit_settings(context.settings["quality"], exact_outlines=_on_backdrop(context)),
        threads=context.threads,
        device=context.settings["fit_device"],
        progress=context.progress,
    )
    # Where the surface nearly touches itself, edges of the grid's surface have four faces.
    mesh = solid(field.mesh(threads=context.threads))
    evidence = field.evidence(mesh.vertices)
    shaded = refine_by_shading(mesh, observations, threads=context.threads)
    write_mesh(context.folder / "mesh.ply", shaded.mesh)
    with atomic_write(context.folder / _EVIDENCE) as file:
        np.save(file, evidence.astype(np.float32))
    low, high = hull.box.bounds
    context.facts["box"] = {"how": "automatic", "low": low.tolist(), "high": high.tolist()}
    context.facts["faces"] = len(mesh.faces)
    context.facts["doubtful"] = _doubtful_share(mesh, evidence)
    context.facts["measured"] = float(np.mean([_known_share(one) for one in observations]))
    context.facts["lit"] = {"explained": shaded.explained, "refined": shaded.refined}


def _evidence(context: StageContext) -> list[Observation]:
    """The photos with all that is known of them: mended masks, and depths of both kinds."""
    from gypsum.formats.ply import read_cloud
    from gypsum.formats.visibility import read_visibility, visibility_path
    from gypsum.pipelines.splat_evidence import agreement, with_splats

    path = context.inputs["fusion"] / "cloud.ply"
    cloud = read_cloud(path)
    if visibility_path(path).exists():
        cloud = replace(cloud, views=read_visibility(visibility_path(path)))
    matched = _with_masks(
        _observations(posed_views(context), context.settings["field_side"], cloud),
        context.inputs["hull"] / _MASKS,
    )
    if "evidence" not in context.inputs:
        return matched
    context.facts["agreeing"] = agreement(matched, context.inputs["evidence"])
    return with_splats(matched, context.inputs["evidence"])


def _on_backdrop(context: StageContext) -> bool:
    """Whether a plain backdrop told the outlines: to a fraction of a pixel."""
    from gypsum.workspace import Workspace

    record = Workspace(context.workspace).last_record("masks")
    return record is not None and bool(record.facts.get("backdrop"))


def fit_settings(quality: str, *, exact_outlines: bool = False) -> ImplicitSettings:
    """How finely and how long a surface is fitted at a quality, and how closely to its outlines."""
    from gypsum.implicit import ImplicitSettings

    found = _fineness(quality)
    weight = _EXACT if exact_outlines else ImplicitSettings().mask_weight
    return replace(found, mask_weight=weight)


def _fineness(quality: str) -> ImplicitSettings:
    from gypsum.implicit import ImplicitSettings, Level

    if quality == Quality.DRAFT:
        levels = (Level(0.5, 0.5, 100, 8_000), Level(1.0, 1.0, 120, 16_000))
        return ImplicitSettings(resolution=120, levels=levels)
    if quality == Quality.HIGH:
        finest = Level(1.0, 1.0, 400, 120_000)
        return ImplicitSettings(resolution=288, levels=(*ImplicitSettings().levels[:-1], finest))
    return ImplicitSettings()


def _with_masks(observations: Sequence[Observation], path: Path) -> list[Observation]:
    """The photos with the masks that the hull's stage left."""
    masks = _read_masks(path)
    return [replace(one, mask=mask) for one, mask in zip(observations, masks, strict=True)]


def _read_masks(path: Path) -> list[Float32]:
    """(h, w) of each photo that has one, 0 to 1."""
    with np.load(path) as data:
        return [data[name].astype(np.float32) / 255 for name in data.files]


def _doubtful_share(mesh: Mesh, evidence: Float32) -> float:
    """The share of the surface's area that photos hardly shaped."""
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(np.float64) for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    doubtful = evidence[mesh.faces].mean(axis=1) < _DOUBTFUL
    return float(area[doubtful].sum() / max(float(area.sum()), 1e-30))


def _known_share(one: Observation) -> float:
    """The share of the object's pixels of which photos tell the depth."""
    assert one.depth is not None
    inside = one.mask >= 0.5
    known = int(np.count_nonzero((one.depth > 0) & inside))
    return known / max(1, int(np.count_nonzero(inside)))


def paint_texture(context: StageContext) -> None:
    """The photos' colours on the surface, without highlights that move with the camera."""
    from gypsum.formats.ply import read_mesh
    from gypsum.formats.textured import write_textured
    from gypsum.texture import bake_texture

    settings = context.settings
    detail = context.inputs["surface"] / "mesh.ply"
    model, facts = bake_texture(
        read_mesh(context.inputs["simplify"] / "mesh.ply"),
        posed_views(context),
        settings["texture"],
        most_textures=settings["textures"],
        spare=settings["texture_spare"],
        matte=True,
        detail=read_mesh(detail) if settings["normal_map"] else None,
        pbr=settings["pbr"],
        threads=context.threads,
        memory=context.memory,
        progress=context.progress,
    )
    write_textured(context.folder, model)
    context.facts.update(facts.as_dict())


def draw_previews(context: StageContext) -> None:
    """Pictures of the model from all around, of its cameras, and of what is doubtful."""
    from gypsum.formats.ply import read_cloud, read_mesh
    from gypsum.formats.textured import read_textured
    from gypsum.report import draw_evidence, write_previews

    sparse = SparseModel.read(context.inputs["cameras"] / "sparse")
    standing = Standing.of(context.settings).drawn()
    drawn = write_previews(
        context.folder / "previews",
        standing.model(read_textured(context.inputs["texture"])),
        standing.cloud(read_cloud(context.inputs["fusion"] / "cloud.ply")),
        standing.sparse(sparse),
        standing.views(posed_views(context)),
        threads=context.threads,
        progress=context.progress,
    )
    context.facts["agreement_db"] = drawn.agreement_db
    draw_masks(context, posed_views(context), context.folder / "previews")
    draw_evidence(
        context.folder / "previews",
        read_mesh(context.inputs["surface"] / "mesh.ply"),
        np.load(context.inputs["surface"] / _EVIDENCE),
        _DOUBTFUL,
        posed_views(context),
        context.threads,
    )


def disk_needed(photos: int, settings: Settings) -> int:
    """Bytes that a scan's workspace may take."""
    pixels = settings["depth_side"] ** 2 * 3 // 4
    return int(_DISK_FOR_RESULTS + photos * (_DISK_PER_PHOTO + pixels * _DISK_PER_DEPTH_PIXEL))


def memory_needed(photos: int, settings: Settings) -> int:
    """Bytes without which a scan does not get through."""
    pixels = settings["field_side"] ** 2 * 3 // 4
    return int(_MEMORY_BASE + photos * pixels * _MEMORY_PER_PHOTO_PIXEL)


_HERE = "gypsum.pipelines.featureless"

#: The stages of the Photo Scan with which this one begins: all that come before the depth maps.
_SHARED = tuple(takewhile(lambda stage: stage.name != "depth", PHOTO_SCAN.stages))
_OWN = {
    "masks": f"{_HERE}:mask_photos",
    "features": f"{_HERE}:find_features",
    "cameras": f"{_HERE}:find_cameras",
}


def _begun() -> tuple[Stage, ...]:
    """Them, with this mode's own way to find features and cameras."""
    stages = []
    for stage in _SHARED:
        own = replace(stage, function=_OWN.get(stage.name, stage.function))
        if stage.name == "cameras":
            needs, settings = (*stage.needs, "masks"), (*stage.settings, "feature_side")
            own = replace(own, needs=needs, settings=settings, version=stage.version + 2)
        stages.append(own)
    return tuple(stages)


def _as_in_photos(name: str, needs: tuple[str, ...]) -> Stage:
    """A stage of the Photo Scan that is given other inputs."""
    stage = next(stage for stage in PHOTO_SCAN.stages if stage.name == name)
    return replace(stage, needs=needs)


_VIEWS = ("undistort", "object", "ground")
_EVERYTHING = (
    *(stage.name for stage in _SHARED), "depth", "ground", "fusion", "hull", "evidence", "surface",
    "simplify", "texture", "export", "previews",
)  # fmt: skip

FEATURELESS_SCAN = Pipeline(
    "featureless",
    (
        *_begun(),
        _as_in_photos("depth", ("undistort", "object")),
        _as_in_photos("ground", ("masks", "sets", "undistort", "object", "depth")),
        _as_in_photos("fusion", (*_VIEWS, "depth")),
        Stage(
            "hull",
            "Carving the outlines out of space",
            f"{_HERE}:carve_hull",
            "dense",
            needs=("cameras", *_VIEWS),
            settings=("field_side",),
            cost=15,
        ),
        Stage(
            "evidence",
            "Measuring depths with splats",
            f"{_HERE}:measure_evidence",
            "dense",
            needs=(*_VIEWS, "fusion", "hull"),
            settings=("field_side", "evidence_steps", "fit_device"),
            cost=110,
            when="evidence_steps",
        ),
        Stage(
            "surface",
            "Fitting a surface to the photos",
            f"{_HERE}:fit_surface",
            "surface",
            needs=(*_VIEWS, "fusion", "hull", "evidence"),
            settings=("field_side", "quality", "fit_device"),
            cost=100,
            version=5,
        ),
        _as_in_photos("simplify", ("surface",)),
        replace(
            _as_in_photos("texture", (*_VIEWS, "surface", "simplify")),
            function=f"{_HERE}:paint_texture",
        ),
        _as_in_photos("export", ("texture",)),
        Stage(
            "previews",
            "Drawing pictures of the model",
            f"{_HERE}:draw_previews",
            "files",
            needs=("cameras", *_VIEWS, "fusion", "surface", "texture"),
            settings=DRAWN,
            publishes=("previews",),
            cost=30,
        ),
        _as_in_photos("report", _EVERYTHING),
    ),
)
