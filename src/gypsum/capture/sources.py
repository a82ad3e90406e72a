"""Which photos are in the folders, files and zips that a person gave: found, not yet decoded."""

from __future__ import annotations

import os
import re
import stat
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from io import FileIO
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import IO

from gypsum.capture import limits
from gypsum.capture.kinds import (
    CLIP_NAMES,
    CLIP_SUFFIXES,
    FORMAT_NAMES,
    LIVE_STILLS,
    PHOTO_SUFFIXES,
    RAW_SUFFIXES,
    SIGNATURE_BYTES,
    can_read_raw,
    starts_like,
)
from gypsum.capture.unusable import UnusableError
from gypsum.errors import InputError
from gypsum.scene.capture import SkippedPhoto
from gypsum.workspace.folder import KEY

_MODEL_SUFFIXES = frozenset({".obj", ".mtl", ".gltf", ".ply"})
_CHUNK = 1 << 20
_REASONS_MOST = 4
_ENCRYPTED = 1
_COMPANIONS = re.compile("moving part of the Live Photo|raw data of")
"""Reasons that a whole capture may have, a file for each photo."""
_RAW_ADVICE = "export them as JPEG or TIFF, or install gypsum[raw]"


@dataclass(frozen=True)
class FoundPhoto:
    """A file that starts like a photo or a clip."""

    source: str
    """Its path relative to the input that it came with, printable."""
    path: Path
    """The file, or the zip that it is in."""
    entry: zipfile.ZipInfo | None = None
    """Where it is in the zip."""
    input: int = 0
    """Which of the inputs it came with."""

    @property
    def name(self) -> str:
        """The user's name for it, without folders."""
        return PurePosixPath(self.source).name

    @property
    def suffix(self) -> str:
        """Of its name, in small letters."""
        return PurePosixPath(self.source).suffix.lower()

    @property
    def is_clip(self) -> bool:
        """Whether it holds moving pictures."""
        return self.suffix in CLIP_SUFFIXES

    @property
    def parents(self) -> tuple[str, ...]:
        """Names of the folders it is in, from the input's own to the nearest."""
        within = PurePosixPath(self.source).parts
        if self.entry is not None:
            return (self.path.stem, *within[:-1])
        return self.path.absolute().parts[-len(within) - 1 : -1]

    def chunks(self, zips: OpenZips, size: int = _CHUNK) -> Iterator[bytes]:
        """The file's bytes, at most as many as its zip declares. Raises `UnusableError`."""
        try:
            with self._open(zips) as file:
                while chunk := file.read(size):
                    yield chunk
        except PermissionError as error:
            raise UnusableError("can't be opened: its owner doesn't allow it") from error
        except OSError as error:
            raise UnusableError(f"can't be read ({error.strerror or error})") from error
        except Exception as error:  # zipfile and zlib raise anything on hostile bytes.
            raise UnusableError("is damaged inside its zip") from error

    def _open(self, zips: OpenZips) -> IO[bytes]:
        return self.path.open("rb") if self.entry is None else zips.of(self.path).open(self.entry)


