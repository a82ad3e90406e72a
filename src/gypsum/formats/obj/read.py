"""Reading OBJ and its material files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from gypsum.formats.assembly import PLAIN, Piece, assemble, turned
from gypsum.formats.source import Source
from gypsum.scene import Material, Mesh, PointCloud, TexturedMesh


def read(source: Source, up_axis: str = "y") -> Mesh | TexturedMesh | PointCloud:
    """Read triangles and polygons with their materials; groups, curves and lines are left out."""
    lines = source.read().replace(b"\\\n", b" ").replace(b"\\\r\n", b" ").splitlines()
    scan = _Lines(lines)
    try:
        positions = _numbers(scan.rows[b"v"], (3, 4, 6, 7))
        uvs = _numbers(scan.rows[b"vt"], (1, 2, 3))
        normals = _numbers(scan.rows[b"vn"], (3,))
        polygons = [_polygons(scan, shape) for shape in scan.shapes]
    except ValueError:
        raise source.fail("has words where numbers should be; it is damaged") from None
    places = positions[:, :3].astype(np.float32)
    colors = _colors(positions)
    if not polygons:
        return _points(source, turned(Piece(places, np.empty((0, 3), np.int32)), up_axis), colors)
    faces = np.vstack([faces for faces, _ in polygons])
    owners = np.concatenate([owners for _, owners in polygons])
    materials = _read_materials(source, scan.libraries)
    pieces = []
    for index in np.unique(owners):
        name = scan.materials[index]
        here, material = faces[owners == index], materials.get(name, _unknown(name))
        pieces.append(_piece(here, material, places, uvs, normals, colors))
    return assemble(source, [turned(piece, up_axis) for piece in pieces])


class _Lines:
    """The lines of a file by what they are."""

    def __init__(self, lines: list[bytes]) -> None:
        self.rows: dict[bytes, list[bytes]] = {b"v": [], b"vt": [], b"vn": []}
        self.shapes: dict[tuple[int, int], list[tuple[bytes, int, tuple[int, int, int]]]] = {}
        """Faces by number of corners and of slashes: corners, material, and what was before."""
        self.materials: list[str] = [""]
        self.libraries: list[str] = []
        material = 0
        known = {"": 0}
        v, vt, vn = (self.rows[word] for word in (b"v", b"vt", b"vn"))
        for line in lines:
            word, _, rest = line.strip().partition(b" ")
            if word in self.rows:
                self.rows[word].append(rest)
            elif word == b"f":
                shape = (len(rest.split()), rest.count(b"/"))
                face = (rest, material, (len(v), len(vt), len(vn)))
                self.shapes.setdefault(shape, []).append(face)
            elif word == b"usemtl":
                name = rest.decode(errors="replace").strip()
                material = known.setdefault(name, len(known))
                if material == len(self.materials):
                    self.materials.append(name)
            elif word == b"mtllib":
                self.libraries.append(rest.decode(errors="replace").strip())


def _numbers(rows: list[bytes], widths: tuple[int, ...]) -> NDArray[np.float64]:
    """(N, width) of lines that have one of these numbers of numbers, the first's."""
    if not rows:
        return np.empty((0, widths[0]))
    values = np.array(b" ".join(rows).split(), "S64").astype(np.float64)
    width = len(rows[0].split())
    if width in widths and len(values) == width * len(rows):
        return values.reshape(-1, width)
    # Lines differ in length: what all of them have.
    counts = np.array([len(row.split()) for row in rows])
    if counts.min() < min(widths):
        raise ValueError
    starts = np.cumsum(counts) - counts
    width = max(known for known in widths if known <= counts.min())
    return np.asarray(values[starts[:, None] + np.arange(width)])


