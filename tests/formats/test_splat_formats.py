"""Formats of splats: what survives, what others wrote, and what is made to harm."""

from __future__ import annotations

import io
import json
import random
import re
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import zstandard
from numpy.typing import NDArray
from PIL import Image
from scipy.spatial import cKDTree

from gypsum.errors import InputError
from gypsum.formats import SPLAT_FORMATS, read_asset, read_model, read_splats, write_asset
from gypsum.formats.splats import codebooks
from gypsum.formats.splats.frames import from_world
from gypsum.formats.splats.quantities import (
    from_smallest_three,
    morton_order,
    sigmoid,
    smallest_three,
    unit,
)
from gypsum.scene import SH_C0, Splats

from .test_hostile import mutated

OTHERS = Path(__file__).parent / "splat_files"
MUTATIONS = 60

#: A quaternion's error as an angle, from errors of this size in each of three components.
ROTATION = {"compressed.ply": 1 / 1023 / np.sqrt(2), "spz": 0.5 / 511 / np.sqrt(2),
            "sog": 0.5 / 127.5 / np.sqrt(2), "splat": 0.5 / 128}  # fmt: skip


def some(count: int = 700, degree: int = 3) -> Splats:
    """Splats within what every format can hold."""
    rng = np.random.default_rng(3)
    rows = rng.normal(size=(count, 59)).astype(np.float32)
    rows[:, 3:6] = rng.uniform(-8, 0, (count, 3))
    rows[:, 11:14] = rng.uniform(-1.7, 1.7, (count, 3))
    # SPZ holds harmonics of -1 to 1, also after the turn into its frame.
    rows[:, 14:] = rng.uniform(-0.3, 0.3, (count, 45))
    return Splats.from_rows(rows, degree)


def matched(truth: Splats, read: Splats) -> Splats:
    """``read`` in the order of ``truth``: formats may have another, and places tell who is who."""
    assert len(read) == len(truth)
    _, index = cKDTree(read.means).query(truth.means)
    assert len(np.unique(index)) == len(truth)
    return read.select(index)


def shapes(splats: Splats) -> NDArray[np.float64]:
    """(N, 3, 3) covariances over their sizes: the same for all quaternions of the same splat."""
    w, x, y, z = unit(splats.quaternions).T
    rotation = np.stack(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    ).transpose(2, 0, 1)
    variances = np.exp(2 * splats.log_scales.astype(np.float64))
    spread = (rotation * variances[:, None]) @ rotation.transpose(0, 2, 1)
    return np.asarray(spread / np.linalg.norm(spread, axis=(1, 2), keepdims=True))


