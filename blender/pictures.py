# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the pictures of docs/blender.md with the add-on: pictures.py WORKSPACE DIR [NAME...].

The workspace is that of a splat scan of the sample with a mesh: ``gypsum sample owl``, then
``gypsum scan owl/photos --mode splat -o owl.glb -f ply``. Run by the Python that has bpy.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent))

Tile = NDArray[np.float32]

_HEIGHT = 120
_SAMPLES = 2


def main(workspace: str, out: str, *names: str) -> None:
    """Those named, or all."""
    for name, make in _PICTURES.items():
        if not names or name in names:
            splats, mesh, photo = _scan(workspace)
            _save(make(splats, mesh, photo), Path(out, f"blender-{name}.webp"))


def _scan(workspace: str) -> tuple[bpy.types.Object, bpy.types.Object, bpy.types.Object]:
    """The splats, the mesh and a photo's camera of a scan in a new scene."""
    _fresh()
    bpy.ops.import_scene.gypsum_scan(filepath=workspace)
    things = bpy.context.active_object.children
    photo = sorted((t for t in things if t.type == "CAMERA"), key=lambda t: t.name)[4]
    _activate(photo)
    bpy.ops.gypsum.look_through()
    render = bpy.context.scene.render
    width = round(_HEIGHT * render.resolution_x / render.resolution_y)
    render.resolution_x, render.resolution_y = width, _HEIGHT
    splats = next(t for t in things if "gypsum_splats" in t.data)
    mesh = next(t for t in things if t.type == "MESH" and t is not splats)
    return splats, mesh, photo


def _imported(
    splats: bpy.types.Object, mesh: bpy.types.Object, photo: bpy.types.Object
) -> list[Tile]:
    """The photo, and the splats and the mesh from the same place."""
    behind = photo.data.background_images[0].image
    return [_scaled(behind), _shown(splats), _shown(mesh)]


def _edited(splats: bpy.types.Object, mesh: bpy.types.Object, _: bpy.types.Object) -> list[Tile]:
    """Splats recoloured, painted, and made of the mesh."""
    _activate(mesh)
    bpy.ops.gypsum.mesh_to_splats(count=20_000)
    made = bpy.context.active_object
    _activate(splats)
    bpy.ops.gypsum.recolor(hue=1.0, saturation=1.4)
    recolored = _shown(splats)
    bpy.ops.gypsum.paint(color=(0.1, 0.3, 0.9), **_top(mesh))
    return [recolored, _shown(splats), _shown(made)]


_PICTURES = {"scan": _imported, "edits": _edited}


def _fresh() -> None:
    """An empty scene that renders quickly, with the colours that splats are trained for."""
    bpy.ops.wm.read_factory_settings(use_empty=True)
    for module in ("cycles", "addon"):
        bpy.ops.preferences.addon_enable(module=module)
    scene = bpy.context.scene
    scene.render.engine = "CYCLES"
    scene.cycles.samples = _SAMPLES
    scene.cycles.use_denoising = False
    scene.view_settings.view_transform = "Standard"
    scene.world = bpy.data.worlds.new("white")
    if bpy.app.version < (5, 0, 0):
        scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Color"].default_value = (1, 1, 1, 1)


def _top(thing: bpy.types.Object) -> dict[str, Any]:
    """A touch of the brush on what is highest, with a radius of half the height."""
    places = np.array([thing.matrix_world @ vertex.co for vertex in thing.data.vertices])
    low, high = np.percentile(places[:, 2], [2, 99.8])
    top = places[np.argmin(np.abs(places[:, 2] - high))]
    return {"radius": (high - low) / 2, "stroke": [{"name": "", "location": top.tolist()}]}


def _activate(thing: bpy.types.Object) -> None:
    bpy.context.view_layer.objects.active = thing
    bpy.context.view_layer.update()


def _shown(thing: bpy.types.Object) -> Tile:
    """An object and no other."""
    for other in bpy.data.objects:
        other.hide_render = other is not thing
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "tile.png")
        bpy.context.scene.render.filepath = str(path)
        bpy.ops.render.render(write_still=True)
        image = bpy.data.images.load(str(path))
        tile = _pixels(image)
        bpy.data.images.remove(image)
    return tile


def _pixels(image: bpy.types.Image) -> Tile:
    """(H, W, 4), bottom row first."""
    values = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(values)
    return values.reshape(image.size[1], image.size[0], 4)


def _scaled(image: bpy.types.Image) -> Tile:
    """A photo as large as the renders."""
    render = bpy.context.scene.render
    copy = image.copy()
    copy.scale(render.resolution_x, render.resolution_y)
    return _pixels(copy)


def _save(tiles: list[Tile], path: Path) -> None:
    """Side by side."""
    pixels = np.concatenate(tiles, axis=1)
    image = bpy.data.images.new("all", pixels.shape[1], pixels.shape[0])
    image.pixels.foreach_set(np.ascontiguousarray(pixels, np.float32).ravel())
    image.filepath_raw, image.file_format = str(path), "WEBP"
    image.save(quality=85)


if __name__ == "__main__":
    main(*sys.argv[1:])
