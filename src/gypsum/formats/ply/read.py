"""Reading PLY: text, and binary in either byte order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.errors import InputError
from gypsum.formats.assembly import PLAIN, Piece, assemble, triangulated, turned
from gypsum.formats.limits import MOST_ELEMENTS
from gypsum.formats.source import Source
from gypsum.scene import Material, Mesh, Place, PointCloud, TexturedMesh

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1",
    "short": "i2", "int16": "i2", "ushort": "u2", "uint16": "u2",
    "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip

_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}

LONGEST_HEADER = 100_000

_UVS = ("s t", "u v", "texture_u texture_v")
"""Names that programs give to a vertex's texture coordinates."""

_GRAY = 190
"""Of points without a colour."""


def read(source: Source, up_axis: str = "z") -> TexturedMesh | Mesh | PointCloud:
    """Read anything that a PLY file may hold of a model."""
    content = _parse(source)
    vertices = content.vertices
    positions = _stack(source, vertices, "x y z", np.float32)
    normals = _optional(source, vertices, "nx ny nz", np.float32)
    colors = _colors(vertices)
    if content.corners is None or len(content.corners) == 0:
        exact = _stack(source, vertices, "x y z", np.float64)
        if up_axis == "z" and np.isfinite(exact).all() and len(exact):
            place = Place.around(exact.min(axis=0), exact.max(axis=0))
            if not place.trivial:
                local = place.local(exact).astype(np.float32)
                piece = Piece(local, np.empty((0, 3), np.int32), normals=normals)
                return replace(_cloud(source, piece, colors), place=place)
        piece = turned(Piece(positions, np.empty((0, 3), np.int32), normals=normals), up_axis)
        return _cloud(source, piece, colors)
    pieces = _pieces(source, content, Piece(positions, content.corners, PLAIN, None, None, normals))
    return assemble(source, [turned(_with_colors(piece, colors), up_axis) for piece in pieces])


def read_cloud(path: Path) -> PointCloud:
    """Read what ``write_cloud`` wrote."""
    source = Source(path)
    vertices = _parse(source).vertices
    return PointCloud(
        _stack(source, vertices, "x y z", np.float32),
        _stack(source, vertices, "nx ny nz", np.float32),
        _stack(source, vertices, "red green blue", np.uint8),
        _optional(source, vertices, "radius", np.float32, single=True),
        _optional(source, vertices, "support", np.uint16, single=True),
    )


def read_mesh(path: Path) -> Mesh:
    """Read a mesh as it is, with its vertex colours where it has them."""
    source = Source(path)
    content = _parse(source)
    if content.corners is None:
        raise source.fail("holds no faces; a mesh is needed here")
    colors = _optional(source, content.vertices, "red green blue", np.uint8)
    positions = _stack(source, content.vertices, "x y z", np.float32)
    if len(content.corners) and not 0 <= content.corners.min() <= content.corners.max() < len(
        positions
    ):
        raise source.fail("has a face that points at nothing; it is damaged")
    return Mesh(positions, content.corners, colors)


@dataclass(frozen=True)
class _Content:
    vertices: dict[str, NDArray[Any]]
    """Columns (N,) by name."""
    corners: NDArray[np.int32] | None
    """(F, 3); None where the file knows no faces."""
    face_uvs: NDArray[np.float32] | None
    """(F, 3, 2) texture coordinates of the faces' corners."""
    textures: NDArray[np.int64] | None
    """(F,) which texture each face shows."""
    files: list[str]
    """Names of textures."""


def _pieces(source: Source, content: _Content, whole: Piece) -> list[Piece]:
    """By texture."""
    uvs, uv_faces = None, None
    if content.face_uvs is not None:
        uvs = content.face_uvs.reshape(-1, 2)
        uv_faces = np.arange(len(uvs), dtype=np.int32).reshape(-1, 3)
    else:
        names = next((n for n in _UVS if set(n.split()) <= set(content.vertices)), None)
        if names is not None:
            uvs = _stack(source, content.vertices, names, np.float32)
    if uvs is None or not content.files:
        return [whole]
    materials = [_material(source, number, name) for number, name in enumerate(content.files)]
    shown = content.textures
    if shown is None or len(materials) == 1:
        shown = np.zeros(len(whole.faces), np.int64)
    pieces = []
    for number in np.unique(shown):
        here = shown == number
        material = materials[number] if 0 <= number < len(materials) else PLAIN
        chosen = None if uv_faces is None else uv_faces[here]
        pieces.append(
            Piece(whole.positions, whole.faces[here], material, uvs, chosen, whole.normals)
        )
    return pieces