def angles(first: Splats, second: Splats) -> NDArray[np.float64]:
    """(N,) between their rotations, radians."""
    dots = np.abs((unit(first.quaternions) * unit(second.quaternions)).sum(axis=1))
    return 2 * np.arccos(np.minimum(dots, 1))


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
@pytest.mark.parametrize("name", SPLAT_FORMATS)
def test_what_survives_is_what_the_format_promises(name: str, degree: int, tmp_path: Path) -> None:
    truth = some(degree=degree)
    path = tmp_path / f"a.{name}"
    assert write_asset(path, truth, name) == [path]
    # As they are in the file: numbers are rounded there, before they are turned into the world.
    up = SPLAT_FORMATS[name].up_axis
    back = from_world(matched(truth, read_splats(path)), up)
    truth = from_world(truth, up)
    assert back.degree == (0 if name == "splat" else degree)
    place = np.abs(back.means - truth.means).max()
    size = np.abs(back.log_scales - truth.log_scales).max()
    opacity = np.abs(sigmoid(back.opacities) - sigmoid(truth.opacities)).max()
    color = np.abs(back.harmonics[:, 0] - truth.harmonics[:, 0]).max()
    terms = back.harmonics.shape[1]
    rest = np.abs(back.harmonics[:, 1:] - truth.harmonics[:, 1:terms]).max(initial=0)
    angle = angles(back, truth).max()
    span = np.ptp(truth.means, axis=0).max()
    reach = np.abs(truth.means).max()
    exact = 1e-5
    match name:
        case "ply" | "glb" | "usdz":
            bounds = (exact, exact, 1e-6, exact, exact, 2e-3)
        case "compressed.ply":
            # Bounds are a chunk's, so at most the whole's; 10 bits at worst.
            bounds = (span / 1023 / 2, 8 / 1023 / 2, 1 / 510, 3.4 / 255 / 2, 8 / 256, 0.0)
        case "spz":
            step = 2.0 ** -np.floor(np.log2((2**23 - 1) / reach))
            bounds = (step / 2, 1 / 32, 1 / 510, 1 / 0.15 / 510, 1 / 256, 0.0)
        case "sog":
            # The codes of a book are at most 1/127 of its range apart.
            log = np.log1p(reach) * 2 / 65535 * (1 + reach)
            of_rest = np.ptp(truth.harmonics[:, 1:]) if degree else 0
            bounds = (log, 8 / 127 / 2, 1 / 510, 3.4 / 127 / 2, of_rest / 127 / 2, 0.0)
        case _:
            bounds = (0, exact, 1 / 510, 1 / SH_C0 / 510, 0, 0.0)
    for error, bound in zip((place, size, opacity, color, rest), bounds[:5], strict=True):
        assert error <= bound * 1.01 + 1e-6
    # Three components' errors; the fourth follows, at worst as large as the three together.
    assert angle <= (bounds[5] or 2 * ROTATION[name] * np.sqrt(3) * 2)


def test_what_a_format_can_not_hold_is_held_at_its_end(tmp_path: Path) -> None:
    far = some(300, 0)
    far.log_scales[0] = (-30, 12, -8)
    far.opacities[:2] = (-60, 60)
    far.harmonics[0] = 50
    for name in SPLAT_FORMATS:
        write_asset(tmp_path / f"a.{name}", far, name)
        back = matched(far, read_splats(tmp_path / f"a.{name}"))
        assert np.isfinite(back.rows()).all()
        assert sigmoid(back.opacities)[0] < 0.002
        assert sigmoid(back.opacities)[1] > 0.998


@pytest.mark.parametrize("file", ["compressed.ply", "spz", "sog", "glb"])
def test_files_of_splat_transform(file: str) -> None:
    # It takes PLY for Y down, and turns glTF so that what was X points the other way.
    truth = read_splats(OTHERS / "splats.ply", up_axis="y-down")
    read = read_splats(OTHERS / f"transform.{file}")
    back = matched(truth, read.moved(np.diag([-1, -1, 1])) if file == "glb" else read)
    # In SOG it leaves out the colours of splats that can't be seen, and has a palette of 32.
    seen = sigmoid(truth.opacities) > 1 / 255
    truth, back = truth.select(seen), back.select(seen)
    assert np.abs(back.means - truth.means).max() < 0.006
    assert np.abs(back.log_scales - truth.log_scales).max() < 1 / 31
    assert np.abs(shapes(back) - shapes(truth)).max() < 0.03
    assert np.abs(sigmoid(back.opacities) - sigmoid(truth.opacities)).max() < 1 / 250
    assert np.abs(back.harmonics[:, 0] - truth.harmonics[:, 0]).max() < 0.03
    # SPZ's own encoder keeps 5 bits of the first degree and 4 of the others.
    rest = {"spz": 0.1, "sog": 0.4}.get(file, 0.03)
    assert np.abs(back.harmonics - truth.harmonics).max() < rest


