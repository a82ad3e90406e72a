"""Reading USD: packages, and scenes with what lies beside them."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.formats.assembly import PLAIN, Piece, assemble, triangulated, turned
from gypsum.formats.colors import to_srgb
from gypsum.formats.limits import MOST_BYTES, MOST_ELEMENTS
from gypsum.formats.source import Source
from gypsum.formats.splats.frames import to_world
from gypsum.formats.usd import splats
from gypsum.formats.usd.installed import check_installed
from gypsum.scene import Material, Mesh, Splats, TexturedMesh

_LONGEST_SECONDS = 600
"""A scene of 20 million triangles takes a minute."""

_LAYERS = (".usd", ".usda", ".usdc")


def read(source: Source) -> TexturedMesh | Mesh | Splats:
    """All meshes as one model, or all splats, at the first moment of an animation."""
    check_installed()
    archive = _Archive(source) if source.path.suffix.lower() == ".usdz" else None
    arrays = _taken_apart(source)
    scene = json.loads(arrays["scene"].tobytes())
    if scene["splats"] and not scene["meshes"]:
        keys = [field["key"] for field in scene["splats"]]
        found = splats.decode(source, arrays, keys, scene["meters_per_unit"])
        return to_world(found, scene["up_axis"])
    materials = {
        path: _material(source, archive, entry) for path, entry in scene["materials"].items()
    }
    pieces = []
    for mesh in scene["meshes"]:
        pieces += _pieces(arrays, mesh, materials, scene["meters_per_unit"])
    if sum(len(piece.faces) for piece in pieces) > MOST_ELEMENTS:
        raise source.fail("shows more triangles than can be read")
    return assemble(source, [turned(piece, scene["up_axis"]) for piece in pieces])


def _taken_apart(source: Source) -> dict[str, NDArray[Any]]:
    """The scene as arrays; the work is another process's, which a damaged file may end."""
    source.read()  # explains a file that is not there or too large
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "scene.npz"
        command = [sys.executable, "-m", "gypsum.formats.usd.scene", str(source.path.resolve())]
        try:
            done = subprocess.run(
                [*command, str(out)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_LONGEST_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise source.fail("takes too long to read; it is damaged, or too large") from None
        if done.returncode == 1 and done.stderr.strip():
            raise _explained(source, done.stderr)
        if done.returncode != 0 or not out.is_file():
            raise source.fail("can't be read by USD; it is damaged")
        with np.load(out) as held:
            return dict(held)


def _explained(source: Source, words: str) -> InputError:
    """The child's own sentence, where it had one before it ended."""
    last = words.strip().splitlines()[-1]
    known = last.startswith(("can't", "refers"))
    return source.fail(last if known else "can't be read by USD; it is damaged")


class _Archive:
    """What is in a package; its files are not compressed, so nothing can swell."""

    def __init__(self, source: Source) -> None:
        self._source = source
        try:
            self._zip = zipfile.ZipFile(source.path)
        except (OSError, zipfile.BadZipFile, ValueError):
            raise source.fail("is no USDZ package, or is cut off") from None
        entries = self._zip.infolist()
        if not entries or PurePosixPath(entries[0].filename).suffix.lower() not in _LAYERS:
            raise source.fail("is no USDZ package: its first file is no scene")
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
            raise source.fail("is no USDZ package: its files are compressed")
        if sum(entry.file_size for entry in entries) > MOST_BYTES:
            raise source.fail("holds more than can be read")

    def picture(self, name: str, channel: int | None) -> NDArray[np.uint8] | None:
        """A decoded texture by its path in the package."""
        try:
            data = self._zip.read(str(PurePosixPath(name)))
        except (KeyError, OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
            self._source.tell(f"names the texture {name[:80]!r}, which is not in it")
            return None
        return self._source.picture(data, name, channel)


def _material(source: Source, archive: _Archive | None, entry: dict[str, Any]) -> Material:
    textures = {}
    for kind, (name, resolved, channel) in entry["textures"].items():
        # Maps of one value are in one channel, whichever is connected.
        channel = (channel or 0) if kind in ("occlusion", "roughness") else None
        if archive is None:
            textures[kind] = source.picture_beside(name, channel)
        else:
            inside = resolved.rpartition("[")[2].rstrip("]") or name
            textures[kind] = archive.picture(inside, channel)
    red, green, blue = entry["color"]
    return Material(entry["name"], color=(red, green, blue), **textures)


def _pieces(
    arrays: dict[str, NDArray[Any]],
    mesh: dict[str, Any],
    materials: dict[str, Material],
    scale: float,
) -> list[Piece]:
    """A mesh's faces by material."""
    key = mesh["key"]
    counts, corners = arrays[f"{key}counts"], arrays[f"{key}corners"]
    (faces, places), polygon = triangulated([corners, np.arange(len(corners))], counts)
    if mesh["flipped"]:
        faces, places = faces[:, ::-1], places[:, ::-1]
    positions = (arrays[f"{key}points"] * scale).astype(np.float32)
    uvs, uv_faces = _layer(arrays, f"{key}uv", places)
    normals, normal_faces = _layer(arrays, f"{key}normal", places)
    colors = _vertex_colors(arrays, key, corners, len(positions))
    owners = arrays[f"{key}owners"][polygon]
    pieces = []
    for index in np.unique(owners):
        here = owners == index
        material = materials.get(mesh["materials"][index], PLAIN)
        textured = material.is_textured and uvs is not None
        pieces.append(
            Piece(
                positions,
                faces[here],
                material,
                uvs[:, :2] if textured and uvs is not None else None,
                uv_faces[here] if textured and uv_faces is not None else None,
                normals,
                None if normal_faces is None else normal_faces[here],
                colors if material.base_color is None else None,
            )
        )
    return pieces


def _layer(
    arrays: dict[str, NDArray[Any]], key: str, places: NDArray[np.int32]
) -> tuple[NDArray[np.float32] | None, NDArray[np.int32] | None]:
    """Values, and those of the triangles' corners; None where the mesh has none."""
    if f"{key}s" not in arrays:
        return None, None
    index = arrays[f"{key}_corners"][places].astype(np.int32)
    return arrays[f"{key}s"].astype(np.float32), index


def _vertex_colors(
    arrays: dict[str, NDArray[Any]], key: str, corners: NDArray[Any], count: int
) -> NDArray[np.uint8] | None:
    """(V, 3) sRGB: of each vertex the colour of one of its corners."""
    if f"{key}colors" not in arrays:
        return None
    index = arrays[f"{key}color_corners"]
    shown = to_srgb(np.nan_to_num(arrays[f"{key}colors"][:, :3]))
    colors = np.full((count, 3), 255, np.uint8)
    vertices = corners[: len(index)]
    inside = (vertices >= 0) & (vertices < count)
    colors[vertices[inside]] = shown[index[inside]]
    return colors
