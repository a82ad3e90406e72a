"""Point clouds to a textured model. It reads top to bottom as its stages.

The files are read in pieces and thinned to what fits into memory; from then on all is one cloud.
"""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.formats.clouds import CLOUD_SUFFIXES, CloudFile, is_cloud, open_cloud
from gypsum.options import Settings
from gypsum.pipelines.standing import DRAWN, WRITTEN, Standing
from gypsum.scene import Box, Material, Mesh, Place, PointCloud, Progress, TexturedMesh
from gypsum.workspace import Pipeline, Stage, StageContext

if TYPE_CHECKING:
    from gypsum.clouds import Gathered, Motion
    from gypsum.rooms import Planes

#: The share of the memory that the cloud may take.
_CLOUD_SHARE = 0.6
_MEMORY_BASE = 600 * 2**20
#: Poisson reconstruction, whatever the cloud.
_MEMORY_SURFACE = 2 * 2**30
_FEWEST_KEPT = 500_000
_DISK_PER_POINT = 120
_DISK_FOR_RESULTS = 300 * 2**20

#: Cells of the octree for each distance between points: scanners are more precise than photos.
_CELLS_PER_SPACING = 1.2
#: Texels for each point, along one side.
_TEXELS_PER_POINT = 1.5
#: Share of a texture's area that shows surface, usually.
_TEXTURE_USE = 0.5
_SIDES = (512, 1024, 2048, 4096, 8192)
#: Formats that hold the cleaned cloud instead of the surface.
POINT_FORMATS = ("las", "laz", "xyz")

#: From how high pictures look at models, and into rooms, radians; and metres below a room's ceiling
#: that are not shown.
_FROM_ABOVE, _INTO_ROOMS, _CEILING = 0.5, 1.0, 0.15
#: Height of what was scanned from the air, in its width, at most.
_FLAT = 0.25
#: Stages that leave drawings, in a folder of their name.
_DRAWING = ("plan", "terrain")

Files = list[tuple[CloudFile, str]]
"""Opened files of points, and what to call them."""

#: Points of each scan while they are registered.
_REGISTERED = 200_000
#: Points in which planes of rooms are sought.
_ROOM_POINTS = 3_000_000
_MOTIONS = "motions.json"
_POINTS, _CLOUD, _MESH = "points.npz", "points.npz", "mesh.ply"


def cloud_files(paths: Sequence[Path]) -> list[Path]:
    """The files of points among what was given: themselves, or what is in folders, by name."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (entry for entry in path.iterdir() if is_cloud(entry) and entry.is_file())
            found += sorted(inside)
        elif is_cloud(path):
            found.append(path)
    return found


def check_files(paths: Sequence[Path]) -> list[Path]:
    """The same, each begun to be read, so that what is wrong is said at once."""
    missing = next((path for path in paths if not path.exists()), None)
    if missing is not None:
        raise InputError(f"There is no file {missing}.")
    files = cloud_files(paths)
    if not files:
        kinds = ", ".join(CLOUD_SUFFIXES)
        raise InputError(f"There are no point clouds in {paths[0]}: {kinds} are read.")
    for path in files:
        if open_cloud(path).count == 0:
            raise InputError(f"{path.name} holds no points.")
    return files


def check_standing(paths: Sequence[Path], settings: Settings) -> None:
    """Points on a map stay where they are and as large as they are."""
    from gypsum.clouds import place_of

    if Standing.of(settings).is_plain:
        return
    if not place_of([(open_cloud(path), path.name) for path in cloud_files(paths)]).trivial:
        raise InputError(
            "The points say where on a map they lie, which a turned or scaled model would not; "
            "leave --up and --scale away."
        )


def digest_of(paths: Sequence[Path]) -> str:
    """Of the files' names, sizes, times and ends: reading all of a survey would take minutes."""
    digest = blake2b(digest_size=16)
    for path in cloud_files(paths):
        state = path.stat()
        digest.update(f"{path.name} {state.st_size} {state.st_mtime_ns}\n".encode())
        with path.open("rb") as file:
            digest.update(file.read(1 << 20))
            file.seek(max(0, state.st_size - (1 << 20)))
            digest.update(file.read(1 << 20))
    return digest.hexdigest()


