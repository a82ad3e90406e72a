"""Run as a program: takes a USD file apart with USD's own library, into plain arrays.

In a process of its own, because a damaged file may end it. Arguments: the file, and where to write
the arrays (npz); the entry ``scene`` in it is JSON that says what they are.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pxr import Gf, Tf, Usd, UsdGeom, UsdShade, UsdVol

Arrays = dict[str, NDArray[Any]]

_SLOTS = {"base_color": "diffuseColor", "normal": "normal", "occlusion": "occlusion",
          "roughness": "roughness"}  # fmt: skip
_CHANNELS = {"r": 0, "g": 1, "b": 2}


def main(file: str, out: str) -> int:
    """Returns the exit code; what is wrong goes to the standard error stream."""
    try:
        stage = Usd.Stage.Open(file)
    except Tf.ErrorException:
        print("can't be read by USD; it is damaged", file=sys.stderr)
        return 1
    folder = Path(file).resolve().parent
    for layer in stage.GetUsedLayers():
        real = layer.realPath.split("[")[0]
        if real and not Path(real).resolve().is_relative_to(folder):
            print("refers to a file outside of its folder, which is not read", file=sys.stderr)
            return 1
    arrays: Arrays = {}
    scene = _scene(stage, arrays)
    arrays["scene"] = np.frombuffer(json.dumps(scene).encode(), np.uint8)
    with Path(out).open("wb") as target:
        np.savez(target, allow_pickle=False, **arrays)
    return 0


def _scene(stage: Any, arrays: Arrays) -> dict[str, Any]:
    time = Usd.TimeCode.EarliestTime()
    places = UsdGeom.XformCache(time)
    meshes: list[dict[str, Any]] = []
    materials: dict[str, dict[str, Any]] = {}
    fields: list[dict[str, Any]] = []
    for prim in Usd.PrimRange.Stage(stage, Usd.TraverseInstanceProxies()):
        if prim.IsA(UsdGeom.Mesh) and _is_shown(prim, time):
            matrix = np.array(places.GetLocalToWorldTransform(prim))
            meshes.append(_mesh(prim, time, matrix, materials, arrays, f"m{len(meshes)}"))
        elif prim.GetTypeName() == "ParticleField3DGaussianSplat" and _is_shown(prim, time):
            matrix = np.array(places.GetLocalToWorldTransform(prim)).T
            fields.append(_splats(prim, time, matrix, arrays, f"s{len(fields)}"))
    return {
        "meters_per_unit": UsdGeom.GetStageMetersPerUnit(stage),
        "up_axis": str(UsdGeom.GetStageUpAxis(stage)).lower(),
        "meshes": [mesh for mesh in meshes if mesh],
        "splats": [field for field in fields if field],
        "materials": materials,
    }


def _is_shown(prim: Any, time: Any) -> bool:
    shape = UsdGeom.Imageable(prim)
    purpose = shape.ComputePurpose()
    visible = shape.ComputeVisibility(time) != UsdGeom.Tokens.invisible
    return visible and purpose in (UsdGeom.Tokens.default_, UsdGeom.Tokens.render)


def _splats(
    prim: Any, time: Any, matrix: NDArray[np.float64], arrays: Arrays, key: str
) -> dict[str, Any]:
    """What its arrays are called; empty for a field without splats. Halves are read, too."""
    if not hasattr(UsdVol, "ParticleField3DGaussianSplat"):
        return {}
    names = {
        "means": "positions",
        "sizes": "scales",
        "turns": "orientations",
        "opacities": "opacities",
        "harmonics": "radiance:sphericalHarmonicsCoefficients",
    }
    for name, attribute in names.items():
        held = prim.GetAttribute(attribute).Get(time)
        held = prim.GetAttribute(f"{attribute}h").Get(time) if held is None else held
        if held is None:
            return {}
        arrays[key + name] = np.array(held, np.float32)
    arrays[f"{key}matrix"] = matrix
    return {"key": key}


def _mesh(
    prim: Any,
    time: Any,
    matrix: NDArray[np.float64],
    materials: dict[str, dict[str, Any]],
    arrays: Arrays,
    key: str,
) -> dict[str, Any]:
    """What its arrays are called; empty for a mesh without faces."""
    mesh = UsdGeom.Mesh(prim)
    points, counts, corners = (
        np.array(attribute.Get(time) if attribute.HasValue() else [])
        for attribute in (
            mesh.GetPointsAttr(),
            mesh.GetFaceVertexCountsAttr(),
            mesh.GetFaceVertexIndicesAttr(),
        )
    )
    if len(points) == 0 or len(counts) == 0 or counts.min() < 0 or counts.sum() > len(corners):
        return {}
    arrays[f"{key}points"] = points @ matrix[:3, :3] + matrix[3, :3]
    arrays[f"{key}counts"], arrays[f"{key}corners"] = counts, corners
    used, arrays[f"{key}owners"] = _groups(prim, len(counts), materials)
    _store(arrays, f"{key}uv", _uvs(prim, used, materials), corners, counts, time)
    _store_normals(arrays, f"{key}normal", mesh, matrix, corners, counts, time)
    colors = UsdGeom.PrimvarsAPI(prim).GetPrimvar("displayColor")
    _store(arrays, f"{key}color", colors, corners, counts, time)
    flipped = mesh.GetOrientationAttr().Get() == UsdGeom.Tokens.leftHanded
    mirrored = bool(np.linalg.det(matrix[:3, :3]) < 0)
    return {"key": key, "materials": used, "flipped": flipped != mirrored}


def _groups(
    prim: Any, faces: int, materials: dict[str, dict[str, Any]]
) -> tuple[list[str], NDArray[np.int64]]:
    """Paths of the materials in use, "" for none, and which of them each face has."""
    used = [_material(prim, materials)]
    owners = np.zeros(faces, np.int64)
    for subset in UsdShade.MaterialBindingAPI(prim).GetMaterialBindSubsets():
        chosen = np.array(subset.GetIndicesAttr().Get() or [], np.int64)
        used.append(_material(subset.GetPrim(), materials))
        owners[chosen[(chosen >= 0) & (chosen < faces)]] = len(used) - 1
    return used, owners


def _material(prim: Any, materials: dict[str, dict[str, Any]]) -> str:
    bound, _ = UsdShade.MaterialBindingAPI(prim).ComputeBoundMaterial()
    if not bound:
        return ""
    path = str(bound.GetPath())
    if path not in materials:
        materials[path] = _described(bound)
    return path


def _described(bound: Any) -> dict[str, Any]:
    """A material's name, plain colour, textures and the name of their coordinates."""
    described: dict[str, Any] = {"name": bound.GetPrim().GetName(), "color": [1.0, 1.0, 1.0],
                                 "textures": {}, "uvs": "st"}  # fmt: skip
    surface = bound.ComputeSurfaceSource()[0]
    for kind, slot in _SLOTS.items():
        entry = surface.GetInput(slot) if surface else None
        for attribute in UsdShade.Utils.GetValueProducingAttributes(entry) if entry else []:
            shader = UsdShade.Shader(attribute.GetPrim())
            if shader and shader.GetShaderId() == "UsdUVTexture":
                channel = _CHANNELS.get(attribute.GetBaseName())
                file = shader.GetInput("file")
                asset = file.Get() if file else None
                if asset:
                    named = [asset.path, asset.resolvedPath, channel]
                    described["textures"][kind] = named
                    described["uvs"] = _coordinates(shader) or described["uvs"]
            elif kind == "base_color" and isinstance(attribute.Get(), Gf.Vec3f):
                described["color"] = list(attribute.Get())
    return described


