"""A capture with depth from a folder or zip to our own folder, see `gypsum.scene.rgbd`."""

from __future__ import annotations

import errno
import re
import shutil
import zipfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gypsum.capture import limits
from gypsum.capture.rgbd import (
    arkitscenes,
    plain,
    polycam,
    record3d,
    redwood,
    scanner_app,
    stray,
    tum,
)
from gypsum.capture.rgbd.found import (
    FoundCapture,
    FoundFrame,
    valid_intrinsics,
    valid_pose,
)
from gypsum.capture.rgbd.prepare import FLOAT_UNIT
from gypsum.capture.rgbd.tree import Tree
from gypsum.capture.sources import OpenZips, check_zip
from gypsum.capture.unusable import UnusableError
from gypsum.capture.workers import Workers
from gypsum.errors import InputError
from gypsum.scene import (
    Capture,
    PhotoFile,
    Progress,
    RgbdFrame,
    SkippedPhoto,
    no_progress,
    write_frames,
)

Float64 = NDArray[np.float64]

READERS: tuple[ModuleType, ...] = (
    plain, scanner_app, stray, record3d, polycam, arkitscenes, tum, redwood,
)  # fmt: skip
"""In the order in which they are asked: first those whose files nobody else writes."""

ZIP_SUFFIXES = (".zip", ".r3d")
FRAMES_MOST = 300
"""Frames taken when nothing else is asked for: what a room shows from all sides."""
FRAMES_LEAST = 2
DEPTHS_MAX = 100_000
"""Frames listed: half an hour at 60 a second."""
DEEPEST = 3
"""Folders in folders in which a capture is sought."""
_METRES_PER_RADIAN = 1.0
"""Turning by a radian shows as much new as walking a metre."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


@dataclass(frozen=True)
class RgbdCapture:
    """What was read, besides the frames on disk."""

    app: str
    frames: tuple[RgbdFrame, ...]
    skipped: tuple[SkippedPhoto, ...]
    given: int
    """Frames that the app stored."""
    gravity: bool
    """Whether up is known."""


def is_rgbd(inputs: Sequence[Path]) -> bool:
    """Whether the inputs are one capture with depth; looks at names only."""
    if len(inputs) != 1:
        return False
    path = inputs[0]
    if path.is_dir():
        return _recognised(Tree.of(path)) is not None
    if path.suffix.lower() in ZIP_SUFFIXES and path.is_file():
        with OpenZips() as zips:
            names = [entry.filename for entry in zips.of(path).infolist() if not entry.is_dir()]
        return _recognised(Tree(path, names)) is not None
    return False


def rgbd_digest(inputs: Sequence[Path]) -> str:
    """Hash of the capture's files: names and bytes."""
    total = blake2b(digest_size=32)
    for path in inputs:
        files = [path] if path.is_file() else [path / name for name in Tree.of(path).files]
        for file in files:
            name = file.name if file == path else file.relative_to(path).as_posix()
            total.update(f"{name}\0".encode())
            try:
                with file.open("rb") as content:
                    while chunk := content.read(1 << 20):
                        total.update(chunk)
            except OSError as error:
                raise InputError(f"{file} can't be read ({error.strerror}).") from error
    return total.hexdigest()