def _polygons(scan: _Lines, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Triangles (F, 3, 3) of faces of one shape, and the material of each.

    For each corner the indices, from 0, of position, texture coordinate and normal; -1 for none.
    """
    held = scan.shapes[shape]
    corners, slashes = shape
    text = b" ".join(rest for rest, _, _ in held)
    width = {0: 1, corners: 2, 2 * corners: 3}.get(slashes, 0)
    if width == 0:
        raise ValueError
    text = text.replace(b"//", b"/0/").replace(b"/", b" ")
    # Exact: no file has 2^53 vertices.
    values = np.array(text.split(), "S32").astype(np.float64).astype(np.int64)
    indices = np.zeros((len(held), corners, 3), np.int64)
    indices[..., :width] = values.reshape(len(held), corners, width)
    # Negative ones count back from the line that they are in.
    before = np.array([counts for _, _, counts in held])[:, None]
    indices = np.where(indices < 0, indices + before, indices - 1)
    order = np.arange(len(held) * corners).reshape(len(held), corners)
    fans = [order[:, [0, k + 1, k + 2]] for k in range(corners - 2)]
    if not fans:
        return np.empty((0, 3, 3), np.int64), np.empty(0, np.int64)
    triangles = np.stack(fans, axis=1).reshape(-1, 3)
    owners = np.repeat([material for _, material, _ in held], corners - 2)
    return indices.reshape(-1, 3)[triangles], owners


def _piece(
    faces: NDArray[np.int64],
    material: Material,
    positions: NDArray[np.float32],
    uvs: NDArray[np.float64],
    normals: NDArray[np.float64],
    colors: NDArray[np.uint8] | None,
) -> Piece:
    """The faces of one material, which may lack texture coordinates or normals."""
    vertices, coordinates, directions = (faces[..., i].astype(np.int32) for i in range(3))
    has_uvs = material.is_textured and uvs.shape[1] >= 2 and coordinates.size > 0
    if has_uvs and coordinates.min() < 0:
        # Some corners have none: they take the texture's corner.
        uvs = np.vstack([uvs[:, :2], np.zeros((1, 2))])
        coordinates = np.where(coordinates < 0, len(uvs) - 1, coordinates)
    has_normals = directions.size > 0 and directions.min() >= 0
    return Piece(
        positions,
        vertices,
        material,
        uvs[:, :2].astype(np.float32) if has_uvs else None,
        coordinates if has_uvs else None,
        normals.astype(np.float32) if has_normals else None,
        directions if has_normals else None,
        colors if material.base_color is None else None,
    )


def _colors(positions: NDArray[np.float64]) -> NDArray[np.uint8] | None:
    """sRGB of vertices whose lines go on with a colour."""
    if positions.shape[1] < 6:
        return None
    values = np.nan_to_num(positions[:, 3:6])
    scale = 255 if values.max(initial=0) <= 1 else 1
    return np.asarray(np.clip(np.rint(values * scale), 0, 255), np.uint8)


def _points(source: Source, piece: Piece, colors: NDArray[np.uint8] | None) -> PointCloud:
    points = piece.positions
    if len(points) == 0 or not np.isfinite(points).all():
        raise source.fail("holds no surface and no points, or is no OBJ file")
    gray = np.full(points.shape, 190, np.uint8)
    return PointCloud(points, np.zeros_like(points), gray if colors is None else colors)


def _unknown(name: str) -> Material:
    return replace(PLAIN, name=name) if name else PLAIN


def _read_materials(source: Source, libraries: list[str]) -> dict[str, Material]:
    """Materials by name, of all libraries that are there."""
    materials: dict[str, Material] = {}
    for name in libraries:
        data = source.file_beside(name)
        if data is None:
            source.tell(f"names the materials {name[:80]!r}, which are not beside it")
            continue
        entries: dict[str, dict[str, str]] = {}
        current: dict[str, str] = {}
        for line in data.decode(errors="replace").splitlines():
            word, _, rest = line.strip().partition(" ")
            if word == "newmtl":
                current = entries.setdefault(rest.strip(), {})
            else:
                current[word.lower()] = rest.strip()
        for entry, words in entries.items():
            materials.setdefault(entry, _read_material(source, entry, words))
    return materials


def _read_material(source: Source, name: str, words: dict[str, str]) -> Material:
    def texture(keyword: str, channel: int | None = None) -> NDArray[np.uint8] | None:
        file = _file_of(words.get(keyword.lower(), ""))
        return source.picture_beside(file, channel) if file else None

    try:
        red, green, blue = (float(word) for word in words.get("kd", "1 1 1").split()[:3])
    except ValueError:
        raise source.fail(f"has a material {name[:60]!r} whose colour is no colour") from None
    base = texture("map_Kd")
    color = (1.0, 1.0, 1.0) if base is not None else (red, green, blue)
    return Material(name, base, color, texture("norm"), roughness=texture("map_Pr", 0))


def _file_of(text: str) -> str:
    """The file's name behind options like ``-bm 1.0`` and ``-o 0 0 0``; it may have blanks."""
    words = text.split(" ")
    while words and words[0].startswith("-"):
        words.pop(0)
        while words and _is_option_value(words[0]):
            words.pop(0)
    return " ".join(words).strip()


def _is_option_value(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return word in ("on", "off", "r", "g", "b", "m", "l", "z")
    return True
