"""Point clouds of every format: exact coordinates, all attributes, errors that are sentences."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from gypsum.errors import InputError
from gypsum.formats import read_model, write_model
from gypsum.formats.clouds import CLOUD_SUFFIXES, Chunk, open_cloud
from gypsum.formats.clouds.e57 import checksums, unpacked
from gypsum.native import _cloud
from gypsum.scene import Crs, Place, PointCloud

EAST, NORTH = 512_345.0, 5_403_210.0
WKT = (
    'PROJCS["WGS 84 / UTM zone 32N",GEOGCS["WGS 84",UNIT["degree",0.0174532925199433]],'
    'PROJECTION["Transverse_Mercator"],UNIT["metre",1],AUTHORITY["EPSG","32632"]]'
)


def everything(path: Path) -> Chunk:
    """All of a file."""
    chunks = [*open_cloud(path).chunks()]
    return Chunk(
        np.concatenate([chunk.points for chunk in chunks]),
        *(
            None
            if getattr(chunks[0], name) is None
            else np.concatenate([getattr(chunk, name) for chunk in chunks])
            for name in ("colors", "normals", "intensity", "classes")
        ),
    )


def survey(count: int = 2_000, place: Place | None = None) -> PointCloud:
    """Points of a map, to the millimetre."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(count, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    return PointCloud(
        (rng.integers(-200_000, 200_000, (count, 3)) / 1000).astype(np.float32),
        normals.astype(np.float32),
        rng.integers(0, 256, (count, 3)).astype(np.uint8),
        intensity=rng.integers(0, 60_000, count).astype(np.float32),
        classes=rng.integers(0, 18, count).astype(np.uint8),
        place=place,
    )


@pytest.mark.parametrize("suffix", ["las", "laz", "ply", "xyz"])
@pytest.mark.parametrize("crs", [None, Crs(WKT), Crs(keys=(1, 1, 0, 1, 3072, 0, 1, 32632))])
def test_coordinates_on_a_map_keep_their_millimetres(
    tmp_path: Path, suffix: str, crs: Crs | None
) -> None:
    cloud = survey(place=Place((EAST, NORTH, 300.0), crs=crs))
    path = tmp_path / f"map.{suffix}"
    write_model(path, cloud, suffix)
    assert cloud.place is not None
    true = cloud.place.full(cloud.points)
    held = everything(path)
    assert np.abs(held.points - true).max() < 2e-4
    assert np.array_equal(held.colors, cloud.colors)
    read = read_model(path)
    assert isinstance(read, PointCloud)
    assert read.place is not None
    assert np.abs(read.place.full(read.points) - true).max() < 3e-4
    if suffix.startswith("la"):
        assert np.array_equal(held.classes, cloud.classes)
        assert np.array_equal(held.intensity, cloud.intensity)
        found = open_cloud(path).crs
        assert (found and found.epsg) == (crs and crs.epsg)


def test_feet_and_degrees_become_metres() -> None:
    feet = Crs(WKT.replace('UNIT["metre",1]', 'UNIT["foot",0.3048]'))
    place = Place.around(np.array([1e6, 1e6, 0.0]), np.array([1e6, 1e6, 0.0]), feet)
    there = place.full(np.zeros((1, 3)))
    there[0, 0] += 10
    assert place.local(there)[0, 0] == pytest.approx(3.048)
    degrees = Crs('GEOGCS["WGS 84",UNIT["degree",0.0174532925199433]]')
    place = Place.around(np.array([8.0, 48.0, 0.0]), np.array([8.1, 48.1, 0.0]), degrees)
    # The length of a degree at 48.05 degrees north on the ellipsoid of WGS 84.
    assert place.metres[0] == pytest.approx(74_560, rel=1e-3)
    assert place.metres[1] == pytest.approx(111_200, rel=1e-3)