def read_rgbd(
    inputs: Sequence[Path],
    folder: Path,
    progress: Progress = no_progress,
    threads: int = 0,
    frames: int = 0,
) -> RgbdCapture:
    """Bring a capture to ``folder``: ``photos/``, ``depth/``, ``confidence/``, ``frames.json``.

    At most ``frames`` frames are taken, spread over the way; 0 takes up to `FRAMES_MOST`. Frames
    that can't be used are skipped and named. Raises `InputError` when too few remain.
    """
    unpacked = folder / "unpacked"
    for name in ("photos", "depth", "confidence", "unpacked"):
        shutil.rmtree(folder / name, ignore_errors=True)
    for name in ("photos", "depth", "confidence"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    try:
        tree, reader = _opened(inputs, unpacked, progress)
        found = reader.read(tree)
        if len(found.frames) > DEPTHS_MAX:
            raise InputError(
                f"{inputs[0]} has {len(found.frames):,} frames; at most {DEPTHS_MAX:,} are read."
            )
        sane, skipped = _sane(found.frames, found.up)
        chosen = _named(_chosen(sane, frames or FRAMES_MOST))
        with Workers(folder) as workers:
            made, unusable = _prepared(found, chosen, folder, workers, threads, progress)
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    skipped += unusable
    with_depth = sum(frame.depth is not None for frame, _ in made)
    if with_depth < FRAMES_LEAST:
        why = f" ({skipped[0].name} {skipped[0].reason})" if skipped else ""
        raise InputError(
            f"{inputs[0]} has {with_depth or 'no'} usable depth maps{why}; at least {FRAMES_LEAST} "
            "are needed."
        )
    ready = [frame for frame, _ in made]
    write_frames(folder, ready)
    _write_capture(folder, made, skipped)
    return RgbdCapture(reader.NAME, tuple(ready), tuple(skipped), len(found.frames), found.gravity)


def _opened(inputs: Sequence[Path], unpacked: Path, progress: Progress) -> tuple[Tree, ModuleType]:
    path = inputs[0]
    if path.is_file():
        progress(0.0, "unpacking")
        _unpack(path, unpacked)
        recognised = _recognised(Tree.of(unpacked, path))
    else:
        recognised = _recognised(Tree.of(path))
    if recognised is None:
        raise InputError(
            f"{inputs[0]} holds no capture with depth that is known; docs/lidar.md lists the apps."
        )
    return recognised


def _recognised(tree: Tree) -> tuple[Tree, ModuleType] | None:
    """The folder of the capture and who reads it: the outermost that someone recognises."""
    folders = {PurePosixPath(name).parent for name in tree.files}
    around = {parent for folder in folders for parent in (folder, *folder.parents)}
    for folder in sorted(around, key=lambda f: (len(f.parts), f.as_posix())):
        if len(folder.parts) > DEEPEST:
            break
        part = tree if folder == PurePosixPath() else tree.below(folder.as_posix())
        for reader in READERS:
            if reader.recognises(part):
                return part, reader
    return None


#: Names that no file system takes, or that are a file's and a folder's, and places before a zip.
_NO_NAME_OR_PLACE = {
    errno.EINVAL, errno.ENAMETOOLONG, errno.EILSEQ, errno.ENOTDIR, errno.EISDIR, errno.EEXIST,
}  # fmt: skip


def _unpack(path: Path, folder: Path) -> None:
    """All of a zip's plain files, at most as large as it declares."""
    with OpenZips() as zips:
        archive = zips.of(path)
        entries = [entry for entry in archive.infolist() if not entry.is_dir()]
        check_zip(path, entries)
        for entry in entries:
            name = PurePosixPath(entry.filename.replace("\\", "/"))
            if name.is_absolute() or ".." in name.parts or ":" in str(name):
                raise InputError(f"{path} has a file whose path leads out of it; it is not opened.")
            if any(part.startswith((".", "__MACOSX")) for part in name.parts):
                continue
            target = folder / name
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(entry) as packed, target.open("wb") as file:
                    shutil.copyfileobj(packed, file)
            except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError) as error:
                raise InputError(
                    f"{entry.filename} in {path} is damaged or locked; make the zip again."
                ) from error
            except Exception as error:  # zlib and lzma have errors of their own.
                if isinstance(error, OSError) and error.errno not in _NO_NAME_OR_PLACE:
                    raise
                raise InputError(f"{entry.filename} in {path} is damaged.") from error


