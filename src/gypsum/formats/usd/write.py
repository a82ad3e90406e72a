"""Writing USDZ."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import to_linear
from gypsum.formats.corners import unit_normals, y_up
from gypsum.formats.options import WriteOptions
from gypsum.formats.texture import companion, encode_maps, plain_names, widely_read
from gypsum.formats.usd.installed import check_installed
from gypsum.formats.usd.package import pack
from gypsum.options import TextureFormat
from gypsum.scene import Material, TexturedMesh

_UVS = "st"
"""The name under which everyone looks for texture coordinates."""


def usdz(path: Path, model: TexturedMesh, options: WriteOptions) -> dict[Path, bytes]:
    """One self-contained file: a binary scene and its textures."""
    check_installed()
    # ARKit takes nothing else than JPEG and PNG.
    textures = widely_read(options.textures)
    stage, root = new_stage(identifier(path))
    shaders = _Shaders(stage, f"{root}/Materials", _wrap(model), textures)
    normals = unit_normals(model.mesh)
    for index, name in enumerate(plain_names(model.materials)):
        mesh = _add_mesh(stage, f"{root}/{name}_mesh", model, index, normals)
        shaders.bind(mesh, model.materials[index], name)
    return {path: pack({"model.usdc": binary(stage)} | shaders.files)}


def identifier(path: Path) -> str:
    """The model's name as USD allows it."""
    name = re.sub(r"\W", "_", companion(path, "").name, flags=re.ASCII)
    return f"_{name}" if name[:1].isdigit() else name


def new_stage(name: str) -> tuple[Any, str]:
    """An empty scene in memory, and the path of the model in it."""
    # Only here and in the functions below, because it takes a second to load.
    from pxr import Usd, UsdGeom

    stage = Usd.Stage.CreateInMemory()
    root = UsdGeom.Xform.Define(stage, f"/{name}")
    Usd.ModelAPI(root).SetKind("component")
    stage.SetDefaultPrim(root.GetPrim())
    UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
    UsdGeom.SetStageMetersPerUnit(stage, 1.0)
    return stage, f"/{name}"


def binary(stage: Any) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "model.usdc"
        stage.GetRootLayer().Export(str(file))
        return file.read_bytes()


