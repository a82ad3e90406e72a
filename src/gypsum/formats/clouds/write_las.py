"""Writing LAS and LAZ: coloured points in their larger frame, to a tenth of a millimetre."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gypsum._version import __version__
from gypsum.errors import InputError
from gypsum.formats.clouds.las import GEO_DOUBLES, GEO_KEYS, GEO_TEXT, LASZIP, RECORDS, WKT
from gypsum.formats.options import WriteOptions
from gypsum.formats.xyz import POINTS, surface_points
from gypsum.scene import Crs, Place, PointCloud, TexturedMesh

_STEP = 1e-4
"""Of coordinates, in units of metres' size; of degrees, ``_DEGREE_STEP``."""
_DEGREE_STEP = 1e-9
_MOST = 2.0**31 - 1
_WITH_KEYS, _WITH_WKT = 2, 7
"""Point formats with colours: of LAS 1.2, which has GeoTIFF's keys, and of LAS 1.4, with WKT."""


def las(path: Path, model: TexturedMesh | PointCloud, options: WriteOptions) -> dict[Path, bytes]:  # noqa: ARG001
    """A cloud's points; of a mesh the vertices, and points spread evenly over it."""
    head, records, _ = _encoded(path, model)
    return {path: head + records.tobytes()}


def laz(path: Path, model: TexturedMesh | PointCloud, options: WriteOptions) -> dict[Path, bytes]:  # noqa: ARG001
    """The same, compressed by LASzip's method."""
    import lazrs

    _, records, crs = _encoded(path, model)
    kind = _WITH_WKT if crs is not None and crs.wkt else _WITH_KEYS
    vlr = lazrs.LazVlr.new_for_compression(kind, 0)
    head = _head(path, records, crs, *_frame_of(model), laszip=bytes(vlr.record_data()))
    # It notes in the file where the table of its chunks is, and so needs to know what comes before.
    file = io.BytesIO()
    file.write(head)
    compressor = lazrs.LasZipCompressor(file, vlr)
    compressor.compress_many(records.tobytes())
    compressor.done()
    return {path: file.getvalue()}


def _encoded(
    path: Path, model: TexturedMesh | PointCloud
) -> tuple[bytes, NDArray[np.void], Crs | None]:
    cloud = model if isinstance(model, PointCloud) else surface_points(model, POINTS)
    place, step = _frame_of(model)
    kind = _WITH_WKT if place.crs is not None and place.crs.wkt else _WITH_KEYS
    whole = np.rint((place.full(cloud.points) - place.origin) / step)
    row: list[tuple[str, str] | tuple[str, str, int]] = [("xyz", "<i4", 3), ("intensity", "<u2")]
    if kind == _WITH_WKT:
        row += [("returns", "u1"), ("flags", "u1"), ("class", "u1"), ("user", "u1")]
        row += [("angle", "<i2"), ("source", "<u2"), ("time", "<f8"), ("rgb", "<u2", 3)]
    else:
        row += [("returns", "u1"), ("class", "u1"), ("angle", "i1"), ("user", "u1")]
        row += [("source", "<u2"), ("rgb", "<u2", 3)]
    records = np.zeros(len(cloud), np.dtype(row))
    assert records.dtype.itemsize == RECORDS[kind]
    records["xyz"] = whole
    records["returns"] = 0x11 if kind == _WITH_WKT else 0b1001
    records["rgb"] = cloud.colors.astype(np.uint16) * 257
    if cloud.intensity is not None:
        records["intensity"] = np.clip(np.rint(cloud.intensity), 0, 65535)
    if cloud.classes is not None:
        records["class"] = cloud.classes if kind == _WITH_WKT else cloud.classes & 31
    return _head(path, records, place.crs, place, step), records, place.crs


def _frame_of(model: TexturedMesh | PointCloud) -> tuple[Place, NDArray[np.float64]]:
    """The larger frame, and the steps of coordinates in it: coarser where they would not reach."""
    if not isinstance(model, PointCloud):
        return Place(), np.full(3, _STEP)
    place = model.place or Place()
    reach = np.abs(place.full(model.points) - place.origin).max(axis=0, initial=0)
    finest = np.where(np.array(place.metres) > 1000, _DEGREE_STEP, _STEP)
    return place, np.maximum(finest, reach / _MOST)


def _head(
    path: Path,
    records: NDArray[np.void],
    crs: Crs | None,
    place: Place,
    step: NDArray[np.float64],
    laszip: bytes = b"",
) -> bytes:
    """The header and the variable length records; ``laszip`` says how points are compressed."""
    if not len(records):
        raise InputError(f"{path.name} was not written: there are no points.")
    wkt = crs is not None and bool(crs.wkt)
    kind = _WITH_WKT if wkt else _WITH_KEYS
    vlrs = _crs_records(crs)
    if laszip:
        vlrs.append(_record("laszip encoded", LASZIP, laszip))
    size = 375 if wkt else 227
    start = size + sum(map(len, vlrs))
    low, high = (
        places * step + place.origin
        for places in (records["xyz"].min(axis=0), records["xyz"].max(axis=0))
    )
    head = bytearray(size)
    struct.pack_into("<4sHH", head, 0, b"LASF", 0, 16 if wkt else 0)
    struct.pack_into("<BB32s32s", head, 24, 1, 4 if wkt else 2, b"OTHER", _program())
    struct.pack_into("<HHHII", head, 90, 1, 2000, size, start, len(vlrs))
    legacy = 0 if wkt else len(records)
    struct.pack_into("<BHII", head, 104, kind | (0x80 if laszip else 0), RECORDS[kind], legacy,
                     legacy)  # fmt: skip
    bounds = [value for pair in zip(high, low, strict=True) for value in pair]
    struct.pack_into("<12d", head, 131, *step, *place.origin, *bounds)
    if wkt:
        struct.pack_into("<QQ", head, 247, len(records), len(records))
    return bytes(head) + b"".join(vlrs)


def _program() -> bytes:
    return f"Gypsum {__version__}".encode()


def _crs_records(crs: Crs | None) -> list[bytes]:
    if crs is None:
        return []
    if crs.wkt:
        return [_record("LASF_Projection", WKT, crs.wkt.encode() + b"\0")]
    found = [_record("LASF_Projection", GEO_KEYS, np.array(crs.keys, "<u2").tobytes())]
    if crs.doubles:
        doubles = np.array(crs.doubles, "<f8").tobytes()
        found.append(_record("LASF_Projection", GEO_DOUBLES, doubles))
    if crs.text:
        found.append(_record("LASF_Projection", GEO_TEXT, crs.text.encode("ascii") + b"\0"))
    return found


def _record(user: str, number: int, data: bytes) -> bytes:
    return struct.pack("<H16sHH32s", 0, user.encode(), number, len(data), b"") + data