def _sane(frames: Sequence[FoundFrame], up: Float64) -> tuple[list[FoundFrame], list[SkippedPhoto]]:
    """Frames with a depth map or a picture and a real camera, in our world axes; and those that
    have no real camera."""
    turn = np.eye(4)
    turn[:3, :3] = up
    sane, skipped = [], []
    for frame in frames:
        K, pose = valid_intrinsics(frame.K), valid_pose(frame.pose)
        has_color = frame.color is not None or frame.clip_frame is not None
        if frame.depth is None and not has_color:
            continue
        if K is None:
            reason = "has no intrinsics (K) that a camera can have"
            skipped.append(SkippedPhoto(f"frame {frame.name}", reason))
            continue
        sane.append(replace(frame, K=K, pose=None if pose is None else turn @ pose))
    return sane, skipped


def _chosen(frames: Sequence[FoundFrame], most: int) -> list[FoundFrame]:
    """At most so many frames, spread evenly over the way that the camera went."""
    if len(frames) <= most:
        return list(frames)
    way = np.arange(len(frames), dtype=np.float64)
    if all(frame.pose is not None for frame in frames):
        poses = np.stack([frame.pose for frame in frames if frame.pose is not None])
        steps = np.linalg.norm(np.diff(poses[:, :3, 3], axis=0), axis=1)
        turns = np.einsum("nij,nij->n", poses[1:, :3, :3], poses[:-1, :3, :3])
        angles = np.arccos(np.clip((turns - 1) / 2, -1, 1))
        # A little for time alone, so that ties have an order.
        moved = np.minimum(steps, 1.0) + _METRES_PER_RADIAN * angles + 1e-6
        way = np.concatenate([[0.0], np.cumsum(moved)])
    wanted = np.linspace(way[0], way[-1], most)
    numbers = np.unique(np.searchsorted(way, wanted - 1e-9).clip(0, len(frames) - 1))
    return [frames[n] for n in numbers]


def _named(frames: Sequence[FoundFrame]) -> list[FoundFrame]:
    """The app's own names where they may stand on disk and differ; else numbers."""
    names = [frame.name for frame in frames]
    usable = all(_NAME.fullmatch(name) for name in names)
    if usable and len({name.casefold() for name in names}) == len(names):
        return list(frames)
    return [replace(frame, name=f"{n:06d}") for n, frame in enumerate(frames)]


def _prepared(
    found: FoundCapture,
    chosen: Sequence[FoundFrame],
    folder: Path,
    workers: Workers,
    threads: int,
    progress: Progress,
) -> tuple[list[tuple[RgbdFrame, dict[str, Any]]], list[SkippedPhoto]]:
    clip = _frames_of_clip(found, chosen, folder, workers, threads, progress)
    made: dict[int, tuple[RgbdFrame, dict[str, Any]]] = {}
    skipped: list[SkippedPhoto] = []
    count = min(threads or limits.WORKERS_MOST, limits.WORKERS_MOST)
    with ThreadPoolExecutor(count) as pool:
        jobs = {
            pool.submit(_ask, found, frame, folder, workers): number
            for number, frame in enumerate(chosen)
        }
        try:
            for done, job in enumerate(as_completed(jobs), 1):
                number = jobs[job]
                frame = chosen[number]
                progress(done / len(jobs), f"reading frame {done} of {len(jobs)}")
                try:
                    answer = job.result()
                    if frame.clip_frame in clip:
                        answer |= clip[frame.clip_frame]
                    made[number] = _made(found, frame, answer, folder), answer
                except UnusableError as error:
                    skipped.append(SkippedPhoto(f"frame {frame.name}", str(error)))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    skipped.sort(key=lambda photo: photo.name)
    return [made[number] for number in sorted(made)], skipped


def _targets(folder: Path, name: str) -> dict[str, Path]:
    return {
        "color": folder / "photos" / f"{name}.jpg",
        "depth": folder / "depth" / f"{name}.png",
        "confidence": folder / "confidence" / f"{name}.png",
    }