def register_scans(context: StageContext) -> None:
    """Where scans belong that don't say it themselves."""
    from gypsum.clouds import gather_each, register
    from gypsum.formats.atomic import atomic_write

    files = _opened(context)
    motions: dict[str, Any] = {}
    if _unplaced(files) if context.settings["register_scans"] is None else _several(files):
        each = gather_each(files, _REGISTERED, progress=_part(context, 0, 0.5))
        scans = [gathered.cloud.points for gathered in each.values()]
        found = register(scans, threads=context.threads, progress=_part(context, 0.5, 1))
        origin = next(iter(each.values())).cloud.place or Place()
        for key, motion in zip(each, found.motions, strict=True):
            if motion is None:
                name = files[key[0]][1]
                context.warn(f"Scan {key[1] + 1} of {name} fits no other, so it was left out.")
                motions[f"{key[0]} {key[1]}"] = None
            elif found.moved:
                motions[f"{key[0]} {key[1]}"] = _in_files(motion, origin)
        context.facts["errors"] = list(found.errors)
    with atomic_write(context.folder / _MOTIONS) as file:
        file.write(json.dumps(motions).encode())


def _part(context: StageContext, start: float, end: float) -> Progress:
    def told(done: float, doing: str = "") -> None:
        context.progress(start + (end - start) * done, doing)

    return told


def _in_files(motion: Motion, place: Place) -> list[list[float]]:
    """A motion of the local frame as one of the files': the rotation's rows, and the shift."""
    # Scans that are to be registered are in one unit along all axes.
    unit, origin = place.metres[0], np.array(place.origin)
    shift = motion.shift / unit + origin - motion.turn @ origin
    return [*motion.turn.tolist(), shift.tolist()]


def _several(files: Files) -> bool:
    return sum(len(file.scans) for file, _ in files) > 1


def _unplaced(files: Files) -> bool:
    """Whether there are several scans, and none says where it was taken from or lies on a map."""
    known = any(scan.position is not None for file, _ in files for scan in file.scans)
    mapped = any(file.crs is not None for file, _ in files)
    return _several(files) and not known and not mapped


def _opened(context: StageContext) -> Files:
    return [(open_cloud(path), path.name) for path in cloud_files(context.source)]


def read_points(context: StageContext) -> None:
    """All files as one cloud, thinned to what fits into memory."""
    from gypsum.clouds import Motion, gather, write_gathered
    from gypsum.clouds.gathering import BYTES_PER_POINT

    files = _opened(context)
    kept = json.loads((context.inputs["register"] / _MOTIONS).read_text())
    motions: dict[tuple[int, int], Motion | None] = {}
    for key, rows in kept.items():
        number, scan = map(int, key.split())
        moved = None if rows is None else Motion(np.array(rows[:3]), np.array(rows[3]))
        motions[number, scan] = moved
    fitting = int(_CLOUD_SHARE * context.memory / BYTES_PER_POINT)
    most = min(fitting, context.settings["points_kept"])
    held = gather(files, most, motions=motions, progress=context.progress)
    write_gathered(context.folder / _POINTS, held)
    place = held.cloud.place
    context.facts.update(
        files=len(files),
        scans=sum(len(file.scans) for file, _ in files),
        given=held.given,
        kept=len(held.cloud),
        cell=held.edge,
        colored=held.colored,
        place=None if place is None else _place_facts(place),
    )


def _place_facts(place: Place) -> dict[str, Any]:
    crs = place.crs
    return {
        "origin": list(place.origin),
        "metres_per_unit": list(place.metres),
        "epsg": None if crs is None else crs.epsg,
        "name": "" if crs is None else crs.name,
    }


