"""Hostile files: thousands of damaged photos, clips and zips, and traps made on purpose.

Whatever a file holds, the capture's other photos are read, the file is named, nothing is written
outside, and no file keeps a decoding process busy for long. ``GYPSUM_MUTANTS`` says how many
mutants are made; few by default. ``GYPSUM_MUTANTS=2400 pytest tests/capture/test_hostile.py -s``
prints what became of them.
"""

from __future__ import annotations

import os
import resource
import struct
import time
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from gypsum.capture import limits, read_capture
from gypsum.capture.sources import list_inputs
from gypsum.capture.workers import Workers
from gypsum.errors import InputError

from .clips import encode, walk

MUTANTS = int(os.environ.get("GYPSUM_MUTANTS", "80"))
#: Mutants read in one capture.
BATCH = 50
#: Seconds that the slowest file may take.
SLOWEST = 10.0

Seeds = dict[str, bytes]


@pytest.fixture(scope="module")
def photo_seeds(scene: Callable[..., Image.Image], save: Callable[..., None]) -> Seeds:
    """Small photos of every kind, by suffix and what is special about them."""
    picture = scene(5, 112, 84)
    tags = Image.Exif()
    tags.update({0x0112: 6, 0x010F: "A", 0x0110: "B"})
    tags.get_ifd(0x8769).update({0x920A: 4.25, 0xA405: 26, 0x9003: "2026:01:01 00:00:00"})
    tags.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})

    def stored(kind: str, image: Image.Image = picture, **options: Any) -> bytes:
        file = BytesIO()
        image.save(file, kind, **options)
        return file.getvalue()

    heic = BytesIO()
    save(picture, heic, "HEIF", tags.tobytes())
    deep = Image.fromarray(np.arange(7000, dtype=np.uint16).reshape(70, 100))
    alpha = picture.convert("RGBA")
    alpha.putalpha(120)
    return {
        "base.jpg": stored("JPEG", exif=tags, quality=90),
        "prog.jpg": stored("JPEG", progressive=True, icc_profile=b"\0" * 200, xmp=b"<x/>"),
        "rgb.png": stored("PNG"),
        "alpha.png": stored("PNG", alpha, exif=tags),
        "deep.png": stored("PNG", deep),
        "lzw.tif": stored("TIFF", compression="tiff_lzw", exif=tags),
        "jpeg.tif": stored("TIFF", compression="jpeg"),
        "plain.tif": stored("TIFF", picture.convert("L").convert("F")),
        "lossy.webp": stored("WEBP", exif=tags),
        "exact.webp": stored("WEBP", alpha, lossless=True),
        "phone.heic": heic.getvalue(),
    }


@pytest.fixture(scope="module")
def clip_seeds(tmp_path_factory: pytest.TempPathFactory) -> Seeds:
    """Short clips of every container and codec."""
    folder = tmp_path_factory.mktemp("clips")
    frames = [np.ascontiguousarray(frame[:96, :128]) for frame in walk(16, speed=1.0)]
    fast = {"deadline": "realtime", "cpu-used": "8"}
    made = {
        "h264.mp4": encode(folder / "a.mp4", frames, colors=(9, 18, 9)),
        "hevc.mov": encode(
            folder / "b.mov", frames, "libx265", options={"x265-params": "log-level=none"}
        ),
        "vp9.webm": encode(folder / "c.webm", frames, "libvpx-vp9", options=fast),
        "h264.mkv": encode(folder / "d.mkv", frames, rotation=90),
        "av1.mp4": encode(folder / "e.mp4", frames, "libsvtav1", options={"preset": "12"}),
    }
    return {name: path.read_bytes() for name, path in made.items()}