def _material(source: Source, number: int, name: str) -> Material:
    return Material(f"texture_{number + 1}", source.picture_beside(name))


def _with_colors(piece: Piece, colors: NDArray[np.uint8] | None) -> Piece:
    """A texture says more than colours that are beside it."""
    shown = None if piece.material.base_color is not None else colors
    return Piece(
        piece.positions, piece.faces, piece.material, piece.uvs, piece.uv_faces, piece.normals,
        None, shown,
    )  # fmt: skip


def _cloud(source: Source, piece: Piece, colors: NDArray[np.uint8] | None) -> PointCloud:
    points = piece.positions
    if len(points) == 0:
        raise source.fail("holds no points")
    if not np.isfinite(points).all():
        raise source.fail("has positions that are no numbers; it is damaged")
    return PointCloud(
        points,
        np.zeros_like(points) if piece.normals is None else np.nan_to_num(piece.normals),
        np.full(points.shape, _GRAY, np.uint8) if colors is None else colors,
    )


def _colors(vertices: dict[str, NDArray[Any]]) -> NDArray[np.uint8] | None:
    """sRGB bytes; programs also write fractions of one."""
    names = "red green blue" if "red" in vertices else "r g b"
    if not set(names.split()) <= set(vertices):
        return None
    values = np.stack([vertices[name] for name in names.split()], axis=1)
    if values.dtype.kind == "f":
        values = np.rint(np.nan_to_num(values) * (255 if values.max(initial=0) <= 1 else 1))
    return np.asarray(np.clip(values, 0, 255), np.uint8)


@dataclass(frozen=True)
class Element:
    """A kind of thing in the file: vertices, faces."""

    name: str
    count: int
    properties: list[list[str]]
    """The words after ``property``."""


def _parse(source: Source) -> _Content:
    data = source.read()
    order, elements, files, start = parse_header(source, data)
    body: _Binary | _Text = (
        _Text(source, data, start) if not order else _Binary(source, data, start, order)
    )
    content = _Content({}, None, None, None, files)
    for element in elements:
        columns = body.take(element)
        if element.name == "vertex":
            content = _replaced(content, vertices=_plain(columns))
        elif element.name == "face":
            content = _faces(source, content, columns, element.count)
    if not content.vertices:
        raise source.fail("holds no vertices")
    return content


def read_elements(source: Source) -> dict[str, dict[str, NDArray[Any]]]:
    """All elements of a binary file with their columns (N,), as they are; lists are left out."""
    data = source.read()
    order, elements, _, start = parse_header(source, data)
    if not order:
        raise source.fail("is text, where numbers are expected")
    body = _Binary(source, data, start, order)
    return {element.name: _plain(body.take(element)) for element in elements}


def property_names(path: Path) -> set[str]:
    """What a file's header names; nothing of what is no PLY file."""
    with path.open("rb") as file:
        head = file.read(LONGEST_HEADER).partition(b"end_header")[0]
    lines = head.decode(errors="replace").splitlines()
    return {line.split()[-1] for line in lines if line.startswith("property ")}


