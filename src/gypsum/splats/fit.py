"""Photos with known cameras to splats: the whole of a training, with what a user sees of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gypsum.errors import ReconstructionError
from gypsum.formats.atomic import atomic_write
from gypsum.scene import PointCloud, Progress, SparseModel, Splats, View, no_progress
from gypsum.splats import checkpoint, initial, quality, schedule
from gypsum.splats.photos import PhotoCache
from gypsum.splats.quality import Score
from gypsum.splats.render import render
from gypsum.splats.state import State
from gypsum.splats.train import Trainer, TrainOptions

#: Every so many photos one is held out, to tell how good the splats are where no photo was taken.
HELD_OUT = 10
#: Photos without which none is held out.
_FEWEST = 2 * HELD_OUT
#: Points of a dense cloud are at most this part of all Gaussians.
_FROM_CLOUD = 0.5
#: Seconds between pictures of how far it is, and between states to go on from, which are also no
#: more than this part of the time that was given apart.
_PREVIEW_EVERY, _SAVE_EVERY, _SAVE_SHARE = 15.0, 120.0, 0.1

_CHECKPOINT = "checkpoint.npz"


@dataclass(frozen=True)
class Fitted:
    """What a training found."""

    splats: Splats
    scores: dict[str, Score]
    """Of the photos that were held out, by name."""
    iterations: int
    extent: float
    """Spread of the cameras, world units."""

    @property
    def mean(self) -> Score | None:
        """Over the photos that were held out; None when there were none."""
        return quality.mean(list(self.scores.values())) if self.scores else None


def fit(
    model: SparseModel,
    views: Sequence[View],
    folder: Path,
    options: TrainOptions,
    *,
    long_side: int,
    cloud: PointCloud | None = None,
    test: bool = True,
    progress: Progress = no_progress,
) -> Fitted:
    """Train on views in the frame of ``model``; ``folder`` keeps what a later call goes on from.

    A picture ``preview.jpg`` in it shows a photo beside what is there of it so far. Without
    ``test`` no photos are held out.
    """
    photos = PhotoCache(
        views, long_side, folder / "photos", lambda _, doing="": progress(0.0, doing)
    )
    held = held_out(len(views)) if test else []
    chosen = [number for number in range(len(views)) if number not in held]
    extent = spread(views)
    saved = folder / _CHECKPOINT
    if saved.exists():
        state = checkpoint.load(saved)
    else:
        splats = first_splats(model, [views[n] for n in chosen], options, cloud)
        state = State.begin(splats, len(views), options.seed)
    clearings = initial.clearings(model, [views[n] for n in chosen])
    trainer = Trainer(state, photos, chosen, extent, options, clearings)
    shown = held[0] if held else 0
    previewed = kept = time.monotonic()
    save_every = _SAVE_EVERY
    if options.minutes is not None:
        save_every = min(save_every, 60 * options.minutes * _SAVE_SHARE)

    def each(trainer: Trainer) -> None:
        nonlocal previewed, kept
        done = schedule.time_at(trainer.done)
        progress(done, f"{len(state.rows):,} splats, step {state.iteration:,}")
        now = time.monotonic()
        if now - previewed > _PREVIEW_EVERY:
            write_preview(folder / "preview.jpg", trainer.splats, photos, shown, extent)
            previewed = now
        if now - kept > save_every:
            checkpoint.save(saved, trainer.state)
            kept = now

    trainer.run(each)
    keep = np.ones(len(state.rows), bool)
    keep[trainer.find_dead()] = False
    splats = trainer.splats.select(keep)
    write_preview(folder / "preview.jpg", splats, photos, shown, extent)
    scores = {}
    for number in held:
        photo = photos.get(number, 0)
        drawn, _ = render(splats, photo.view, extent=extent, threads=options.threads)
        scores[photo.view.name] = quality.score(drawn, photo.pixels, photo.mask, options.threads)
    saved.unlink(missing_ok=True)
    return Fitted(splats, scores, state.iteration, extent)


def held_out(photos: int) -> list[int]:
    """Numbers of the photos to test with."""
    return list(range(HELD_OUT // 2, photos, HELD_OUT)) if photos >= _FEWEST else []


def spread(views: Sequence[View]) -> float:
    """Root mean square distance of the cameras from their middle, world units."""
    centers = np.array([view.center for view in views])
    return float(np.sqrt(((centers - centers.mean(0)) ** 2).sum(1).mean())) or 1.0


def first_splats(
    model: SparseModel, views: Sequence[View], options: TrainOptions, cloud: PointCloud | None
) -> Splats:
    """Gaussians at what is known of the scene."""
    splats = initial.from_sparse(model)
    if cloud is not None and len(cloud):
        count = int(_FROM_CLOUD * options.splats)
        splats = initial.together(initial.from_cloud(cloud, count, options.seed), splats)
    splats = initial.together(splats, initial.fill(model, views))
    # What only photos outside of the training saw would never be carved away.
    splats = splats.select(~initial.find_masked(splats.means, views))
    if len(splats) == 0:
        raise ReconstructionError("The cameras share no points from which splats could be made.")
    if len(splats) > options.splats:
        rng = np.random.default_rng(options.seed)
        splats = splats.select(np.sort(rng.choice(len(splats), options.splats, replace=False)))
    return splats


def write_preview(
    path: Path, splats: Splats, photos: PhotoCache, number: int, extent: float
) -> None:
    """A photo beside the same view of the splats."""
    photo = photos.get(number, 0)
    drawn, _ = render(splats, photo.view, extent=extent)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        Image.fromarray(np.concatenate([photo.pixels, drawn], axis=1)).save(
            file, "JPEG", quality=88
        )
