"""What of a scan is kept for people to see and take: models, pictures, report, log."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageOps

from gypsum.errors import GypsumError
from gypsum.formats import FORMATS, format_of, stem_of
from gypsum.pipelines.scan import ScanResult
from gypsum.report.coverage import draw_coverage, find_coverage
from gypsum.scene import SparseModel
from gypsum.viewer.content import prepare

#: Long side of a thumbnail and of a picture of the scan under way, pixels.
_THUMBNAIL, _LIVE = 480, 1280
_JPEG_QUALITY = 85
#: Columns and rows of a sheet of photos, and the size of each, pixels.
_COLUMNS, _ROWS, _TILE = 4, 3, (320, 240)
#: Bytes of a model in which it names its pictures.
_HEAD = 2**20

#: Pictures from which a thumbnail is made, the best first.
_FACES = ("model.png", "splats.png", "views.png", "clay.png", "cloud.png")
_PICTURES = (".png", ".jpg", ".jpeg", ".webp")

_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".txt": "text/plain",
    ".json": "application/json",
    ".zip": "application/zip",
    ".glb": "model/gltf-binary",
    ".gltf": "model/gltf+json",
    ".usdz": "model/vnd.usdz+zip",
    ".stl": "model/stl",
    ".obj": "model/obj",
}

#: Formats that the viewer takes most easily, the best first.
_VIEWED = ("glb", "spz", "splat", "ksplat", "ply", "obj", "stl", "xyz", "las", "laz")


@dataclass(frozen=True)
class Item:
    """A file to keep."""

    kind: str
    format: str
    name: str
    path: str
    media_type: str


def media_type(name: str) -> str:
    """Of a file by its name."""
    return _TYPES.get(Path(name).suffix.lower(), "application/octet-stream")


def gather(result: ScanResult, folder: Path) -> list[Item]:
    """All that is kept of a finished scan; what has to be made for it is left in ``folder``."""
    folder.mkdir(exist_ok=True)
    items = [*_models(result, folder)]
    items += [_item("preview", path) for path in result.previews if path.suffix in _PICTURES]
    face = _face(result.previews)
    if face is not None:
        items.append(_shrunk("thumbnail", face, folder / "thumbnail.jpg", _THUMBNAIL))
    if result.report_html is not None:
        items.append(_item("report", result.report_html, "html"))
    items += _viewer(result.models, folder)
    return [*items, _log(result.workspace, folder)]


def _models(result: ScanResult, folder: Path) -> Iterator[Item]:
    """One file for each format, those of several files as a zip; drawings and such as they are."""
    beside = _companions(result.models)
    for path in result.models:
        name = format_of(path)
        own = [file for file in beside if _belongs(file, path)]
        if not own:
            yield _item("model", path, name)
            continue
        packed = folder / f"{stem_of(path)}-{name}.zip"
        _pack([path, *own], packed)
        yield _item("model", packed, name)
    for path in beside:
        if not any(_belongs(path, model) for model in result.models):
            yield _item("model", path, path.suffix.removeprefix("."))


def _companions(models: Sequence[Path]) -> list[Path]:
    """Files beside the models that are none themselves: materials, buffers, textures, drawings."""
    if not models:
        return []
    return sorted(
        path for path in models[0].parent.iterdir() if path.is_file() and path not in models
    )


def _belongs(file: Path, model: Path) -> bool:
    """Whether a model of several files needs ``file``."""
    known = FORMATS.get(model.suffix.removeprefix("."))
    if known is None or not known.has_pictures:
        return False
    if file.suffix in (".mtl", ".bin"):
        return (file.suffix, model.suffix) in ((".mtl", ".obj"), (".bin", ".gltf"))
    materials = model.with_suffix(".mtl") if model.suffix == ".obj" else model
    if not materials.exists():
        return False
    with materials.open("rb") as text:
        return file.name.encode() in text.read(_HEAD)


def _pack(files: Sequence[Path], target: Path) -> None:
    """A zip whose bytes depend on what is in it alone."""
    with zipfile.ZipFile(target, "w") as archive:
        for file in files:
            entry = zipfile.ZipInfo(file.name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open("rb") as source, archive.open(entry, "w", force_zip64=True) as out:
                shutil.copyfileobj(source, out, 2**20)


def _face(previews: Sequence[Path]) -> Path | None:
    pictures = {path.name: path for path in previews if path.suffix in _PICTURES}
    for name in _FACES:
        if name in pictures:
            return pictures[name]
    return next(iter(pictures.values()), None)


def _viewer(models: Sequence[Path], folder: Path) -> list[Item]:
    """What the viewer loads, made of the model that it takes most easily."""
    ranks = {f".{name}": rank for rank, name in enumerate(_VIEWED)}
    readable = sorted(
        (path for path in models if path.suffix in ranks), key=lambda path: ranks[path.suffix]
    )
    if not readable:
        return []
    (folder / "viewer").mkdir(exist_ok=True)
    shown, path = prepare(readable[0], folder / "viewer")
    return [_item("viewer", path, shown.kind)]


def _log(workspace: Path, folder: Path) -> Item:
    """What all stages printed, in one file, without the server's paths."""
    path = folder / "log.txt"
    with path.open("w", encoding="utf-8") as out:
        for log in sorted((workspace / "logs").glob("*.log"), key=lambda log: log.stat().st_mtime):
            text = log.read_text("utf-8", "replace").replace(str(workspace.parent), "…")
            out.write(f"== {log.stem} ==\n{text.rstrip()}\n\n")
    return _item("log", path, "txt")