class OpenZips(ExitStack):
    """Zips that stay open while their photos are read, by several threads."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[Path, zipfile.ZipFile] = {}
        self._lock = Lock()

    def of(self, path: Path) -> zipfile.ZipFile:
        """The zip at ``path``. Raises `InputError`."""
        with self._lock:
            if path not in self._open:
                file = self.enter_context(_ZipBytes(path))
                self._open[path] = _read_directory(path, file)
            return self._open[path]


@dataclass
class Listing:
    """What the inputs hold."""

    photos: list[FoundPhoto] = field(default_factory=list)
    """Photos and clips."""
    skipped: list[SkippedPhoto] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    """How many files of which suffix are no photos."""


def find_photos(inputs: Sequence[Path]) -> list[FoundPhoto]:
    """The photos and clips in folders (with all below them), files and zips, in natural order.

    Reads names and the first bytes only. Raises `InputError` when an input is missing or the
    photos are too few to start with.
    """
    return list_inputs(inputs).photos


def expected_photos(found: Sequence[FoundPhoto], frames: int = 0) -> int:
    """How many photos these will make at most, with ``frames`` of the clips (0: as by default)."""
    clips = sum(item.is_clip for item in found)
    return len(found) - clips + ((frames or limits.FRAMES_MOST) if clips else 0)


def capture_digest(inputs: Sequence[Path]) -> str:
    """Hash of all photos, names and bytes, wherever they lie: equal means the same capture."""
    listing = list_inputs(inputs)
    with OpenZips() as zips, ThreadPoolExecutor() as pool:
        contents = list(pool.map(lambda photo: _content_digest(photo, zips), listing.photos))
    total = blake2b(digest_size=32)
    for photo, content in zip(listing.photos, contents, strict=True):
        total.update(f"{photo.source}\0{content}\0".encode())
    for skipped in listing.skipped:  # They are named in the report.
        total.update(f"{skipped.name}\0{skipped.reason}\0".encode())
    return total.hexdigest()


def list_inputs(inputs: Sequence[Path]) -> Listing:
    """Everything in the inputs; see `find_photos`."""
    listing = Listing()
    with OpenZips() as zips:
        for number, path in enumerate(inputs):
            before = len(listing.photos)
            try:
                _add_input(listing, path, zips)
                added = [replace(photo, input=number) for photo in listing.photos[before:]]
                listing.photos[before:] = added
            except OSError as error:
                raise InputError(
                    f"{path} can't be opened ({error.strerror}); check its name and permissions."
                ) from error
    listing.photos = _once(listing.photos)
    _leave_companions_out(listing)
    _check_count(listing, inputs)
    return listing


def printable(name: str) -> str:
    """A name that can be shown and stored: valid Unicode without control characters."""
    text = name.encode("utf-8", "replace").decode()
    return "".join("_" if unicodedata.category(c) in ("Cc", "Cf") else c for c in text)


def in_words(names: Iterable[object], most: int = 4) -> str:
    """ "a, b and c", cut to ``most``."""
    texts = [str(name) for name in names]
    if len(texts) > most:
        texts = [*texts[: most - 1], f"{len(texts) - most + 1} more"]
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _read_directory(path: Path, file: _ZipBytes) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(file)
    except Exception as error:  # zipfile raises anything on hostile bytes.
        raise InputError(f"{path} is not a zip file, or it is damaged: zip it again.") from error


class _ZipBytes(FileIO):
    """A zip on disk; its table of contents, which `zipfile` reads at once, is bounded."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > limits.ZIP_DIRECTORY_BYTES_MAX:
            raise zipfile.BadZipFile("table of contents too long")
        return super().read(size) or b""


def _add_input(listing: Listing, path: Path, zips: OpenZips) -> None:
    if path.is_dir():
        _add_folder(listing, path, zips)
    elif path.is_file() and path.suffix.lower() == ".zip":
        _add_zip(listing, path, zips)
    elif path.exists():
        _add_file(listing, path, printable(path.name), zips)
    else:
        raise InputError(f"There is no file or folder {path}; check the name.")


def _add_folder(listing: Listing, folder: Path, zips: OpenZips) -> None:
    looked_at = 0
    for parent, folders, files in os.walk(folder, onerror=_refuse_folder):
        folders[:] = sorted((f for f in folders if not _is_hidden(f)), key=_natural)
        here = Path(parent)
        if _is_workspace(here):  # Of an earlier run, with photos and pictures of its own.
            folders.clear()
            files = files if here == folder else []
        looked_at += len(files) + len(folders)
        if looked_at > limits.FILES_MAX:
            raise InputError(
                f"{folder} holds more than {limits.FILES_MAX:,} files; "
                "give the folder of one capture."
            )
        has_model = any(Path(name).suffix.lower() in _MODEL_SUFFIXES for name in files)
        for name in sorted(files, key=_natural):
            path = here / name
            suffix = path.suffix.lower()
            texture = has_model and path.stem.endswith("_texture")  # Of an earlier run's model.
            if _is_hidden(name) or not _is_read(suffix) or texture:
                listing.others[suffix] += 1
            else:
                _add_file(listing, path, printable(path.relative_to(folder).as_posix()), zips)


def _add_file(listing: Listing, path: Path, source: str, zips: OpenZips) -> None:
    try:
        info = path.stat()
        if not stat.S_ISREG(info.st_mode):
            raise UnusableError("is not a plain file")
        found = FoundPhoto(source, path)
        _check_start(found, info.st_size, zips)
    except OSError as error:
        listing.skipped.append(SkippedPhoto(source, f"can't be read ({error.strerror})"))
    except UnusableError as error:
        listing.skipped.append(SkippedPhoto(source, str(error)))
    else:
        listing.photos.append(found)