def mutant(seed: bytes, rng: np.random.Generator) -> bytes:
    """A damaged copy: bits, bytes, lengths, cuts, copies and gaps."""
    data = bytearray(seed)
    for _ in range(int(rng.integers(1, 4))):
        # Half of all damage is done to headers, where it matters most.
        end = len(data) if rng.random() < 0.5 else min(len(data), 600)
        at = int(rng.integers(0, max(1, end)))
        length = int(rng.integers(1, 64))
        match int(rng.integers(0, 8)):
            case 0:
                data[at] ^= 1 << int(rng.integers(0, 8))
            case 1:
                data[at : at + length] = rng.bytes(len(data[at : at + length]))
            case 2:
                data = data[: max(20, at)]
            case 3:
                data[at : at + length] = bytes(len(data[at : at + length]))
            case 4 | 5:  # A length, count or size, at its extremes.
                value = int(rng.choice([0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF]))
                order = rng.choice([">", "<"])
                wide = rng.random() < 0.5 or value > 0xFFFF
                field = struct.pack(f"{order}{'I' if wide else 'H'}", value)
                data[at : at + len(field)] = field[: len(data) - at]
            case 6:
                data[at:at] = data[at : at + length] * int(rng.integers(1, 30))
            case _:
                del data[at : at + length]
    return bytes(data)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[float]]:
    """Seconds that each request to a decoding process took."""
    seconds: list[float] = []
    ask = Workers.ask

    def timed(self: Workers, request: Any, hear: Any = None) -> Any:
        began = time.monotonic()
        try:
            return ask(self, request, hear)
        finally:
            seconds.append(time.monotonic() - began)

    monkeypatch.setattr(Workers, "ask", timed)
    yield seconds
    assert max(seconds, default=0.0) < SLOWEST


def _files(folder: Path, without: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.is_relative_to(without)
    }


def _read_with(photos: Path, hostile: Sequence[Path], out: Path) -> Counter[str]:
    """Read good photos and hostile files; what became of the latter."""
    before = _files(photos.parent, out)
    capture = read_capture([photos, *hostile], out)
    assert [photo.name for photo in capture.photos][:4] == [f"{i}.jpg" for i in range(1, 5)]
    assert _files(photos.parent, out) == before
    told = Counter({"read": len(capture.photos) - 4})
    for item in capture.skipped:
        told[item.reason.split(":")[0].split(" (")[0][:60]] += 1
    return told


def _fuzz(seeds: Seeds, count: int, photos: Path, out: Path) -> Counter[str]:
    rng = np.random.default_rng([len(seeds), count])
    hostile = photos.parent / "hostile"
    told: Counter[str] = Counter()
    names = sorted(seeds)
    for first in range(0, count, BATCH):
        hostile.mkdir(exist_ok=True)
        for old in hostile.iterdir():
            old.unlink()
        for number in range(first, min(first + BATCH, count)):
            name = names[number % len(names)]
            (hostile / f"{number:05d} {name}").write_bytes(mutant(seeds[name], rng))
        told += _read_with(photos, [hostile], out)
    return told


def _report(what: str, count: int, told: Counter[str], seconds: list[float]) -> None:
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    assert peak * limits.MiB < limits.WORKER_MEMORY
    print(f"\n{count} {what}: slowest {max(seconds, default=0):.1f} s, peak {peak:.0f} MiB")
    for reason, times in told.most_common():
        print(f"  {times:5d} {reason}")


def test_photos(photo_seeds: Seeds, photos: Path, out: Path, watched: list[float]) -> None:
    count = MUTANTS * 5 // 8
    _report("photos", count, _fuzz(photo_seeds, count, photos, out), watched)


def test_clips(clip_seeds: Seeds, photos: Path, out: Path, watched: list[float]) -> None:
    count = MUTANTS // 5
    _report("clips", count, _fuzz(clip_seeds, count, photos, out), watched)