def clean_points(context: StageContext) -> None:
    """Strays removed, normals turned to the side that was seen."""
    from gypsum.clouds import Gathered, clean, read_gathered, write_gathered
    from gypsum.formats.ply import write_cloud

    gathered = read_gathered(context.inputs["points"] / _POINTS)
    found = clean(
        gathered,
        inside=context.settings["plan"],
        above=not context.settings["plan"] and (context.settings["dem"] or _is_map(gathered.cloud)),
        threads=context.threads,
        progress=context.progress,
    )
    cloud = found.cloud
    held = Gathered(cloud, cloud.normals, gathered.edge, gathered.given, gathered.colored)
    write_gathered(context.folder / _CLOUD, held)
    write_cloud(context.folder / "cloud.ply", cloud)
    context.facts.update(
        points=len(cloud),
        removed=found.removed,
        spacing=found.spacing,
        noise=found.noise,
        oriented=found.oriented,
    )
    if not gathered.colored and cloud.intensity is None:
        context.warn("The files hold no colours, so the model is grey.")


def draw_plan(context: StageContext) -> None:
    """The floor plan of a room."""
    from gypsum.formats.atomic import atomic_write
    from gypsum.rooms import encode_dxf, encode_svg, find_rooms

    plan = find_rooms(_planes(context))
    folder = context.folder / "plan"
    folder.mkdir(exist_ok=True)
    for name, content in (("plan.svg", encode_svg(plan)), ("plan.dxf", encode_dxf(plan))):
        with atomic_write(folder / name) as file:
            file.write(content)
    largest = plan.rooms[0]
    context.facts["room"] = {
        "area": sum(room.area for room in plan.rooms),
        "height": largest.height,
        "perimeter": sum(room.perimeter for room in plan.rooms),
        "walls": [float(length) for room in plan.rooms for length in room.walls],
    }
    if not plan.has_ceiling:
        context.warn("No ceiling was seen, so heights are those of the highest points of walls.")