@pytest.mark.parametrize(
    ("level", "place", "harmonic"), [(0, 0, 0), (1, 1e-4, 3e-4), (2, 1e-4, 5e-3)]
)
def test_files_of_gaussian_splats_3d(level: int, place: float, harmonic: float) -> None:
    truth = read_splats(OTHERS / "splats.ply", up_axis="z")
    truth = truth.select(sigmoid(truth.opacities) > 1 / 255)
    read = matched(truth, read_splats(OTHERS / f"kellogg{level}.ksplat", up_axis="z"))
    assert read.degree == 2
    assert np.abs(read.means - truth.means).max() <= place
    assert np.abs(read.log_scales - truth.log_scales).max() < 1e-3
    assert angles(read, truth).max() < 2e-3
    assert np.abs(sigmoid(read.opacities) - sigmoid(truth.opacities)).max() < 1 / 250
    assert np.abs(read.harmonics[:, 1:] - truth.harmonics[:, 1:9]).max() <= harmonic


def test_which_way_is_up(tmp_path: Path) -> None:
    truth = some(200)
    for name in ("glb", "splat"):
        write_asset(tmp_path / f"a.{name}", truth, name)
    raw = np.frombuffer((tmp_path / "a.splat").read_bytes(), "<f4").reshape(-1, 8)[:, :3]
    x, y, z = truth.means.T
    assert cKDTree(raw).query(np.c_[x, -z, y])[0].max() < 1e-5
    document = json.loads(
        (tmp_path / "a.glb").read_bytes()[20:].split(b"\0")[0].partition(b"BIN")[0][:-4]
    )
    low = document["accessors"][0]["min"]
    np.testing.assert_allclose(low, np.c_[x, z, -y].min(axis=0), rtol=1e-6)
    as_it_is = read_splats(tmp_path / "a.splat", up_axis="z")
    assert cKDTree(as_it_is.means).query(np.c_[x, -z, y])[0].max() < 1e-5


def spz_header(version: int, count: int, degree: int, bits: int = 12) -> bytes:
    return struct.pack("<IIIBBBB", 0x5053474E, version, count, degree, bits, 0, 0)


def gzipped(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=31)
    return packer.compress(data) + packer.flush()


def test_spz_of_every_version(tmp_path: Path) -> None:
    """The same two splats, written by hand from the format's description."""
    alphas, colors, scales = bytes([128, 255]), bytes([128] * 6), bytes([96] * 6)
    fixed = b"".join(
        int(v * 4096).to_bytes(3, "little", signed=True) for v in (1, -2, 0.5, -1, 0, 3)
    )
    half = np.array([1, -2, 0.5, -1, 0, 3], "<f2").tobytes()
    # No turn, and half a turn about z: w and then z are largest.
    first_three = bytes([128, 128, 128, 128, 128, 255])
    smallest = struct.pack("<II", 3 << 30, 2 << 30)
    sections = {
        1: [half, alphas, colors, scales, first_three],
        2: [fixed, alphas, colors, scales, first_three],
        3: [fixed, alphas, colors, scales, smallest],
    }
    files = {v: gzipped(spz_header(v, 2, 0) + b"".join(parts)) for v, parts in sections.items()}
    packed = [zstandard.compress(part) for part in sections[3]]
    head = struct.pack("<IIIBBBBI12x", 0x5053474E, 4, 2, 0, 12, 0, 5, 32)
    table = b"".join(
        struct.pack("<QQ", len(p), len(s)) for p, s in zip(packed, sections[3], strict=True)
    )
    files[4] = head + table + b"".join(packed)
    for version, data in files.items():
        path = tmp_path / f"v{version}.spz"
        path.write_bytes(data)
        splats = read_splats(path, up_axis="z")
        np.testing.assert_array_equal(splats.means, [[1, -2, 0.5], [-1, 0, 3]])
        np.testing.assert_array_equal(splats.log_scales, np.full((2, 3), -4))
        np.testing.assert_allclose(sigmoid(splats.opacities)[0], 128 / 255, atol=1e-6)
        turns = unit(splats.quaternions)
        np.testing.assert_allclose(np.abs(turns), [[1, 0, 0, 0], [0, 0, 0, 1]], atol=0.09)