def _ask(found: FoundCapture, frame: FoundFrame, folder: Path, workers: Workers) -> dict[str, Any]:
    paths = {"depth": frame.depth, "confidence": frame.confidence, "color": frame.color}
    request: dict[str, Any] = {
        what: None if path is None else str(path.resolve()) for what, path in paths.items()
    }
    targets = _targets(folder.resolve(), frame.name)
    request["targets"] = {what: str(path) for what, path in targets.items()}
    request |= {"shape": found.depth_shape, "sure": found.sure}
    return dict(workers.ask({"do": "rgbd", "request": request}))


def _frames_of_clip(
    found: FoundCapture,
    chosen: Sequence[FoundFrame],
    folder: Path,
    workers: Workers,
    threads: int,
    progress: Progress,
) -> dict[int | None, dict[str, Any]]:
    """What became of the clip's frames that were chosen."""
    wanted = {
        frame.clip_frame: str(_targets(folder.resolve(), frame.name)["color"])
        for frame in chosen
        if frame.clip_frame is not None
    }
    if found.clip is None or not wanted:
        return {}
    progress(0.0, f"reading {found.clip.name}")
    request = {"do": "rgbd_clip", "path": str(found.clip.resolve()), "threads": max(threads, 1)}
    try:
        answer = workers.ask({**request, "chosen": list(wanted.items())})
    except UnusableError as error:
        raise InputError(f"The capture's {found.clip.name} can't be used: it {error}.") from error
    return {int(number): dict(values) for number, values in answer}


def _made(
    found: FoundCapture, frame: FoundFrame, answer: dict[str, Any], folder: Path
) -> RgbdFrame:
    """The frame as it is on disk. Raises `UnusableError`."""
    color: Any
    depth: Any
    color, depth = answer.get("color"), answer.get("depth")
    if color is None and depth is None:
        raise UnusableError("has neither a picture nor a depth map")
    rows, columns = depth if color is None else color
    width, height = frame.size or (columns, rows)
    assert frame.K is not None
    K = frame.K.copy()
    K[0] *= columns / width
    K[1] *= rows / height
    if depth is not None and abs(depth[1] / depth[0] / (columns / rows) - 1) > 0.05:
        raise UnusableError(
            f"has a depth map of {depth[1]} x {depth[0]} pixels, of another shape than its picture"
        )
    if not 0 < K[0, 2] < columns or not 0 < K[1, 2] < rows:
        raise UnusableError("has a camera whose axis lies outside of its picture")
    targets = _targets(folder, frame.name)
    R = t = None
    if frame.pose is not None:
        R = frame.pose[:3, :3].T
        t = -R @ frame.pose[:3, 3]
    return RgbdFrame(
        frame.name,
        columns,
        rows,
        K,
        R,
        t,
        targets["color"] if color is not None else None,
        targets["depth"] if depth is not None else None,
        targets["confidence"] if "confidence" in answer else None,
        FLOAT_UNIT if found.depth_shape is not None else found.depth_unit,
        frame.time,
    )


def _write_capture(
    folder: Path,
    made: Sequence[tuple[RgbdFrame, dict[str, Any]]],
    skipped: Sequence[SkippedPhoto],
) -> None:
    """The colour pictures as the photos of a capture, for who needs no depth."""
    photos = []
    for frame, answer in made:
        if frame.color is None:
            continue
        digest = blake2b(frame.color.read_bytes(), digest_size=32).hexdigest()
        photos.append(
            PhotoFile(
                name=frame.color.name,
                source=frame.color.name,
                width=frame.width,
                height=frame.height,
                focal_px=float(frame.K[0, 0]),
                camera="depth camera",
                gps=None,
                time=None,
                sharpness=round(float(answer["sharpness"]), 4),
                brightness=round(float(answer["brightness"]), 4),
                digest=digest,
            )
        )
    Capture(tuple(photos), tuple(skipped)).write(folder)