def _plain(columns: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {name: values for name, values in columns.items() if isinstance(values, np.ndarray)}


def _replaced(content: _Content, **changes: Any) -> _Content:
    return _Content(**{**content.__dict__, **changes})


def _faces(source: Source, content: _Content, columns: dict[str, Any], count: int) -> _Content:
    """Polygons as triangles, with what belongs to their corners."""
    lists = {name: value for name, value in columns.items() if isinstance(value, tuple)}
    indices = lists.get("vertex_indices", lists.get("vertex_index"))
    if indices is None:
        raise source.fail("has faces without corners")
    values, counts = indices
    if values.dtype.kind == "f" or (len(values) and abs(values).max(initial=0) > MOST_ELEMENTS):
        raise source.fail("has a face that points at nothing; it is damaged")
    uvs = lists.get("texcoord")
    if uvs is not None and not np.array_equal(uvs[1], 2 * counts):
        uvs = None
    parallel: list[NDArray[Any]] = [values.astype(np.int64)]
    if uvs is not None:
        parallel.append(np.arange(len(uvs[0]) // 2))
    triangles, polygon = triangulated(parallel, counts)
    textures = columns.get("texnumber")
    return _replaced(
        content,
        corners=triangles[0] if count else np.empty((0, 3), np.int32),
        face_uvs=None if uvs is None else uvs[0].astype(np.float32).reshape(-1, 2)[triangles[1]],
        textures=None if textures is None else textures.astype(np.int64)[polygon],
    )


class _Binary:
    """The numbers behind a binary header."""

    def __init__(self, source: Source, data: bytes, start: int, order: str) -> None:
        self._source, self._data, self._at, self._order = source, data, start, order

    def take(self, element: Element) -> dict[str, Any]:
        """Columns by name: arrays (N,), and of lists their values and lengths."""
        if element.count == 0:
            return _empty(element)
        dtype = self._row(element)
        end = self._at + dtype.itemsize * element.count
        if end > len(self._data):
            if not any(words[0] == "list" for words in element.properties):
                raise self._cut_off()
            return self._slowly(element)
        table = np.frombuffer(self._data, dtype, element.count, self._at)
        columns: dict[str, Any] = {}
        for index, words in enumerate(element.properties):
            values = table[f"v{index}"]
            if words[0] != "list":
                columns[words[-1]] = values
                continue
            counts = table[f"n{index}"]
            if not (counts == counts[0]).all():
                return self._slowly(element)
            columns[words[-1]] = (values.ravel(), counts.astype(np.int64))
        self._at = end
        return columns

    def _row(self, element: Element) -> np.dtype[np.void]:
        """One row, taking lists to be as long in every row as in the first."""
        fields: list[tuple[Any, ...]] = []
        at = self._at
        for index, words in enumerate(element.properties):
            kind = np.dtype(self._order + TYPES[words[-2]])
            size = kind.itemsize
            if words[0] == "list":
                length = self._number(words[1], at)
                fields.append((f"n{index}", self._order + TYPES[words[1]]))
                at += np.dtype(TYPES[words[1]]).itemsize
                size *= length
                fields.append((f"v{index}", kind, (length,)))
            else:
                fields.append((f"v{index}", kind))
            at += size
        return np.dtype(fields)

    def _number(self, kind: str, at: int) -> int:
        """The length of a list."""
        size = np.dtype(TYPES[kind]).itemsize
        if at + size > len(self._data):
            raise self._cut_off()
        value = np.frombuffer(self._data, self._order + TYPES[kind], 1, at)[0]
        if kind.startswith(("float", "double")) or not 0 <= value <= len(self._data):
            raise self._source.fail("has a list without a length; it is damaged")
        return int(value)

    def _slowly(self, element: Element) -> dict[str, Any]:
        """Row by row, where lists differ in length."""
        held: list[list[bytes]] = [[] for _ in element.properties]
        lengths: list[list[int]] = [[] for _ in element.properties]
        for _ in range(element.count):
            for index, words in enumerate(element.properties):
                length = 1
                if words[0] == "list":
                    length = self._number(words[1], self._at)
                    self._at += np.dtype(TYPES[words[1]]).itemsize
                    lengths[index].append(length)
                size = length * np.dtype(TYPES[words[-2]]).itemsize
                if self._at + size > len(self._data):
                    raise self._cut_off()
                held[index].append(self._data[self._at : self._at + size])
                self._at += size
        columns: dict[str, Any] = {}
        for index, words in enumerate(element.properties):
            values = np.frombuffer(b"".join(held[index]), self._order + TYPES[words[-2]])
            is_list = words[0] == "list"
            columns[words[-1]] = (values, np.array(lengths[index])) if is_list else values
        return columns

    def _cut_off(self) -> InputError:
        return self._source.fail("is cut off; write it again")


class _Text:
    """The numbers behind a header of the text form."""

    def __init__(self, source: Source, data: bytes, start: int) -> None:
        try:
            self._numbers = np.array(data[start:].split(), "S64").astype(np.float64)
        except ValueError:
            raise source.fail("has words where numbers should be; it is damaged") from None
        self._source = source
        self._at = 0

    def take(self, element: Element) -> dict[str, Any]:
        """Columns by name: arrays (N,), and of lists their values and lengths."""
        if element.count == 0:
            return _empty(element)
        if not any(words[0] == "list" for words in element.properties):
            rows = self._next(element.count * len(element.properties))
            table = rows.reshape(element.count, -1)
            return {
                words[-1]: _whole(words[-2], table[:, index])
                for index, words in enumerate(element.properties)
            }
        held: list[list[NDArray[np.float64]]] = [[] for _ in element.properties]
        for _ in range(element.count):
            for index, words in enumerate(element.properties):
                length = self._length() if words[0] == "list" else 1
                held[index].append(self._next(length))
        columns: dict[str, Any] = {}
        for values, words in zip(held, element.properties, strict=True):
            joined = _whole(words[-2], np.concatenate(values))
            counts = np.array([len(value) for value in values])
            columns[words[-1]] = (joined, counts) if words[0] == "list" else joined
        return columns

    def _length(self) -> int:
        (value,) = self._next(1)
        if not 0 <= value <= len(self._numbers):
            raise self._source.fail("has a list without a length; it is damaged")
        return int(value)

    def _next(self, count: int) -> NDArray[np.float64]:
        if self._at + count > len(self._numbers):
            raise self._source.fail("is cut off; write it again")
        self._at += count
        return self._numbers[self._at - count : self._at]


def _empty(element: Element) -> dict[str, Any]:
    """The columns of an element of which there are none."""
    columns: dict[str, Any] = {}
    for words in element.properties:
        values = np.empty(0, TYPES[words[-2]])
        columns[words[-1]] = (values, np.empty(0, int)) if words[0] == "list" else values
    return columns


def _whole(kind: str, values: NDArray[np.float64]) -> NDArray[Any]:
    """As floats or as integers, of a size that holds whatever the text says."""
    return values if TYPES[kind][0] == "f" else np.nan_to_num(values).astype(np.int64)


def parse_header(
    source: Source, data: bytes, most: int = MOST_ELEMENTS
) -> tuple[str, list[Element], list[str], int]:
    """Byte order ("" for text), elements, names of textures, and where the numbers begin."""
    end = data.find(b"end_header", 0, LONGEST_HEADER)
    if data[:3] != b"ply" or end < 0:
        raise source.fail("is not a PLY file")
    start = data.find(b"\n", end) + 1
    if start == 0:
        raise source.fail("is cut off; write it again")
    order: str | None = None
    elements: list[Element] = []
    files: list[str] = []
    for line in data[:end].decode(errors="replace").splitlines():
        words = line.split()
        match words:
            case ["format", name, *_]:
                order = _ORDERS.get(name)
            case ["comment", "TextureFile", *_]:
                files.append(line.split("TextureFile", 1)[1].strip())
            case ["element", name, count] if count.isdigit():
                if int(count) > most:
                    raise source.fail(f"says that it holds {count} elements; it is damaged")
                elements.append(Element(name, int(count), []))
            case ["property", *rest] if elements:
                elements[-1].properties.append(_property(source, rest))
    if order is None:
        raise source.fail("has a header that says nothing of its format; it is damaged")
    return order, elements, files, start


def _property(source: Source, words: list[str]) -> list[str]:
    kinds = words[1:3] if words[:1] == ["list"] else words[:1]
    if len(words) != len(kinds) + (2 if words[:1] == ["list"] else 1) or any(
        kind not in TYPES for kind in kinds
    ):
        raise source.fail(f"has a property '{' '.join(words)[:60]}', which PLY does not know")
    return words


def _stack(
    source: Source, table: dict[str, NDArray[Any]], names: str, kind: type[Any]
) -> NDArray[Any]:
    missing = [name for name in names.split() if name not in table]
    if missing:
        raise source.fail(f"has no vertex property {missing[0]}")
    return np.stack([table[name] for name in names.split()], axis=1).astype(kind)


def _optional(
    source: Source,
    table: dict[str, NDArray[Any]],
    names: str,
    kind: type[Any],
    single: bool = False,
) -> Any:
    if not set(names.split()) <= set(table):
        return None
    values = _stack(source, table, names, kind)
    return values[:, 0] if single else values