def test_spz_with_extensions(tmp_path: Path) -> None:
    """They are skipped by their lengths."""
    body = b"".join([bytes(9), bytes([200]), bytes(3), bytes([96] * 3), struct.pack("<I", 3 << 30)])
    extension = struct.pack("<III", 1, 0xADBE0002, 12) + bytes(12)
    head = bytearray(spz_header(3, 1, 0))
    head[14] = 2
    (tmp_path / "a.spz").write_bytes(gzipped(bytes(head) + extension + body))
    assert len(read_splats(tmp_path / "a.spz")) == 1


def test_smallest_three_reach_all_rotations() -> None:
    units = unit(np.random.default_rng(0).normal(size=(500, 4)))
    largest, others = smallest_three(units)
    assert set(largest) == {0, 1, 2, 3}
    assert np.abs(others).max() <= 1
    back = from_smallest_three(largest, others)
    np.testing.assert_allclose(np.abs((back * units).sum(axis=1)), 1, atol=1e-6)


def test_morton_order_keeps_neighbours_together() -> None:
    points = np.random.default_rng(0).random((4000, 3)).astype(np.float32)
    order = morton_order(points)
    assert sorted(order) == list(range(4000))
    steps = np.linalg.norm(np.diff(points[order], axis=0), axis=1)
    assert steps.mean() < 0.2 * np.linalg.norm(np.diff(points, axis=0), axis=1).mean()


def test_codebooks_err_little() -> None:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(0, 0.05, 5000), [-2, 3]]).astype(np.float32)
    book, codes = codebooks.scalar(values)
    assert (np.diff(book) >= 0).all()
    error = np.abs(book[codes] - values)
    assert error.max() <= 5 / 127 / 2 + 1e-6
    # Ten times better where nearly all values are than 256 even steps.
    assert np.sqrt((error**2).mean()) < 5 / 256 / np.sqrt(12) / 4


def test_codebooks_of_a_single_value() -> None:
    for value in (0, -3.75, 1e4):
        book, codes = codebooks.scalar(np.full((20, 3), value, np.float32))
        np.testing.assert_allclose(book[codes], value, rtol=1e-6, atol=1e-6)


def test_a_palette_is_close_to_the_best() -> None:
    rng = np.random.default_rng(0)
    kinds = rng.normal(size=(300, 9)).astype(np.float32)
    rows = kinds[rng.integers(0, 300, 6000)] + rng.normal(0, 0.01, (6000, 9)).astype(np.float32)
    centres, labels = codebooks.vector(rows, 1024)
    assert len(centres) <= 1024
    assert np.sqrt(((centres[labels] - rows) ** 2).mean()) < 0.1
    same, numbers = codebooks.vector(rows[:500], 1024)
    np.testing.assert_array_equal(same[numbers], rows[:500])


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(
    "name", [*(n for n in SPLAT_FORMATS if n != "usdz"), "0.ksplat", "2.ksplat", "4.spz"]
)
def test_mutated_files_are_read_or_explained(name: str, tmp_path: Path) -> None:
    kind = name if name in SPLAT_FORMATS else name[2:]
    path, chance = tmp_path / f"mutated.{kind}", random.Random(1)
    if name.endswith("ksplat"):
        data = (OTHERS / f"kellogg{name[0]}.ksplat").read_bytes()
    elif name == "4.spz":
        data = (OTHERS / "transform.spz").read_bytes()
    else:
        data = write_asset(path, some(60), name)[0].read_bytes()
    sentences = []
    for _ in range(MUTATIONS):
        path.write_bytes(mutated(data, chance))
        try:
            read_asset(path)
        except InputError as error:
            sentences.append(str(error))
    for sentence in sentences:
        assert re.fullmatch(r"mutated\.[^\n]*\.", sentence)


@pytest.mark.parametrize("name", ["a.spz", "a.sog", "a.splat", "a.ksplat"])
@pytest.mark.parametrize("content", [b"", b"\0" * 1000, b"hello\n" * 50, b"\x1f\x8b" + b"\0" * 90])
def test_other_files_are_explained(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=r"^a\.[^\n]*\.$"):
        read_splats(tmp_path / name)