@pytest.mark.parametrize("kind", ["ascii", "binary", "binary_compressed"])
def test_pcd(tmp_path: Path, kind: str) -> None:
    rng = np.random.default_rng(1)
    row = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("rgb", "<u4")])
    table = np.zeros(500, row)
    for axis in "xyz":
        table[axis] = rng.normal(size=500)
    colors = rng.integers(0, 256, (500, 3))
    table["rgb"] = colors[:, 0] << 16 | colors[:, 1] << 8 | colors[:, 2]
    table["x"][7] = np.nan
    header = (
        "# .PCD v0.7\nVERSION 0.7\nFIELDS x y z rgb\nSIZE 4 4 4 4\nTYPE F F F U\nCOUNT 1 1 1 1\n"
        f"WIDTH 500\nHEIGHT 1\nVIEWPOINT 1 2 3 1 0 0 0\nPOINTS 500\nDATA {kind}\n"
    ).encode()
    if kind == "ascii":
        body = "\n".join(f"{x:.9g} {y:.9g} {z:.9g} {c}" for x, y, z, c in table).encode()
    elif kind == "binary":
        body = table.tobytes()
    else:
        columns = b"".join(np.ascontiguousarray(table[name]).tobytes() for name in row.names or ())
        packed = literal_lzf(columns)
        body = struct.pack("<II", len(packed), len(columns)) + packed
    path = tmp_path / "cloud.pcd"
    path.write_bytes(header + body)
    held = everything(path)
    good = np.arange(500) != 7
    true = np.stack([table[axis][good] for axis in "xyz"], axis=1)
    assert np.allclose(held.points, true, atol=1e-8)
    assert np.array_equal(held.colors, colors[good])
    assert open_cloud(path).scans[0].position == (1, 2, 3)


def literal_lzf(data: bytes) -> bytes:
    """LZF that compresses nothing."""
    return b"".join(
        bytes([len(data[at : at + 32]) - 1]) + data[at : at + 32] for at in range(0, len(data), 32)
    )


def slow_lzf(data: bytes) -> bytes:
    """LZF as its description says, byte by byte."""
    out = bytearray()
    at = 0
    while at < len(data):
        control = data[at]
        at += 1
        if control < 32:
            out += data[at : at + control + 1]
            at += control + 1
            continue
        length = control >> 5
        if length == 7:
            length += data[at]
            at += 1
        back = ((control & 31) << 8 | data[at]) + 1
        at += 1
        for _ in range(length + 2):
            out.append(out[-back])
    return bytes(out)


def test_lzf_expands_references_that_overlap() -> None:
    packed = bytes([2]) + b"abc" + bytes([7 << 5, 40, 2]) + bytes([3 << 5, 0]) + bytes([0]) + b"z"
    whole = slow_lzf(packed)
    assert _cloud.lzf_expand(packed, len(whole)) == whole
    for size in (0, len(whole) - 1, len(whole) + 1):
        with pytest.raises(ValueError, match="damaged"):
            _cloud.lzf_expand(packed, size)
    with pytest.raises(ValueError, match="damaged"):
        _cloud.lzf_expand(bytes([32, 5]), 3)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x,y,z,red,green,blue\n1,2,3,10,20,30\n4,5,6,40,50,60\n", "colors"),
        ("//X Y Z Nx Ny Nz\n1 2 3 0 0 1\n4 5 6 0 1 0\n", "normals"),
        ("2\n1 2 3 -700 10 20 30\n4 5 6 12 40 50 60\n", "intensity"),
        ("X;Y;Z;Classification\r\n1;2;3;2\r\n4;5;6;6\r\n", "classes"),
        ("# comment\n1\t2\t3\n\n4\t5\t6\n", ""),
    ],
)
def test_text_with_and_without_names(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text)
    held = everything(path)
    assert np.array_equal(held.points, [[1, 2, 3], [4, 5, 6]])
    for name in ("colors", "normals", "intensity", "classes"):
        there = getattr(held, name) is not None
        assert there == (name == what or (what == "intensity" and name == "colors"))