def _add_mesh(
    stage: Any, path: str, model: TexturedMesh, index: int, normals: NDArray[np.float32]
) -> Any:
    """The faces of one material; vertices are shared across seams."""
    from pxr import Sdf, UsdGeom, Vt

    chosen, material = model.face_materials == index, model.materials[index]
    vertices, faces = np.unique(model.mesh.faces[chosen], return_inverse=True)
    points = y_up(model.mesh.vertices[vertices])
    mesh = UsdGeom.Mesh.Define(stage, path)
    mesh.CreatePointsAttr(vectors(points))
    mesh.CreateFaceVertexIndicesAttr(_integers(faces))
    mesh.CreateFaceVertexCountsAttr(_integers(np.full(faces.size // 3, 3)))
    mesh.CreateNormalsAttr(vectors(y_up(normals[vertices])))
    mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
    mesh.CreateExtentAttr(vectors(np.stack([points.min(axis=0), points.max(axis=0)])))
    # Not the cage of a smooth surface, which is what USD takes a mesh for.
    mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
    # Scans are often open below: without this, one looks through the far side from there.
    mesh.CreateDoubleSidedAttr(True)
    if material.is_textured:
        used, corners = np.unique(model.uv_faces[chosen], return_inverse=True)
        uvs = UsdGeom.PrimvarsAPI(mesh).CreatePrimvar(
            _UVS, Sdf.ValueTypeNames.TexCoord2fArray, UsdGeom.Tokens.faceVarying
        )
        uvs.Set(Vt.Vec2fArray.FromNumpy(np.ascontiguousarray(model.uvs[used], np.float32)))
        uvs.SetIndices(_integers(corners))
    if model.mesh.colors is not None and material.base_color is None:
        colors = mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
        colors.Set(vectors(to_linear(model.mesh.colors[vertices])))
    return mesh


@dataclass(frozen=True)
class _Use:
    """What a texture is for in a ``UsdPreviewSurface``."""

    slot: str
    kind: str
    """The type of the slot's value."""
    channels: str
    space: str


_USES = {
    "base_color": _Use("diffuseColor", "Color3f", "rgb", "sRGB"),
    "normal": _Use("normal", "Normal3f", "rgb", "raw"),
    "occlusion": _Use("occlusion", "Float", "r", "raw"),
    "roughness": _Use("roughness", "Float", "r", "raw"),
}


class _Shaders:
    """The materials of a scene, and the texture files that they need."""

    def __init__(self, stage: Any, path: str, wrap: str, textures: TextureFormat) -> None:
        from pxr import UsdGeom

        self.files: dict[str, bytes] = {}
        self._stage, self._path, self._wrap, self._textures = stage, path, wrap, textures
        UsdGeom.Scope.Define(stage, path)

    def bind(self, mesh: Any, material: Material, name: str) -> None:
        """Make a mesh of this material."""
        from pxr import Gf, UsdShade

        path = f"{self._path}/{name}"
        bound = UsdShade.Material.Define(self._stage, path)
        surface = self._shader(f"{path}/surface", "UsdPreviewSurface")
        _set(surface, "metallic", "Float", 0.0)
        _set(surface, "roughness", "Float", 1.0)
        color = _set(surface, "diffuseColor", "Color3f", Gf.Vec3f(*material.color))
        if mesh.GetDisplayColorAttr().HasAuthoredValue():
            color.ConnectToSource(self._primvar(f"{path}/colors", "displayColor", "Float3"))
        encoded = encode_maps(material, self._textures)
        coordinates = self._primvar(f"{path}/coordinates", _UVS, "Float2") if encoded else None
        for kind, file in encoded.items():
            inside = f"textures/{name}_{kind}{file.suffix}"
            self.files[inside] = file.content
            texture = self._texture(f"{path}/{kind}", inside, _USES[kind], coordinates)
            slot = surface.CreateInput(_USES[kind].slot, _type(_USES[kind].kind))
            slot.ConnectToSource(texture)
        output = surface.CreateOutput("surface", _type("Token"))
        bound.CreateSurfaceOutput().ConnectToSource(output)
        UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(bound)

    def _texture(self, path: str, file: str, use: _Use, coordinates: Any) -> Any:
        """The output of a picture's reader."""
        from pxr import Gf, Sdf

        texture = self._shader(path, "UsdUVTexture")
        _set(texture, "file", "Asset", Sdf.AssetPath(file))
        texture.CreateInput("st", _type("Float2")).ConnectToSource(coordinates)
        for name, value in (
            ("wrapS", self._wrap),
            ("wrapT", self._wrap),
            ("sourceColorSpace", use.space),
        ):
            _set(texture, name, "Token", value)
        if use.slot == "normal":
            # Bytes stand for -1 to 1.
            _set(texture, "scale", "Float4", Gf.Vec4f(2, 2, 2, 1))
            _set(texture, "bias", "Float4", Gf.Vec4f(-1, -1, -1, 0))
        return texture.CreateOutput(
            use.channels, _type("Float3" if use.kind != "Float" else "Float")
        )

    def _primvar(self, path: str, name: str, kind: str) -> Any:
        """The output of a reader of values of the mesh."""
        reader = self._shader(path, f"UsdPrimvarReader_{kind.lower()}")
        _set(reader, "varname", "String", name)
        return reader.CreateOutput("result", _type(kind))

    def _shader(self, path: str, identifier: str) -> Any:
        from pxr import UsdShade

        shader = UsdShade.Shader.Define(self._stage, path)
        shader.CreateIdAttr(identifier)
        return shader


def _set(shader: Any, name: str, kind: str, value: Any) -> Any:
    """A new input of a shader with its value."""
    created = shader.CreateInput(name, _type(kind))
    created.Set(value)
    return created


def _type(name: str) -> Any:
    from pxr import Sdf

    return getattr(Sdf.ValueTypeNames, name)


def _wrap(model: TexturedMesh) -> str:
    inside = len(model.uvs) == 0 or (model.uvs.min() >= 0 and model.uvs.max() <= 1)
    return "clamp" if inside else "repeat"


def vectors(values: NDArray[np.float32]) -> Any:
    from pxr import Vt

    return Vt.Vec3fArray.FromNumpy(np.ascontiguousarray(values, np.float32))


def _integers(values: NDArray[np.integer]) -> Any:
    from pxr import Vt

    return Vt.IntArray.FromNumpy(np.ascontiguousarray(values.ravel(), np.int32))