def test_zips(photo_seeds: Seeds, photos: Path, out: Path, watched: list[float]) -> None:
    """A zip's table of contents is read by Python, in the run's own process."""
    rng = np.random.default_rng(3)
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("base.jpg", "rgb.png", "phone.heic"):
            archive.writestr(f"set/{name}", photo_seeds[name])
    told: Counter[str] = Counter()
    readable: list[Path] = []
    for number in range(count := MUTANTS - MUTANTS * 5 // 8 - MUTANTS // 5):
        # Tables of contents are at the end.
        start = len(file.getvalue()) - 900 if rng.random() < 0.5 else 0
        path = photos.parent / f"hostile{number}.zip"
        path.write_bytes(file.getvalue()[:start] + mutant(file.getvalue()[start:], rng))
        began = time.monotonic()
        try:
            list_inputs([photos, path])
            readable.append(path)
        except InputError as error:
            told[str(error).split(f"{path.name} ")[1][:60]] += 1
        assert time.monotonic() - began < SLOWEST
        if len(readable) == BATCH or (readable and number == count - 1):
            told += _read_with(photos, readable, out)
            readable = []
    _report("zips", count, told, watched)


def _png(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds a stream of zeros."""
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(10_000_000), 9)
    body = chunk(b"IHDR", header) + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(200_000_000)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def _nested(kind: bytes, depth: int) -> bytes:
    """MP4 boxes, each in the one before."""
    content = b""
    for _ in range(depth):
        content = struct.pack(">I", len(content) + 8) + kind + content
    return struct.pack(">I", 16) + b"ftypmp42" + bytes(4) + content


@pytest.mark.usefixtures("watched")
def test_traps(photos: Path, out: Path) -> None:
    """Huge sizes, bombs in metadata, boxes without end, playlists that name other files."""
    secret = photos.parent / "secret.txt"
    secret.write_text("secret")
    hostile = photos.parent / "hostile"
    hostile.mkdir()
    (hostile / "huge.png").write_bytes(_png(2**31 - 1, 2**31 - 1))
    (hostile / "large.png").write_bytes(_png(12_000, 12_000))
    (hostile / "nested.mp4").write_bytes(_nested(b"trak", 5_000))
    (hostile / "many.mp4").write_bytes(
        struct.pack(">I", 16) + b"ftypmp42" + bytes(4) + (struct.pack(">I", 8) + b"moov") * 200_000
    )
    (hostile / "deep.mkv").write_bytes(b"\x1a\x45\xdf\xa3\x80" + b"\x18\x53\x80\x67\xff" * 100_000)
    (hostile / "list.mp4").write_text(f"#EXTM3U\n#EXTINF:1,\n{secret}\n")
    (hostile / "list.mkv").write_text(f"ffconcat version 1.0\nfile {secret}\n")
    told = _read_with(photos, [hostile], out)
    assert told["read"] == 0
    assert told.total() == 7


def test_zip_traps(photos: Path, out: Path, photo_seeds: Seeds) -> None:
    """Paths that lead out, links, absolute names, and one file packed as many."""
    path = photos.parent / "traps.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("../out.jpg", "/tmp/gypsum-trap.jpg", "a/../../b.jpg", "C:\\c.jpg"):
            archive.writestr(name, photo_seeds["base.jpg"])
        for name, target in (("link.jpg", "/etc/hostname"), ("photos", str(photos))):
            link = zipfile.ZipInfo(name)
            link.external_attr = 0o120777 << 16
            archive.writestr(link, target)
        archive.writestr("photos/x.jpg", photo_seeds["base.jpg"])
    told = _read_with(photos, [path], out)
    assert told["has a path that leads out of the zip"] == 4
    assert told["holds no photo, whatever its name says"] == 1
    assert told["read"] == 1
    assert not Path("/tmp/gypsum-trap.jpg").exists()
    assert not any(file.is_symlink() for file in out.rglob("*"))


@pytest.mark.parametrize("megabytes", [300, 70_000])
def test_zip_bombs(photos: Path, out: Path, megabytes: int) -> None:
    """Declared sizes are added up before anything is unpacked; a lie is cut off."""
    path = photos.parent / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", b"\xff\xd8\xff" + bytes(100_000_000))
    data = bytearray(path.read_bytes())
    directory = data.rindex(b"PK\1\2")
    claimed = min(megabytes * 1_000_000, 2**32 - 2)
    data[directory + 24 : directory + 28] = struct.pack("<I", claimed)
    path.write_bytes(data)
    with pytest.raises(InputError, match="would unpack to"):
        read_capture([photos, path], out)
    data[directory + 24 : directory + 28] = struct.pack("<I", 5_000)
    path.write_bytes(data)
    told = _read_with(photos, [path], out)
    assert told["read"] == 0
