"""From what people bring to a `Capture`: photos decoded, checked, upright, under safe names."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from threading import Condition

from gypsum.capture import limits
from gypsum.capture.measure import repeats
from gypsum.capture.names import Wish, unique_names
from gypsum.capture.prepared import Prepared, alpha_path, frame_path, from_json
from gypsum.capture.sources import FoundPhoto, OpenZips, list_inputs, too_few
from gypsum.capture.unusable import UnusableError
from gypsum.capture.workers import Message, Workers
from gypsum.errors import InputError, ResourceError
from gypsum.scene.capture import Capture, PhotoFile, SkippedPhoto
from gypsum.scene.progress import Progress, no_progress

_INCOMING = ".incoming"
"""Photos are gathered here and appear in ``photos`` all at once."""
_JPEG_SUFFIXES = (".jpg", ".jpeg")
_COPY_SUFFIXES = (*_JPEG_SUFFIXES, ".png")
"""Of files that stay as they are, whichever of the two they hold: readers look inside."""
_CLIP_WEIGHT = 40
"""Photos that take as long as a clip does."""
_LENGTH_UNKNOWN = 30.0
"""Seconds taken for a clip whose header doesn't tell."""
_CUT_SHORT = 0.8
"""Share of the promised frames below which a clip is called damaged."""


@dataclass(frozen=True)
class _Ready:
    """A photo or frame that can be used, stored in the incoming folder."""

    found: FoundPhoto
    file: Path
    name: str
    """The user's name for it, with a suffix that readers know."""
    prepared: Prepared
    digest: str
    frame: int | None = None
    """Its number in the clip, for a frame."""

    @property
    def source(self) -> str:
        """The user's name for it, for messages."""
        return self.found.source if self.frame is None else f"{self.found.source}#{self.frame}"


_Outcome = _Ready | SkippedPhoto


def read_capture(
    inputs: Sequence[Path],
    folder: Path,
    progress: Progress = no_progress,
    threads: int = 0,
    frames: int = 0,
    *,
    sets: bool = False,
) -> Capture:
    """Bring the photos in folders, files and zips to ``folder/photos``; write ``capture.json``.

    Of clips, at most ``frames`` frames are taken altogether; 0 goes by their length. Transparency
    goes to ``folder/alpha/NAME.png``. Every photo is decoded to its end, by processes of their own.
    With ``sets``, each input is a set of its own of a flip capture.
    What can't be used is skipped and named; `InputError` is raised when fewer than three different
    photos remain.
    """
    listing = list_inputs(inputs)
    _refuse_own_photos(listing.photos, folder)
    incoming = folder / _INCOMING
    with _writing(folder):
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir(parents=True)
    try:
        with OpenZips() as zips, Workers(incoming) as workers:
            preparation = _Preparation(incoming, zips, workers, threads)
            outcomes = preparation.run(listing.photos, frames, progress)
        ready = [outcome for outcome in outcomes if isinstance(outcome, _Ready)]
        skipped = [outcome for outcome in outcomes if isinstance(outcome, SkippedPhoto)]
        skipped = listing.skipped + skipped
        ready = _without_repeats(ready, skipped)
        if len(ready) < limits.PHOTOS_MIN:
            raise too_few(len(ready), skipped)
        capture = Capture(_named(ready, sets), tuple(skipped), listing.others.total())
        with _writing(folder):
            _settle(capture, ready, folder)
    finally:
        shutil.rmtree(incoming, ignore_errors=True)
    progress(1.0, f"{len(capture.photos)} photos")
    return capture


def frames_of_clips(seconds: Sequence[float], most: int = 0) -> list[int]:
    """How many frames to take of each clip at most, ``most`` altogether; 0 goes by their length."""
    lengths = [length or _LENGTH_UNKNOWN for length in seconds]
    asked = limits.FRAMES_PER_SECOND * sum(lengths)
    total = most or min(max(asked, limits.FRAMES_LEAST), limits.FRAMES_MOST)
    return [max(limits.CLIP_FRAMES_MIN, round(total * x / sum(lengths))) for x in lengths]