def _coordinates(texture: Any) -> str | None:
    """The name of the texture coordinates that a texture goes by."""
    entry = texture.GetInput("st")
    for attribute in UsdShade.Utils.GetValueProducingAttributes(entry) if entry else []:
        reader = UsdShade.Shader(attribute.GetPrim())
        name = reader.GetInput("varname") if reader else None
        for value in UsdShade.Utils.GetValueProducingAttributes(name) if name else []:
            return str(value.Get())
    return None


def _uvs(prim: Any, used: list[str], materials: dict[str, dict[str, Any]]) -> Any:
    names = [materials[path]["uvs"] for path in used if path in materials] + ["st", "UVMap"]
    held = [UsdGeom.PrimvarsAPI(prim).FindPrimvarWithInheritance(name) for name in names]
    return next((primvar for primvar in held if primvar and primvar.HasValue()), None)


def _store(
    arrays: Arrays,
    key: str,
    primvar: Any,
    corners: NDArray[Any],
    counts: NDArray[Any],
    time: Any,
) -> None:
    """Values, and the index of the value of each corner."""
    if not primvar or not primvar.HasValue():
        return
    values = np.array(primvar.Get(time), np.float64)
    index = _by_corner(primvar.GetInterpolation(), corners, counts)
    if primvar.IsIndexed():
        index = np.array(primvar.GetIndices(time), np.int64)[index]
    if values.ndim == 2 and len(index) and 0 <= index.min() <= index.max() < len(values):
        arrays[f"{key}s"], arrays[f"{key}_corners"] = values, index


def _store_normals(
    arrays: Arrays,
    key: str,
    mesh: Any,
    matrix: NDArray[np.float64],
    corners: NDArray[Any],
    counts: NDArray[Any],
    time: Any,
) -> None:
    attribute = mesh.GetNormalsAttr()
    if not attribute.HasValue():
        return
    normals = np.array(attribute.Get(time), np.float64).reshape(-1, 3)
    index = _by_corner(mesh.GetNormalsInterpolation(), corners, counts)
    if len(index) and index.max() < len(normals):
        a, b, c = matrix[:3, :3].T
        cofactors = np.stack([np.cross(b, c), np.cross(c, a), np.cross(a, b)])
        sign = np.sign(np.linalg.det(matrix[:3, :3])) or 1.0
        arrays[f"{key}s"] = normals @ (sign * cofactors).T
        arrays[f"{key}_corners"] = index


def _by_corner(kind: Any, corners: NDArray[Any], counts: NDArray[Any]) -> NDArray[np.int64]:
    """(C,) which of an attribute's values belongs to each corner."""
    total = int(counts.sum())
    if kind == UsdGeom.Tokens.faceVarying:
        return np.arange(total)
    if kind == UsdGeom.Tokens.uniform:
        return np.repeat(np.arange(len(counts)), counts)
    if kind == UsdGeom.Tokens.constant:
        return np.zeros(total, np.int64)
    return corners[:total].astype(np.int64)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
