"""From what people bring to a `Capture`: photos decoded, checked, upright, under safe names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from threading import Condition

from gypsum.capture import limits
from gypsum.capture.decode import (
    JPEG_QUALITY,
    can_be_copied,
    decode_small,
    opened,
    upright_rgb,
)
from gypsum.capture.exif import Exif, read_exif
from gypsum.capture.measure import WORKING_SIDE, Measures, measure, repeats
from gypsum.capture.names import Wish, unique_names
from gypsum.capture.sources import FoundPhoto, OpenZips, UnusableError, list_inputs, too_few
from gypsum.errors import InputError, ResourceError
from gypsum.scene.capture import Capture, PhotoFile, SkippedPhoto
from gypsum.scene.progress import Progress, no_progress

_INCOMING = ".incoming"
"""Photos are gathered here and appear in ``photos`` all at once."""
_JPEG_SUFFIXES = (".jpg", ".jpeg")
_COPY_SUFFIXES = (*_JPEG_SUFFIXES, ".png")


@dataclass(frozen=True)
class _Ready:
    """A photo that can be used, stored in the incoming folder."""

    found: FoundPhoto
    file: Path
    name: str
    """The user's name for it, with a suffix that readers know."""
    width: int
    height: int
    exif: Exif
    measures: Measures
    digest: str


def read_capture(
    inputs: Sequence[Path], folder: Path, progress: Progress = no_progress, threads: int = 0
) -> Capture:
    """Bring the photos in folders, files and zips to ``folder/photos``; write ``capture.json``.

    Every photo is decoded to its end. What can't be used is skipped and named; `InputError` is
    raised when fewer than three different photos remain.
    """
    listing = list_inputs(inputs)
    _refuse_own_photos(listing.photos, folder)
    incoming = folder / _INCOMING
    with _writing(folder):
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
    try:
        outcomes = _prepare_all(listing.photos, incoming, progress, threads)
        ready = [outcome for outcome in outcomes if isinstance(outcome, _Ready)]
        skipped = [outcome for outcome in outcomes if isinstance(outcome, SkippedPhoto)]
        skipped = listing.skipped + skipped
        ready = _without_repeats(ready, skipped)
        if len(ready) < limits.PHOTOS_MIN:
            raise too_few(len(ready), skipped)
        capture = Capture(_named(ready), tuple(skipped), listing.others.total())
        with _writing(folder):
            _settle(capture, ready, folder)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    progress(1.0, f"{len(capture.photos)} photos")
    return capture


def _prepare_all(
    photos: Sequence[FoundPhoto], incoming: Path, progress: Progress, threads: int
) -> list[_Ready | SkippedPhoto]:
    """Work on several photos at a time; the outcomes are in the photos' order."""
    allowance = _Allowance(limits.PIXELS_AT_ONCE)
    workers = threads or os.cpu_count() or 1
    with OpenZips() as zips, ThreadPoolExecutor(workers) as pool:
        jobs = [
            pool.submit(_prepare, photo, incoming / f"{i:06d}.part", zips, allowance)
            for i, photo in enumerate(photos)
        ]
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                job.result()
                progress(done / len(jobs), f"checking photo {done} of {len(jobs)}")
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        return [job.result() for job in jobs]


def _prepare(
    found: FoundPhoto, target: Path, zips: OpenZips, allowance: _Allowance
) -> _Ready | SkippedPhoto:
    try:
        ready = _store(found, target, zips, allowance)
        if ready.measures.blank:
            raise UnusableError("is blank: nearly all pixels have the same colour")
    except UnusableError as error:
        target.unlink(missing_ok=True)
        return SkippedPhoto(found.source, str(error))
    except MemoryError as error:
        raise ResourceError(
            f"There is too little memory to decode {found.source}; use fewer threads."
        ) from error
    return ready


