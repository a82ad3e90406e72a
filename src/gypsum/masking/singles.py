"""A mask for every photo: what people brought, or what a network finds in the photo alone."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.masking.given import read_given
from gypsum.masking.saliency import MODEL, SaliencyNetwork, look_twice
from gypsum.masking.turntable import still_surroundings
from gypsum.scene import Progress, no_progress
from gypsum.scene.capture import Capture, PhotoFile

UInt8 = NDArray[np.uint8]

#: Long side at which photos are read for the network, which makes them smaller still.
_READING_SIDE = 1000


@dataclass(frozen=True)
class SingleMasks:
    """Where the masks came from."""

    given: tuple[str, ...]
    """Photos whose mask people made."""
    found: tuple[str, ...]
    """Photos whose mask the network made."""


def mask_photos(
    capture: Capture,
    photos: Path,
    folder: Path,
    *,
    given: Mapping[str, Path],
    network: Path | None = MODEL,
    closer: bool = True,
    threads: int = 0,
    progress: Progress = no_progress,
) -> SingleMasks:
    """Write ``folder/NAME.png``, grey, of the size of each upright photo.

    ``given`` are the masks that people made, by photo. The others are made by the ``network``;
    None leaves them out. With ``closer`` it looks twice, see `look_twice`. A mask that is there
    from an earlier run is kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for photo in capture.photos:
        if photo.name in given:
            _write(folder, photo, read_given(given[photo.name], photo))
    rest = [photo for photo in capture.photos if photo.name not in given]
    if network is None:
        return SingleMasks(tuple(given), ())
    missing = [photo for photo in rest if not (folder / f"{photo.name}.png").exists()]
    if missing:
        saliency = SaliencyNetwork(network)

        def one(photo: PhotoFile) -> None:
            with Image.open(photos / photo.name) as file:
                file.draft("RGB", (_READING_SIDE, _READING_SIDE))
                picture = np.asarray(file.convert("RGB"))
            values = look_twice(saliency, picture) if closer else saliency(picture)
            size = (photo.width, photo.height)
            mask = cv2.resize(values, size, interpolation=cv2.INTER_LINEAR)
            _write(folder, photo, (mask * 255).round().astype(np.uint8))

        with ThreadPoolExecutor(min(threads or os.cpu_count() or 1, 8)) as pool:
            for done, _ in enumerate(pool.map(one, missing), 1):
                progress(done / len(missing), f"photo {done} of {len(missing)}")
    return SingleMasks(tuple(given), tuple(photo.name for photo in rest))


def clear_surroundings(
    photos: Path, folder: Path, capture: Capture, names: Collection[str]
) -> None:
    """Take out of a turntable's masks in ``folder`` what stands still, in the photos named."""
    still = still_surroundings([photos / photo.name for photo in capture.photos])
    for photo, around in zip(capture.photos, still, strict=True):
        if around is None or photo.name not in names:
            continue
        with Image.open(folder / f"{photo.name}.png") as file:
            mask = np.asarray(file.convert("L"))
        size = (photo.width, photo.height)
        cleared = cv2.resize(around.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
        _write(folder, photo, np.where(cleared > 0, 0, mask).astype(np.uint8))


def _write(folder: Path, photo: PhotoFile, mask: UInt8) -> None:
    with atomic_write(folder / f"{photo.name}.png") as file:
        Image.fromarray(mask).save(file, "PNG", compress_level=2)