def archive(meta: object, pictures: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as made:
        made.writestr("meta.json", json.dumps(meta))
        for name, data in pictures.items():
            made.writestr(name, data)
    return buffer.getvalue()


def flat(side: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGBA", (side, side)).save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def sog(count: int, side: int = 8) -> bytes:
    book = [0.0] * 256
    names = ["means_l", "means_u", "quats", "scales", "sh0"]
    meta = {
        "version": 2,
        "count": count,
        "means": {"mins": [0] * 3, "maxs": [1] * 3, "files": ["means_l.webp", "means_u.webp"]},
        "quats": {"files": ["quats.webp"]},
        "scales": {"codebook": book, "files": ["scales.webp"]},
        "sh0": {"codebook": book, "files": ["sh0.webp"]},
    }
    return archive(meta, {f"{name}.webp": flat(side) for name in names})


def test_what_swells_is_refused(tmp_path: Path) -> None:
    """Counts and pictures that a small file can't be holding."""
    bombs = {
        "many.spz": gzipped(spz_header(3, 2**31, 3) + bytes(1000)),
        "more.spz": gzipped(spz_header(3, 2**20, 3) + bytes(2**20)),
        "many.sog": sog(2**31),
        "wide.sog": sog(10, 2048),
        "deep.sog": archive({"version": 2, "x": " " * 2**22}, {}),
        "many.ksplat": bytes([0, 1, 0, 0]) + struct.pack("<I", 2**31) + bytes(5000),
    }
    for name, data in bombs.items():
        assert len(data) < 2**20
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=f"^{name}"):
            read_splats(tmp_path / name)
    (tmp_path / "good.sog").write_bytes(sog(50))
    assert len(read_splats(tmp_path / "good.sog")) == 50


def test_readers_say_what_they_need(tmp_path: Path) -> None:
    write_asset(tmp_path / "a.glb", some(20), "glb")
    with pytest.raises(InputError, match="holds Gaussian splats"):
        read_model(tmp_path / "a.glb")
    cloud = "ply\nformat ascii 1.0\nelement vertex 1\n"
    cloud += "".join(f"property float {axis}\n" for axis in "xyz") + "end_header\n0 0 0\n"
    (tmp_path / "cloud.ply").write_text(cloud)
    with pytest.raises(InputError, match=r"cloud\.ply holds no Gaussian splats"):
        read_splats(tmp_path / "cloud.ply")
    with pytest.raises(InputError, match=r"splats can't be written as obj"):
        write_asset(tmp_path / "a.obj", some(20), "obj")


def test_splats_inside_of_nodes(tmp_path: Path) -> None:
    """A glTF node may move, turn and scale them."""
    truth = some(30, 1)
    path = tmp_path / "a.glb"
    data = write_asset(path, truth, "glb")[0].read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    document = json.loads(data[20 : 20 + length])
    document["nodes"][0] |= {"translation": [1, 2, 3], "scale": [2, 2, 2],
                             "rotation": [0, np.sqrt(0.5), 0, np.sqrt(0.5)]}  # fmt: skip
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    body = struct.pack("<I4s", len(text), b"JSON") + text + data[20 + length :]
    path.write_bytes(struct.pack("<4sII", b"glTF", 2, 12 + len(body)) + body)
    # A quarter turn about the vertical axis, which is Z in the world.
    turn = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    moved = truth.moved(turn, 2)
    read = read_splats(path)
    np.testing.assert_allclose(read.means, moved.means + np.array([1, -3, 2]), atol=1e-4)
    np.testing.assert_allclose(read.log_scales, moved.log_scales, atol=1e-4)
    np.testing.assert_allclose(shapes(read), shapes(moved), atol=1e-4)
    np.testing.assert_allclose(read.harmonics, moved.harmonics, atol=1e-4)
