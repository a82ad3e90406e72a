# SPDX-License-Identifier: GPL-3.0-or-later
"""A small workspace as Gypsum leaves it: a textured square, three cameras, photos and points."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import bpy
import numpy as np

PARAMS = (1000.0, 1100.0, 330.0, 230.0, 0.01, -0.02, 0.001, 0.002)
"""OPENCV: fx, fy, cx, cy, k1, k2, p1, p2."""
SIZE = (640, 480)


def poses() -> list[tuple[np.ndarray, np.ndarray]]:
    """Of cameras around the origin that look at it: R (3, 3) and t (3,)."""
    found = []
    for angle in (0.0, 1.5, 3.0):
        eye = np.array([3 * np.cos(angle), 3 * np.sin(angle), 1.5])
        forward = -eye / np.linalg.norm(eye)
        right = np.cross(forward, [0, 0, 1.0])
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        found.append((R, -R @ eye))
    return found


def make(root: Path) -> Path:
    """Write it."""
    for folder in ("sparse", "models", "stages/photos/photos"):
        (root / folder).mkdir(parents=True)
    options = {
        "output": "square.glb", "quality": "draft", "mode": "photo", "faces": 5000,
        "format": ["obj"],
        "distance": [["0", "1", 0.25]], "box": "auto", "watertight": True, "mask": None,
    }  # fmt: skip
    record = {"version": "0.1.0", "inputs": [str(root / "photos")], "options": options}
    (root / "scan.json").write_text(json.dumps(record))
    _model(root / "sparse")
    for number in range(3):
        _picture(root / "stages/photos/photos" / f"{number}.png")
    _square(root / "models" / "square.glb")
    _cloud(root / "cloud.ply")
    return root


def _model(folder: Path) -> None:
    camera = struct.pack("<QiiQQ8d", 1, 7, 4, *SIZE, *PARAMS)
    (folder / "cameras.bin").write_bytes(camera)
    images = [struct.pack("<Q", 3)]
    from addon.colmap import quaternion_of

    for number, (R, t) in enumerate(poses()):
        name = f"{number}.png".encode() + b"\0"
        images.append(struct.pack("<i7di", number + 1, *quaternion_of(R), *t, 7) + name)
        images.append(struct.pack("<Q", 1) + struct.pack("<ddq", 1, 2, -1))
    (folder / "images.bin").write_bytes(b"".join(images))


def _picture(path: Path) -> None:
    image = bpy.data.images.new("p", 64, 48)
    image.filepath_raw, image.file_format = str(path), "PNG"
    image.save()
    bpy.data.images.remove(image)


def _square(path: Path) -> None:
    """Red to the left (u < 1/2) and green to the right, one metre wide, at z = 0.2."""
    mesh = bpy.data.meshes.new("square")
    corners = [(-0.5, -0.5, 0.2), (0.5, -0.5, 0.2), (0.5, 0.5, 0.2), (-0.5, 0.5, 0.2)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    layer = mesh.uv_layers.new(name="UVMap")
    layer.data.foreach_set("uv", [0, 0, 1, 0, 1, 1, 0, 1])
    image = bpy.data.images.new("texture", 64, 64)
    pixels = np.zeros((64, 64, 4), np.float32)
    pixels[:, :32, 0] = pixels[:, 32:, 1] = pixels[..., 3] = 1
    image.pixels.foreach_set(pixels.ravel())
    image.pack()
    material = bpy.data.materials.new("scan")
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree = material.node_tree
    texture = tree.nodes.new("ShaderNodeTexImage")
    texture.image = image
    tree.links.new(texture.outputs["Color"], tree.nodes["Principled BSDF"].inputs["Base Color"])
    mesh.materials.append(material)
    thing = bpy.data.objects.new("square", mesh)
    bpy.context.scene.collection.objects.link(thing)
    for other in bpy.context.selected_objects:
        other.select_set(False)
    thing.select_set(True)
    bpy.ops.export_scene.gltf(filepath=str(path), use_selection=True, export_format="GLB")
    bpy.data.objects.remove(thing)
    for data in (bpy.data.meshes, bpy.data.materials, bpy.data.images):
        for item in list(data):
            data.remove(item)


def _cloud(path: Path) -> None:
    random = np.random.default_rng(0)
    rows = np.zeros(200, [("place", "<f4", 3), ("color", "u1", 3)])
    rows["place"], rows["color"] = random.normal(size=(200, 3)), (10, 200, 30)
    names = [f"property float {axis}" for axis in "xyz"]
    names += [f"property uchar {color}" for color in ("red", "green", "blue")]
    lines = ["ply", "format binary_little_endian 1.0", "element vertex 200", *names, "end_header"]
    path.write_bytes("\n".join([*lines, ""]).encode() + rows.tobytes())