def _item(kind: str, path: Path, format_name: str = "") -> Item:
    return Item(kind, format_name, path.name, str(path), media_type(path.name))


def _shrunk(kind: str, source: Path, target: Path, side: int) -> Item:
    with Image.open(source) as picture:
        small = picture.convert("RGBA")
        small.thumbnail((side, side))
        flat = Image.new("RGB", small.size, (255, 255, 255))
        flat.paste(small, mask=small.getchannel("A"))
        flat.save(target, quality=_JPEG_QUALITY, optimize=True)
    return _item(kind, target)


class Pictures:
    """Pictures of a scan under way, as they come."""

    def __init__(self, workspace: Path, folder: str) -> None:
        self._workspace = workspace
        self._folder = Path(folder) / "live"
        self._folder.mkdir(exist_ok=True)
        self._seen: dict[Path, int] = {}

    def look(self, finished: str | None) -> Iterator[Item]:
        """What is new; ``finished``: the stage that just ended, if any."""
        if finished == "photos":
            yield from self._first_photo()
            yield from self._sheet()
        if finished == "cameras":
            yield from self._places()
        for path in self._workspace.glob("stages/*/preview.jpg"):
            with suppress(OSError):  # it is being replaced
                changed = path.stat().st_mtime_ns
                if self._seen.get(path) != changed:
                    self._seen[path] = changed
                    name = self._folder / f"{path.parent.name}.jpg"
                    yield _shrunk("preview", path, name, _LIVE)

    def _first_photo(self) -> Iterator[Item]:
        """A face for the scan until there is a better one."""
        photos = self._workspace / "stages" / "photos" / "photos"
        first = next(iter(sorted(photos.glob("*"))), None) if photos.is_dir() else None
        if first is not None and first.suffix in _PICTURES:
            yield _shrunk("thumbnail", first, self._folder / "thumbnail.jpg", _THUMBNAIL)

    def _sheet(self) -> Iterator[Item]:
        """Some of the photos beside each other, until there is something better to see."""
        folder = self._workspace / "stages" / "photos" / "photos"
        photos = sorted(path for path in folder.glob("*") if path.suffix in _PICTURES)
        if len(photos) < 2:
            return
        count = min(len(photos), _COLUMNS * _ROWS)
        width, height = _TILE
        sheet = Image.new(
            "RGB", (width * _COLUMNS, height * -(-count // _COLUMNS)), (235, 230, 221)
        )
        for place in range(count):
            with Image.open(photos[place * len(photos) // count]) as photo:
                photo.draft("RGB", _TILE)
                tile = ImageOps.fit(photo.convert("RGB"), _TILE)
            sheet.paste(tile, (place % _COLUMNS * width, place // _COLUMNS * height))
        target = self._folder / "photos.jpg"
        sheet.save(target, quality=_JPEG_QUALITY, optimize=True)
        yield _item("preview", target)

    def _places(self) -> Iterator[Item]:
        """From which sides the photos were taken."""
        folder = self._workspace / "stages" / "cameras" / "sparse"
        coverage = None
        with suppress(GypsumError, OSError):  # a scan does not fail for want of a picture
            coverage = find_coverage(SparseModel.read(folder)) if folder.is_dir() else None
        if coverage is not None:
            target = self._folder / "cameras.png"
            Image.fromarray(draw_coverage(coverage)).save(target, optimize=True)
            yield _item("preview", target)