def _planes(context: StageContext) -> Planes:
    from gypsum.rooms import find_planes

    cloud = _cloud_of(context).cloud
    some = slice(None, None, max(1, len(cloud) // _ROOM_POINTS))
    return find_planes(cloud.points[some], cloud.normals[some])


def map_terrain(context: StageContext) -> None:
    """A height map of the bare ground, and contour lines."""
    from PIL import Image

    from gypsum.formats.atomic import atomic_write
    from gypsum.terrain import encode_contours, encode_map, height_map, interval_for, picture

    cloud = _cloud_of(context).cloud
    place = cloud.place or Place()
    context.progress(0.1, "looking for the ground")
    found = height_map(cloud)
    unit = place.metres[2]
    low, high = (float(value) / unit + place.origin[2] for value in _range(found.heights))
    asked = context.settings["contours"]
    interval = interval_for(low, high) if asked is None else asked / unit
    context.progress(0.7, "drawing contour lines")
    files = {"dem.tif": encode_map(found, place), **encode_contours(found, place, interval)}
    folder = context.folder / "terrain"
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        with atomic_write(folder / name) as file:
            file.write(content)
    with atomic_write(context.folder / "terrain.png") as file:
        Image.fromarray(picture(found, interval * unit)).save(file, "PNG")
    rows, columns = found.heights.shape
    context.facts["terrain"] = {
        "cell": found.cell,
        "width": columns,
        "height": rows,
        "lowest": low,
        "highest": high,
        "ground": float(found.ground.mean()),
        "contours": interval,
    }


def _range(heights: NDArray[np.float32]) -> tuple[float, float]:
    return float(np.nanmin(heights)), float(np.nanmax(heights))


def _is_map(cloud: PointCloud) -> bool:
    """Whether points were probably taken from the air: they lie flat, in a map's coordinates."""
    width, depth, height = (float(side) for side in np.ptp(cloud.points, axis=0))
    mapped = cloud.place is not None and cloud.place.crs is not None
    return mapped and height < _FLAT * max(width, depth)


def build_surface(context: StageContext) -> None:
    """A surface through the cloud."""
    from gypsum.formats.ply import write_mesh
    from gypsum.surface import SurfaceOptions, reconstruct_surface

    cloud, box = _cloud_of(context).cloud, _box(context)
    if isinstance(context.settings["box"], list) and not box.contains(cloud.points).any():
        raise InputError("None of the points lie in the box given with --box.")
    mesh = reconstruct_surface(
        cloud,
        (),
        SurfaceOptions(_CELLS_PER_SPACING, watertight=context.settings["watertight"]),
        box,
        threads=context.threads,
        progress=context.progress,
    )
    write_mesh(context.folder / _MESH, mesh)
    context.facts["faces"] = len(mesh.faces)


def _box(context: StageContext) -> Box:
    """What is kept: everything, if nothing else was asked for."""
    asked = context.settings["box"]
    if isinstance(asked, list):
        return Box.between(asked[:3], asked[3:])
    points = _cloud_of(context).cloud.points
    return Box.between(points.min(axis=0), points.max(axis=0)).grown(1.001)


def _cloud_of(context: StageContext) -> Gathered:
    from gypsum.clouds import read_gathered

    return read_gathered(context.inputs["clean"] / _CLOUD)


def simplify_surface(context: StageContext) -> None:
    """The surface with as many triangles as asked for."""
    from gypsum.formats.ply import read_mesh, write_mesh
    from gypsum.rooms import flattened, sharpened
    from gypsum.surface import simplify

    full = read_mesh(context.inputs["surface"] / _MESH)
    planes = _planes(context).all if context.settings["plan"] else ()
    mesh = simplify(flattened(full, planes) if planes else full, context.settings["faces"])
    if planes:
        mesh = sharpened(mesh, planes)
    write_mesh(context.folder / _MESH, Mesh(mesh.vertices, mesh.faces), normals=True)
    context.facts.update(faces=len(mesh.faces), available=len(full.faces))


def paint_texture(context: StageContext) -> None:
    """The points' colours on the surface."""
    from gypsum.formats.ply import read_mesh
    from gypsum.formats.textured import write_textured

    mesh = read_mesh(context.inputs["simplify"] / _MESH)
    model = _painted(context, Mesh(mesh.vertices, mesh.faces), _cloud_of(context).cloud)
    write_textured(context.folder, model)
    texture = model.materials[0].base_color
    assert texture is not None
    context.facts.update(size=len(texture), textures=len(model.materials))


def _painted(context: StageContext, mesh: Mesh, cloud: PointCloud) -> TexturedMesh:
    """The mesh under textures whose every texel has the colour of the points there."""
    from gypsum.clouds import colors_near
    from gypsum.conversion import BAND, places_of
    from gypsum.formats.sampling import blend
    from gypsum.pipelines.rebake import laid_out, sheet_of, units
    from gypsum.texture.topology import face_areas

    area = max(float(face_areas(mesh).sum()), 1e-30)
    density = _TEXELS_PER_POINT * math.sqrt(len(cloud) / area)
    needed = density * math.sqrt(area / _TEXTURE_USE)
    most = context.settings["texture"]
    size = most
    if context.settings["texture_spare"]:
        size = min(next((side for side in _SIDES if side >= needed), most), most)
    context.progress(0.0, "laying out a texture")
    canvas = laid_out(mesh, density, size, context.settings["textures"], context.threads)
    sheet = sheet_of(canvas)
    colors = canvas.atlas.reshape(-1, 3)
    painted = np.flatnonzero(sheet.owners.ravel() != -1)
    for start in range(0, len(painted), BAND):
        context.progress(0.4 + 0.6 * start / len(painted), "painting it with the points' colours")
        texels = painted[start : start + BAND]
        face, weights = places_of(sheet, texels)
        places = blend(weights, mesh.vertices[mesh.faces[face]])
        colors[texels] = units(colors_near(cloud, places, context.threads))
    pages = canvas.finished()
    materials = tuple(
        Material("surface" if len(pages) == 1 else f"surface-{number + 1}", page)
        for number, page in enumerate(pages)
    )
    coordinates = canvas.layout.texture_coordinates(canvas.charts)
    owners = canvas.layout.page[canvas.charts.of_face]
    return TexturedMesh(mesh, coordinates, canvas.charts.corner_faces, materials, owners)


def export_models(context: StageContext) -> None:
    """The model in every format asked for, and what belongs to it."""
    from gypsum.formats import FORMATS, write_model
    from gypsum.formats.textured import read_textured

    standing = Standing.of(context.settings)
    model = standing.model(read_textured(context.inputs["texture"]))
    cloud = standing.cloud(_cloud_of(context).cloud)
    formats, name = context.settings["formats"], context.settings["name"]
    folder = context.folder / "models"
    files = []
    for done, kind in enumerate(formats):
        context.progress(done / len(formats), f"writing {FORMATS[kind].name}")
        path = folder / f"{name}{FORMATS[kind].suffix}"
        written = write_model(path, cloud if kind in POINT_FORMATS else model, kind)
        files.append(_file(path, kind, sum(file.stat().st_size for file in written)))
    if cloud.place is not None:
        path = folder / f"{name}.place.json"
        path.write_text(json.dumps(_described(cloud.place), indent=1) + "\n")
        files.append(_file(path, "place", path.stat().st_size))
    for made in _drawings(context):
        path = folder / f"{name}-{made.name}"
        shutil.copyfile(made, path)
        files.append(_file(path, path.suffix[1:], path.stat().st_size))
    context.facts["files"] = files


def _drawings(context: StageContext) -> list[Path]:
    """Plans and maps that were made on the way."""
    folders = [context.inputs[stage] / stage for stage in _DRAWING if stage in context.inputs]
    return [made for folder in folders for made in sorted(folder.iterdir())]


def _file(path: Path, kind: str, size: int) -> dict[str, Any]:
    return {"name": f"models/{path.name}", "format": kind, "bytes": size}


def _described(place: Place) -> dict[str, Any]:
    """Where the model lies, for people and programs."""
    return {
        "meaning": "The model is in metres, Z up. In the reference system, x is origin + model x / "
        "metres_per_unit, and y and z likewise.",
        **_place_facts(place),
        "wkt": "" if place.crs is None else place.crs.wkt,
    }


def draw_previews(context: StageContext) -> None:
    """Pictures of the model from all around."""
    from gypsum.formats.textured import read_textured
    from gypsum.report import write_model_previews
    from gypsum.report.pictures import TERRAIN

    standing = Standing.of(context.settings).drawn()
    model = standing.model(read_textured(context.inputs["texture"]))
    if context.settings["plan"]:
        model = _opened_above(model, _planes(context))
    write_model_previews(
        context.folder / "previews",
        model,
        above=_INTO_ROOMS if context.settings["plan"] else _FROM_ABOVE,
        threads=context.threads,
        progress=context.progress,
    )
    if "terrain" in context.inputs:
        shutil.copyfile(
            context.inputs["terrain"] / "terrain.png", context.folder / "previews" / TERRAIN.file
        )


def _opened_above(model: TexturedMesh, planes: Planes) -> TexturedMesh:
    """A room without its ceiling, so that one can look into it."""
    heights = model.mesh.vertices[model.mesh.faces][:, :, 2]
    shown = ~(heights > planes.ceiling - _CEILING).all(axis=1)
    return replace(
        model,
        mesh=replace(model.mesh, faces=model.mesh.faces[shown]),
        uv_faces=model.uv_faces[shown],
        face_materials=model.face_materials[shown],
    )


def write_scan_report(context: StageContext) -> None:
    """What the stages found out, for people and programs."""
    from gypsum.pipelines.findings import collect_cloud
    from gypsum.report import write_report

    previews = context.inputs.get("previews")
    folder = None if previews is None else previews / "previews"
    write_report(context.folder, collect_cloud(context), folder)


def disk_needed(settings: Settings) -> int:
    """Bytes that a scan's workspace may take."""
    return int(_DISK_FOR_RESULTS + settings["points_kept"] * _DISK_PER_POINT)


def memory_needed(settings: Settings) -> int:
    """Bytes without which a scan does not get through."""
    from gypsum.clouds.gathering import BYTES_PER_POINT

    least = int(_FEWEST_KEPT * BYTES_PER_POINT / _CLOUD_SHARE)
    small = settings["quality"] == "draft"
    return _MEMORY_BASE + max(least, 0 if small else _MEMORY_SURFACE // 2)


_HERE = "gypsum.pipelines.cloud"

_EVERYTHING = (
    "register", "points", "clean", "plan", "terrain", "surface", "simplify", "texture", "export",
    "previews",
)  # fmt: skip

CLOUD_SCAN = Pipeline(
    "cloud",
    (
        Stage(
            "register",
            "Finding how the scans fit together",
            f"{_HERE}:register_scans",
            "dense",
            settings=("register_scans",),
            cost=10,
        ),
        Stage(
            "points",
            "Reading the points",
            f"{_HERE}:read_points",
            "dense",
            needs=("register",),
            settings=("points_kept",),
            cost=20,
        ),
        Stage(
            "clean",
            "Cleaning the points",
            f"{_HERE}:clean_points",
            "dense",
            needs=("points",),
            settings=("plan", "dem"),
            version=3,
            publishes=("cloud.ply",),
            cost=40,
        ),
        Stage(
            "plan",
            "Drawing the floor plan",
            f"{_HERE}:draw_plan",
            "dense",
            needs=("clean",),
            publishes=("plan",),
            when="plan",
            cost=3,
        ),
        Stage(
            "terrain",
            "Mapping the ground",
            f"{_HERE}:map_terrain",
            "dense",
            needs=("clean",),
            settings=("contours",),
            publishes=("terrain",),
            when="dem",
            cost=8,
        ),
        Stage(
            "surface",
            "Building the surface",
            f"{_HERE}:build_surface",
            "surface",
            needs=("clean",),
            settings=("box", "watertight"),
            cost=150,
        ),
        Stage(
            "simplify",
            "Reducing the triangles",
            f"{_HERE}:simplify_surface",
            "surface",
            needs=("clean", "surface"),
            settings=("faces", "plan"),
            publishes=("mesh.ply",),
            cost=10,
        ),
        Stage(
            "texture",
            "Painting the surface with the points' colours",
            f"{_HERE}:paint_texture",
            "texture",
            needs=("clean", "simplify"),
            settings=("texture", "texture_spare", "textures"),
            cost=30,
        ),
        Stage(
            "export",
            "Writing the model",
            f"{_HERE}:export_models",
            "files",
            needs=("clean", "plan", "terrain", "texture"),
            settings=("name", "formats", *WRITTEN),
            publishes=("models",),
            cost=3,
        ),
        Stage(
            "previews",
            "Drawing pictures of the model",
            f"{_HERE}:draw_previews",
            "files",
            needs=("clean", "terrain", "texture"),
            settings=("plan", *DRAWN),
            publishes=("previews",),
            cost=20,
        ),
        Stage(
            "report",
            "Writing the report",
            f"{_HERE}:write_scan_report",
            "files",
            needs=_EVERYTHING,
            settings=("name", "until", "quality", *WRITTEN),
            publishes=("report.json", "report.html"),
            cost=1,
            always=True,
        ),
    ),
)