def _store(found: FoundPhoto, target: Path, zips: OpenZips, allowance: _Allowance) -> _Ready:
    """Decode one photo and put it, upright, at ``target``. Raises `UnusableError`."""
    original, digest = _original(found, target, zips)
    with opened(original) as image, allowance.taken(image.width * image.height):
        exif = read_exif(image)
        name = found.name
        if can_be_copied(image, exif):
            width, height = image.size
            picture = decode_small(image, WORKING_SIDE)
            name = _with_suffix(name, _COPY_SUFFIXES, ".png" if image.format == "PNG" else ".jpg")
            with _writing(target):
                _link_or_copy(original, target)
        else:
            picture = upright_rgb(image)
            width, height = picture.size
            name = _with_suffix(name, _JPEG_SUFFIXES, ".jpg")
            with _writing(target):
                target.unlink(missing_ok=True)
                picture.save(target, "JPEG", quality=JPEG_QUALITY, subsampling=0)
        return _Ready(found, target, name, width, height, exif, measure(picture), digest)


def _original(found: FoundPhoto, target: Path, zips: OpenZips) -> tuple[Path, str]:
    """The photo as a file of its own, unpacked to ``target`` from a zip, and its bytes' hash."""
    digest = blake2b(digest_size=32)
    if found.entry is None:
        for chunk in found.chunks(zips):
            digest.update(chunk)
        return found.path, digest.hexdigest()
    with _writing(target), target.open("wb") as file:
        for chunk in found.chunks(zips):
            digest.update(chunk)
            file.write(chunk)
    return target, digest.hexdigest()


def _link_or_copy(source: Path, target: Path) -> None:
    """A hard link costs nothing; across file systems, or where links aren't allowed, a copy."""
    if source == target:
        return
    try:
        target.hardlink_to(source.resolve())
    except OSError:
        shutil.copyfile(source, target)


def _without_repeats(ready: list[_Ready], skipped: list[SkippedPhoto]) -> list[_Ready]:
    """One of each picture; the others are added to ``skipped``."""
    same = repeats(
        [photo.measures.fingerprint for photo in ready],
        [(photo.width, photo.height) for photo in ready],
    )
    for i, kept in same.items():
        reason = f"is the same picture as {ready[kept].found.source}"
        skipped.append(SkippedPhoto(ready[i].found.source, reason))
    return [photo for i, photo in enumerate(ready) if i not in same]


def _named(ready: Sequence[_Ready]) -> tuple[PhotoFile, ...]:
    names = unique_names(
        [Wish(photo.name, photo.found.name, photo.found.parents) for photo in ready]
    )
    return tuple(
        PhotoFile(
            name=name,
            source=photo.found.source,
            width=photo.width,
            height=photo.height,
            focal_px=photo.exif.focal_px(photo.width, photo.height),
            camera=photo.exif.camera(photo.width, photo.height),
            gps=photo.exif.gps,
            time=photo.exif.time,
            sharpness=round(photo.measures.sharpness, 4),
            brightness=round(photo.measures.brightness, 4),
            digest=photo.digest,
        )
        for name, photo in zip(names, ready, strict=True)
    )


def _with_suffix(name: str, known: Sequence[str], suffix: str) -> str:
    """The name as it is when its suffix is a known one, else with ``suffix``."""
    path = PurePosixPath(name)
    return name if path.suffix.lower() in known else str(path.with_suffix(suffix))


def _settle(capture: Capture, ready: Sequence[_Ready], folder: Path) -> None:
    """Give the incoming photos their names and make them the folder's photos."""
    incoming = folder / _INCOMING
    for photo, stored in zip(capture.photos, ready, strict=True):
        stored.file.rename(incoming / photo.name)
    for rest in incoming.glob("*.part"):
        rest.unlink()
    shutil.rmtree(folder / "photos", ignore_errors=True)
    capture.write(folder)
    incoming.rename(folder / "photos")


def _refuse_own_photos(photos: Sequence[FoundPhoto], folder: Path) -> None:
    """The folder's photos are replaced: they must not be the user's."""
    own = (folder / "photos").resolve()
    if any(photo.path.resolve().is_relative_to(own) for photo in photos):
        raise InputError(
            f"The photos lie in {own}, which would be overwritten; use another folder."
        )


@contextmanager
def _writing(place: Path) -> Iterator[None]:
    """Failures of the disk that is written to end the run; they aren't the photo's fault."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ResourceError(
            f"The photos can't be stored in {place.parent} ({reason}); "
            "free some space or choose another place."
        ) from error


class _Allowance:
    """Bounds what all threads hold at a time; who asks for more than all of it goes alone."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._left = total
        self._changed = Condition()

    @contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Wait until ``amount`` is free and hold it."""
        amount = min(amount, self._total)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= amount)
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()