def _add_zip(listing: Listing, path: Path, zips: OpenZips) -> None:
    entries = [entry for entry in zips.of(path).infolist() if not entry.is_dir()]
    check_zip(path, entries)
    for entry in sorted(entries, key=lambda entry: _natural(entry.filename)):
        name = PurePosixPath(entry.filename.replace("\\", "/"))
        hidden = any(_is_hidden(part) for part in name.parts if part != "..")
        if hidden or not _is_read(name.suffix.lower()):
            listing.others[name.suffix.lower()] += 1
        else:
            _add_entry(listing, FoundPhoto(printable(str(name)), path, entry), entry, zips)


def _add_entry(listing: Listing, found: FoundPhoto, entry: zipfile.ZipInfo, zips: OpenZips) -> None:
    try:
        if re.match(r"/|[A-Za-z]:", found.source) or ".." in PurePosixPath(found.source).parts:
            raise UnusableError("has a path that leads out of the zip")
        if entry.flag_bits & _ENCRYPTED:
            raise UnusableError("is protected by a password")
        _check_start(found, entry.file_size, zips)
    except UnusableError as error:
        listing.skipped.append(SkippedPhoto(found.source, str(error)))
    else:
        listing.photos.append(found)


def check_zip(path: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    """Refuse zips that would fill the disk. Sizes may lie, but no more than these is unpacked."""
    if len(entries) > limits.ZIP_ENTRIES_MAX:
        raise InputError(
            f"{path} holds {len(entries):,} files; at most {limits.ZIP_ENTRIES_MAX:,} are read."
        )
    total = sum(entry.file_size for entry in entries)
    ratio = total / max(1, path.stat().st_size)
    if total > limits.ZIP_BYTES_MAX or (
        total > limits.ZIP_RATIO_FREE_BYTES and ratio > limits.ZIP_RATIO_MAX
    ):
        raise InputError(
            f"{path} would unpack to {total / limits.GiB:.1f} GiB, {ratio:.0f} times its size, "
            "which no zip of photos does; give the photos themselves."
        )


def _check_start(found: FoundPhoto, size: int, zips: OpenZips) -> None:
    """Refuse by size and first bytes."""
    if size == 0:
        raise UnusableError("is empty")
    most = limits.CLIP_BYTES_MAX if found.is_clip else limits.PHOTO_BYTES_MAX
    if size > most:
        raise UnusableError(f"is larger than {most / limits.GiB:g} GiB")
    if found.suffix in RAW_SUFFIXES and not can_read_raw():
        raise UnusableError(f"is a raw photo: {_RAW_ADVICE}")
    start = next(found.chunks(zips, SIGNATURE_BYTES), b"")
    if not starts_like(found.suffix, start):
        known = CLIP_NAMES if found.is_clip else FORMAT_NAMES
        what = "clip" if found.is_clip else "photo"
        raise UnusableError(f"holds no {what}, whatever its name says ({known} are read)")


def _check_count(listing: Listing, inputs: Sequence[Path]) -> None:
    count = len(listing.photos)
    if count > limits.PHOTOS_MAX:
        raise InputError(
            f"There are {count:,} photos in {in_words(inputs)}, and at most "
            f"{limits.PHOTOS_MAX:,} make one capture; give the folder of one object or place."
        )
    if count == 0 and not listing.skipped:
        raise InputError(
            f"There are no photos in {in_words(inputs)}: {FORMAT_NAMES} files are read, and clips "
            f"as {CLIP_NAMES}"
            f"{_others_in_words(listing.others)}."
        )
    if count < limits.PHOTOS_MIN and not any(found.is_clip for found in listing.photos):
        raise too_few(count, listing.skipped)


def too_few(usable: int, skipped: Sequence[SkippedPhoto]) -> InputError:
    """The error for a capture that can't work, with what is wrong with the photos left out."""
    if usable == 0 and len(skipped) == 1:
        return InputError(f"{skipped[0].name} can't be used: it {skipped[0].reason}.")
    by_reason: dict[str, list[str]] = {}
    for photo in skipped:
        by_reason.setdefault(photo.reason, []).append(photo.name)
    reasons = [_with_others(names, reason) for reason, names in by_reason.items()]
    if len(reasons) > _REASONS_MOST:
        reasons = [*reasons[:_REASONS_MOST], "and so on"]
    if skipped:
        only = f"Only {usable}" if usable else "None"
        have = f"{only} of the {usable + len(skipped)} photos can be used"
    else:
        have = "There is only 1 photo" if usable == 1 else f"There are only {usable} photos"
    why = f" ({'; '.join(reasons)})" if reasons else ""
    return InputError(
        f"{have}, and at least {limits.PHOTOS_MIN} taken from different places are needed{why}."
    )


def sentences(skipped: Sequence[SkippedPhoto]) -> list[str]:
    """What to say about photos that were left out: each by its name, unless many are alike."""
    by_reason: dict[str, list[SkippedPhoto]] = {}
    for photo in skipped:
        kind = _COMPANIONS.search(photo.reason)
        by_reason.setdefault(kind[0] if kind else photo.name, []).append(photo)
    told = []
    for alike in by_reason.values():
        name, reason = alike[0].name, alike[0].reason
        others = len(alike) - 1
        like = f" (and {others} more like it)" if others else ""
        told.append(f"{name} was left out: it {reason}{like}.")
    return told


def _with_others(names: Sequence[str], reason: str) -> str:
    rest = len(names) - 1
    like = f", like {rest} {'other' if rest == 1 else 'others'}," if rest else ""
    return f"{names[0]}{like} {reason}"


def _others_in_words(others: Counter[str]) -> str:
    total = others.total()
    if not total:
        return ", and it is empty"
    raw = sum(count for suffix, count in others.items() if suffix in RAW_SUFFIXES)
    if raw:
        return f", but the {raw} raw photos are not: {_RAW_ADVICE}"
    return f", not the {'other file' if total == 1 else f'{total} other files'} found there"


def _is_read(suffix: str) -> bool:
    """Whether files of this name are looked at; raw photos are only where they can be read."""
    known = suffix in PHOTO_SUFFIXES or suffix in CLIP_SUFFIXES
    return known or (suffix in RAW_SUFFIXES and can_read_raw())


def _leave_companions_out(listing: Listing) -> None:
    """Phones and cameras store some photos twice: a still picture and what it was made of."""
    stills = {_shot(found): found for found in listing.photos if found.suffix in PHOTO_SUFFIXES}
    kept = []
    for found in listing.photos:
        still = stills.get(_shot(found), found)
        if found.suffix in RAW_SUFFIXES and still is not found:
            reason = f"is the raw data of {still.name}, which is used"
        elif found.suffix == ".mov" and still.suffix in LIVE_STILLS and _is_short(found):
            reason = f"is the moving part of the Live Photo {still.name}, whose still is used"
        else:
            kept.append(found)
            continue
        listing.skipped.append(SkippedPhoto(found.source, reason))
    listing.photos = kept


def _shot(found: FoundPhoto) -> tuple[Path, str]:
    """What the files of one press of the button share: their place and name."""
    place = found.path.parent if found.entry is None else found.path
    return place, PurePosixPath(found.source).with_suffix("").as_posix().casefold()


def _is_short(found: FoundPhoto) -> bool:
    """Whether it may be the three seconds of a Live Photo."""
    size = found.path.stat().st_size if found.entry is None else found.entry.file_size
    return size <= limits.LIVE_BYTES_MAX


def _once(photos: Iterable[FoundPhoto]) -> list[FoundPhoto]:
    """Without files given twice, like a folder and a file in it."""
    unique: dict[tuple[Path, int], FoundPhoto] = {}
    for photo in photos:
        place = photo.entry.header_offset if photo.entry else -1
        unique.setdefault((photo.path.resolve(), place), photo)
    return list(unique.values())


def _content_digest(photo: FoundPhoto, zips: OpenZips) -> str:
    content = blake2b(digest_size=32)
    try:
        for chunk in photo.chunks(zips):
            content.update(chunk)
    except UnusableError as error:
        return str(error)
    return content.hexdigest()


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX", "@eaDir", "$RECYCLE"))


def _is_workspace(folder: Path) -> bool:
    """Whether it is the workspace of a run."""
    return any((folder / "stages").glob(f"*/{KEY}"))


def _refuse_folder(error: OSError) -> None:
    raise InputError(
        f"The folder {error.filename} can't be read ({error.strerror}); check its permissions."
    ) from error


def _natural(name: str) -> tuple[list[str | int], str]:
    """Sort key: IMG_2 before IMG_10, capitals beside small letters."""
    parts = re.split(r"([0-9]+)", name)
    return [int(p) if i % 2 else p.casefold() for i, p in enumerate(parts)], name