def test_bits_of_every_width_come_out_again() -> None:
    rng = np.random.default_rng(2)
    for bits in (1, 3, 7, 8, 13, 21, 32, 57, 58, 63, 64):
        values = [int(v) % (1 << bits) for v in rng.integers(0, 1 << 63, 100, np.uint64) * 2 + 1]
        whole = sum(value << (bits * place) for place, value in enumerate(values)) << 5
        data = whole.to_bytes((bits * 100 + 5) // 8 + 1, "little")
        assert unpacked(data, 5, bits, 100).tolist() == values


def test_checksums_are_those_of_the_standard() -> None:
    # The check value of CRC-32C (Castagnoli).
    digits = np.frombuffer(b"123456789", np.uint8)[None]
    assert checksums(digits).tolist() == [0xE3069283]


def test_bunnies_are_alike_in_all_encodings(captures: Path) -> None:
    folder = captures / "pointclouds" / "e57_cry-inc"
    true = everything(folder / "bunnyDouble.e57").points
    assert len(true) == 30_571
    steps = {"bunnyFloat": 1e-8, "bunnyInt32": 1e-9, "bunnyInt24": 1e-6, "bunnyInt19": 1e-5}
    for name, step in steps.items():
        assert np.abs(everything(folder / f"{name}.e57").points - true).max() < 10 * step


def test_compressed_points_are_those_of_the_plain_file(captures: Path) -> None:
    folder = captures / "pointclouds"
    for plain, packed in (
        ("laspy/simple.las", "laspy/simple.laz"),
        ("pdal/las/autzen_trim.las", "pdal/laz/autzen_trim.laz"),
    ):
        one, other = everything(folder / plain), everything(folder / packed)
        assert np.array_equal(one.points, other.points)
        assert np.array_equal(one.colors, other.colors)
    copc = everything(folder / "laspy/simple.copc.laz").points
    plain_points = everything(folder / "laspy/simple.las").points
    assert np.abs(np.sort(copc, axis=0) - np.sort(plain_points, axis=0)).max() < 0.006


BROKEN = {"corrupt_crc.e57", "bad-crc.e57", "no_vertex.ply", "sized_dims.ply", "unsized_dims.ply"}


def test_all_sample_files_are_read(captures: Path) -> None:
    for path in sorted((captures / "pointclouds").rglob("*")):
        if path.suffix.lower() not in CLOUD_SUFFIXES or path.name == "NOTE.md":
            continue
        if path.name in BROKEN:
            with pytest.raises(InputError, match=path.name):
                [*open_cloud(path).chunks()]
        else:
            opened = open_cloud(path)
            count = sum(len(chunk.points) for chunk in opened.chunks())
            assert opened.count is None or count <= opened.count


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A small file of each kind that Gypsum writes, and one of E57."""
    folder = tmp_path_factory.mktemp("samples")
    cloud = survey(60, Place((EAST, NORTH, 0.0), crs=Crs(WKT)))
    paths = []
    for suffix in ("las", "ply", "xyz"):
        paths.append(folder / f"small.{suffix}")
        write_model(paths[-1], cloud, suffix)
    pcd = folder / "small.pcd"
    table = np.zeros(60, np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4")]))
    packed = literal_lzf(bytes(table.nbytes))
    pcd.write_bytes(
        b"FIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nPOINTS 60\nDATA binary_compressed\n"
        + struct.pack("<II", len(packed), table.nbytes)
        + packed
    )
    e57 = folder / "small.e57"
    e57.write_bytes(small_e57(60))
    return [*paths, pcd, e57]


def small_e57(count: int) -> bytes:
    """One scan of points (i, 2 i, -i) millimetres, as scaled integers of 9 bits, turned by a right
    angle about z and moved by (10, 20, 30)."""
    numbers = np.arange(count)
    streams = []
    for low, values in ((0, numbers), (0, 2 * numbers), (-511, -numbers)):
        whole = sum(int(v - low) << (9 * i) for i, v in enumerate(values))
        streams.append(whole.to_bytes((9 * count + 7) // 8, "little"))
    body = struct.pack("<3H", *map(len, streams)) + b"".join(streams)
    length = -(-(6 + len(body)) // 4) * 4
    packet = (struct.pack("<BBHH", 1, 0, length - 1, 3) + body).ljust(length, b"\0")
    section = struct.pack("<B7xQQQ", 1, 32 + length, 48 + 32, 0) + packet

    def field(axis: str, low: int) -> str:
        return (
            f'<cartesian{axis} type="ScaledInteger" minimum="{low}" maximum="{low + 511}" '
            'scale="0.001"/>'
        )

    half = 0.5**0.5
    xml = (
        '<e57Root type="Structure" xmlns="http://www.astm.org/COMMIT/E57/2010-e57-v1.0">'
        '<data3D type="Vector"><vectorChild type="Structure">'
        f'<pose type="Structure"><rotation type="Structure"><w>{half}</w><z>{half}</z></rotation>'
        "<translation><x>10</x><y>20</y><z>30</z></translation></pose>"
        f'<points type="CompressedVector" fileOffset="48" recordCount="{count}"><prototype>'
        f"{field('X', 0)}{field('Y', 0)}{field('Z', -511)}</prototype></points>"
        "</vectorChild></data3D></e57Root>"
    ).encode()
    logical = bytes(48) + section + xml
    pages = [logical[at : at + 1020].ljust(1020, b"\0") for at in range(0, len(logical), 1020)]
    start = 48 + len(section)
    physical = start // 1020 * 1024 + start % 1020
    head = struct.pack("<8sIIQQQQ", b"ASTM-E57", 1, 0, len(pages) * 1024, physical, len(xml), 1024)
    pages[0] = head + pages[0][48:]
    sums = checksums(np.array([np.frombuffer(page, np.uint8) for page in pages]))
    return b"".join(
        page + struct.pack(">I", int(value)) for page, value in zip(pages, sums, strict=True)
    )


def test_e57_with_a_pose(samples: list[Path]) -> None:
    opened = open_cloud(samples[-1])
    assert opened.scans[0].position == (10, 20, 30)
    numbers = np.arange(60) / 1000
    true = np.stack([10 - 2 * numbers, 20 + numbers, 30 - numbers], axis=1)
    assert np.allclose(everything(samples[-1]).points, true, atol=1e-12)


def mutations(data: bytes, rng: np.random.Generator) -> list[bytes]:
    """Cut off, with flipped bytes, with huge numbers in the header."""
    found = [data[: int(share * len(data))] for share in (0, 0.01, 0.2, 0.5, 0.95)]
    for _ in range(25):
        changed = bytearray(data)
        for place in rng.integers(0, min(len(data), 600), 4):
            changed[place] = int(rng.integers(0, 256))
        found.append(bytes(changed))
    for _ in range(10):
        changed = bytearray(data)
        place = int(rng.integers(0, min(len(data) - 8, 300)))
        changed[place : place + 8] = b"\xff" * 7 + b"\x7f"
        found.append(bytes(changed))
    return found


def test_damaged_files_get_a_sentence(tmp_path: Path, samples: list[Path]) -> None:
    rng = np.random.default_rng(3)
    for sample in samples:
        data = sample.read_bytes()
        rewrite: Callable[[bytes], bytes] = resealed if sample.suffix == ".e57" else bytes
        for number, changed in enumerate(mutations(data, rng)):
            path = tmp_path / f"{number}{sample.suffix}"
            path.write_bytes(rewrite(changed))
            said = complaint(path)
            assert said is None or (path.name in said and "\n" not in said)


def complaint(path: Path) -> str | None:
    """What is said about a file that can't be read."""
    try:
        assert all(np.isfinite(chunk.points).all() for chunk in open_cloud(path).chunks())
    except InputError as error:
        return str(error)
    return None


def resealed(data: bytes) -> bytes:
    """Pages of an E57 file with checksums that fit, so that damage gets further."""
    whole = len(data) // 1024 * 1024
    if not whole:
        return data
    pages = np.frombuffer(data[:whole], np.uint8).reshape(-1, 1024).copy()
    pages[:, 1020:] = checksums(pages[:, :1020]).astype(">u4")[:, None].view(np.uint8)
    return pages.tobytes() + data[whole:]


def test_damaged_compressed_points_get_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "whole.laz"
    write_model(path, survey(5_000), "laz")
    data = path.read_bytes()
    (tmp_path / "cut.laz").write_bytes(data[: len(data) // 2])
    with pytest.raises(InputError, match=r"cut\.laz"):
        [*open_cloud(tmp_path / "cut.laz").chunks()]
    # Nothing in LAZ tells wrong numbers from right ones, but reading them does no harm.
    for start in (400, len(data) // 2):
        changed = data[:start] + bytes(len(data) - start)
        (tmp_path / "zeros.laz").write_bytes(changed)
        assert "zeros.laz" in (complaint(tmp_path / "zeros.laz") or "zeros.laz")


def test_a_description_that_grows_without_end_is_refused(tmp_path: Path) -> None:
    data = small_e57(5).replace(b"<data3D", b"<!ENTITY")
    path = tmp_path / "bomb.e57"
    path.write_bytes(resealed(data))
    with pytest.raises(InputError, match="does not allow"):
        open_cloud(path)


@pytest.mark.parametrize("start", [1 << 40, (1 << 63) - 2048, (1 << 64) - 1024])
def test_a_description_beyond_the_end_of_the_file(tmp_path: Path, start: int) -> None:
    data = bytearray(small_e57(5))
    struct.pack_into("<Q", data, 24, start)
    path = tmp_path / "beyond.e57"
    path.write_bytes(resealed(bytes(data)))
    with pytest.raises(InputError, match="cut off"):
        open_cloud(path)


def test_numbers_that_are_none_say_nothing_on_the_screen(tmp_path: Path) -> None:
    header = "VERSION 0.7\nFIELDS x y z\nSIZE 4 4 4\nTYPE F F F\nCOUNT 1 1 1\nWIDTH 2\nHEIGHT 1\n"
    # A signalling NaN, which converting to more digits complains of.
    body = struct.pack("<I5f", 0x7F800001, 1, 2, 3, 4, 5)
    path = tmp_path / "nan.pcd"
    path.write_bytes(f"{header}POINTS 2\nDATA binary\n".encode() + body)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(everything(path).points) == 1