class _Preparation:
    """Several photos at a time, then clip after clip."""

    def __init__(self, incoming: Path, zips: OpenZips, workers: Workers, threads: int) -> None:
        self._incoming, self._zips, self._workers = incoming, zips, workers
        self._threads = min(threads or os.cpu_count() or 1, limits.WORKERS_MOST)
        self._allowance = _Allowance(limits.PIXELS_AT_ONCE)

    def run(self, found: Sequence[FoundPhoto], frames: int, progress: Progress) -> list[_Outcome]:
        """What became of all, photos first."""
        photos = [item for item in found if not item.is_clip]
        clips = [item for item in found if item.is_clip]
        share = len(photos) / max(1, len(photos) + _CLIP_WEIGHT * len(clips))
        outcomes = self._photos(photos, lambda done, doing="": progress(share * done, doing))
        return outcomes + self._clips(
            clips, frames, lambda done, doing="": progress(share + (1 - share) * done, doing)
        )

    def _photos(self, photos: Sequence[FoundPhoto], progress: Progress) -> list[_Outcome]:
        with ThreadPoolExecutor(self._threads) as pool:
            jobs = [
                pool.submit(self._photo, photo, self._incoming / f"{i:06d}.part")
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

    def _photo(self, found: FoundPhoto, target: Path) -> _Outcome:
        try:
            original, digest = _original(found, target, self._zips)
            prepared = self._decoded(found, original, target)
            if prepared.measures.blank:
                raise UnusableError("is blank: nearly all pixels have the same colour")
            if prepared.as_it_is:
                with _writing(target):
                    _link_or_copy(original, target)
        except UnusableError as error:
            target.unlink(missing_ok=True)
            return SkippedPhoto(found.source, str(error))
        known = _COPY_SUFFIXES if prepared.as_it_is else _JPEG_SUFFIXES
        name = _with_suffix(found.name, known, prepared.suffix)
        return _Ready(found, target, name, prepared, digest)

    def _decoded(self, found: FoundPhoto, original: Path, target: Path) -> Prepared:
        """Decode a photo when all that are decoded at the same time leave room for it."""
        held = ExitStack()

        def hear(message: Message) -> None:
            held.enter_context(self._allowance.taken(int(message["count"])))

        request = {"do": "photo", "path": str(original.resolve()), "suffix": found.suffix}
        with held:
            return from_json(self._workers.ask({**request, "target": str(target.resolve())}, hear))

    def _clips(
        self, clips: Sequence[FoundPhoto], frames: int, progress: Progress
    ) -> list[_Outcome]:
        outcomes: list[_Outcome] = []
        opened: list[tuple[FoundPhoto, Path, str, float]] = []
        for i, clip in enumerate(clips):
            progress(0.0, f"opening {clip.name}")
            target = self._incoming / f"clip{i:04d}.part"
            try:
                original, digest = _original(clip, target, self._zips)
                seconds = self._workers.ask({"do": "seconds", "path": str(original.resolve())})
                opened.append((clip, original, digest, float(seconds)))
            except UnusableError as error:
                outcomes.append(SkippedPhoto(clip.source, str(error)))
        shares = frames_of_clips([seconds for *_, seconds in opened], frames)
        for i, ((clip, original, digest, _), most) in enumerate(zip(opened, shares, strict=True)):
            target = self._incoming / f"frames{i:04d}.part"
            doing = f"choosing frames of {clip.name}"

            def hear(message: Message, i: int = i, doing: str = doing) -> None:
                progress((i + min(1.0, float(message["done"]))) / len(opened), doing)

            request: Message = {"do": "clip", "path": str(original.resolve()), "most": most}
            request |= {"target": str(target.resolve()), "threads": self._threads}
            try:
                answer = self._workers.ask(request, hear)
            except UnusableError as error:
                outcomes.append(SkippedPhoto(clip.source, str(error)))
                continue
            outcomes += _taken(clip, target, digest, answer)
        return outcomes


def _taken(clip: FoundPhoto, target: Path, digest: str, answer: Message) -> list[_Outcome]:
    """The frames that were chosen of a clip, and what is wrong with it nevertheless."""
    outcomes: list[_Outcome] = []
    for number, values in answer["chosen"]:
        name = f"{PurePosixPath(clip.name).stem}_{int(number):06d}.jpg"
        file = frame_path(target, int(number))
        frame_digest = blake2b(f"{digest} {number}".encode(), digest_size=32).hexdigest()
        outcomes.append(_Ready(clip, file, name, from_json(values), frame_digest, int(number)))
    decoded = int(answer["decoded"])
    if decoded < _CUT_SHORT * int(answer["promised"]):
        reason = f"can't be decoded: the clip is damaged after frame {decoded}"
        outcomes.append(SkippedPhoto(f"the end of {clip.source}", reason))
    return outcomes


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
        [photo.prepared.measures.fingerprint for photo in ready],
        [(photo.prepared.width, photo.prepared.height) for photo in ready],
    )
    for i, kept in same.items():
        reason = f"is the same picture as {ready[kept].source}"
        skipped.append(SkippedPhoto(ready[i].source, reason))
    return [photo for i, photo in enumerate(ready) if i not in same]


def _named(ready: Sequence[_Ready], sets: bool) -> tuple[PhotoFile, ...]:
    names = unique_names(
        [
            Wish(
                photo.name,
                photo.found.name if photo.frame is None else photo.name,
                photo.found.parents,
            )
            for photo in ready
        ]
    )
    return tuple(
        _photo_file(photo, name, photo.found.input if sets else 0)
        for photo, name in zip(ready, names, strict=True)
    )


def _photo_file(photo: _Ready, name: str, number: int) -> PhotoFile:
    prepared, exif = photo.prepared, photo.prepared.exif
    is_frame = photo.frame is not None
    camera = exif.camera(prepared.width, prepared.height)
    return PhotoFile(
        name=name,
        source=photo.source,
        width=prepared.width,
        height=prepared.height,
        focal_px=exif.focal_px(prepared.width, prepared.height),
        camera=f"{photo.found.source} | {camera}" if is_frame else camera,
        gps=exif.gps,
        time=exif.time,
        sharpness=round(prepared.measures.sharpness, 4),
        brightness=round(prepared.measures.brightness, 4),
        digest=photo.digest,
        clip=photo.found.source if is_frame else None,
        frame=photo.frame,
        set=number,
    )


def _with_suffix(name: str, known: Sequence[str], suffix: str) -> str:
    """The name as it is when its suffix is a known one, else with ``suffix``."""
    path = PurePosixPath(name)
    return name if path.suffix.lower() in known else str(path.with_suffix(suffix))


def _settle(capture: Capture, ready: Sequence[_Ready], folder: Path) -> None:
    """Give the incoming photos their names and make them the folder's photos."""
    incoming = folder / _INCOMING
    for other in ("photos", "alpha"):
        shutil.rmtree(folder / other, ignore_errors=True)
    (incoming / "photos").mkdir()
    for photo, stored in zip(capture.photos, ready, strict=True):
        stored.file.rename(incoming / "photos" / photo.name)
        if stored.prepared.has_alpha:
            (folder / "alpha").mkdir(exist_ok=True)
            alpha_path(stored.file).rename(folder / "alpha" / f"{photo.name}.png")
    capture.write(folder)
    (incoming / "photos").rename(folder / "photos")


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
