"""Analytic scenes for the tests of the cameras."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.cameras.features import Features, features_path
from gypsum.scene.capture import Capture, PhotoFile

Float64 = NDArray[np.float64]
WIDTH, HEIGHT, FOCAL = 640, 480, 600.0


def textured(height: int, width: int, seed: int) -> NDArray[np.uint8]:
    """Smooth noise with plenty of blobs."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(0, 1, (height, width)), (0, 0), 2.0)
    noise = noise / np.abs(noise).max()
    return (128 + 127 * noise).round().astype(np.uint8)


def capture_of(
    names: list[str], width: int = WIDTH, height: int = HEIGHT, focal: float | None = None
) -> Capture:
    """A capture of photos of one camera."""
    return Capture(
        tuple(
            PhotoFile(
                name=name,
                source=name,
                width=width,
                height=height,
                focal_px=focal,
                camera="camera",
                gps=None,
                time=None,
                sharpness=1.0,
                brightness=0.5,
                digest="",
            )
            for name in names
        )
    )


def look_at(center: Float64, target: Float64, roll: float = 0.0) -> Float64:
    """(3, 3) world-to-camera rotation, Z up, turned by ``roll`` radians about the view axis."""
    z = (target - center) / np.linalg.norm(target - center)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    c, s = np.cos(roll), np.sin(roll)
    turned: Float64 = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]]) @ R
    return turned


@dataclass(frozen=True)
class Ring:
    """Cameras on a ring around points; world in units of about one, Z up."""

    names: list[str]
    R: Float64
    """(N, 3, 3) world to camera."""
    centers: Float64
    """(N, 3)"""
    points: Float64
    """(P, 3)"""

    def project(self, i: int, points: Float64) -> tuple[Float64, NDArray[np.bool_]]:
        """Pixels (P, 2) of camera i, and which are in the picture."""
        camera = (points - self.centers[i]) @ self.R[i].T
        xy = FOCAL * camera[:, :2] / camera[:, 2:] + (WIDTH / 2, HEIGHT / 2)
        inside = (xy > 2).all(axis=1) & (xy < (WIDTH - 2, HEIGHT - 2)).all(axis=1)
        return xy, inside & (camera[:, 2] > 0.1)


def ring(count: int = 12, points: int = 900, arc: float = 2 * np.pi) -> Ring:
    """A ring of ``count`` cameras at two heights, looking at a ball of points on a floor."""
    rng = np.random.default_rng(5)
    angles = np.arange(count) * arc / count
    centers = np.stack(
        [3 * np.cos(angles), 3 * np.sin(angles), 1.2 + 0.5 * (np.arange(count) % 2)], axis=1
    )
    target = np.array([0.0, 0.0, 0.4])
    rolls = rng.normal(0, 0.02, count)
    R = np.array([look_at(c, target, roll) for c, roll in zip(centers, rolls, strict=True)])
    ball = rng.normal(0, 1, (points // 2, 3))
    ball = 0.5 * ball / np.linalg.norm(ball, axis=1, keepdims=True) + (0, 0, 0.5)
    floor = np.c_[rng.uniform(-1, 1, (points - points // 2, 2)), np.zeros(points - points // 2)]
    names = [f"{i:02d}.png" for i in range(count)]
    return Ring(names, R, centers, np.concatenate([ball, floor]))


def random_descriptors(count: int, seed: int) -> NDArray[np.uint8]:
    """Distinct RootSIFT-like descriptors (count, 128)."""
    rng = np.random.default_rng(seed)
    values = rng.gamma(0.6, 1.0, (count, 128))
    return np.clip(512 * np.sqrt(values / values.sum(axis=1, keepdims=True)), 0, 255).astype(
        np.uint8
    )


def write_features(scene: Ring, folder: Path, noise: float = 0.3, strangers: int = 100) -> None:
    """The features that the photos of a ring would have: noisy places and descriptors, some
    wrongly described, and some that no other photo has. Nothing hides anything."""
    folder.mkdir(parents=True)
    described = random_descriptors(len(scene.points), seed=7)
    for i, name in enumerate(scene.names):
        rng = np.random.default_rng(100 + i)
        xy, inside = scene.project(i, scene.points)
        xy = xy[inside] + rng.normal(0, noise, (int(inside.sum()), 2))
        rows = np.flatnonzero(inside)
        mistaken = rng.random(len(rows)) < 0.05
        rows[mistaken] = rng.permutation(rows[mistaken])
        descriptors = described[rows].astype(np.int64) + rng.integers(-4, 5, (len(rows), 128))
        others = rng.uniform((0, 0), (WIDTH, HEIGHT), (strangers, 2))
        places = np.concatenate([xy, others])
        keypoints = np.c_[places, np.full(len(places), 2.0), np.zeros(len(places))]
        Features(
            keypoints.astype(np.float32),
            np.concatenate(
                [
                    np.clip(descriptors, 0, 255).astype(np.uint8),
                    random_descriptors(strangers, 500 + i),
                ]
            ),
        ).save(features_path(folder, name))


def write_photos(names: list[str], folder: Path) -> None:
    """One plain grey photo per name."""
    folder.mkdir(parents=True)
    for name in names:
        Image.new("RGB", (WIDTH, HEIGHT), (90, 120, 150)).save(folder / name)


def center_errors(found: Float64, truth: Float64) -> Float64:
    """(N,) distances after the best similarity, as a share of the truth's radius."""
    a, b = found - found.mean(axis=0), truth - truth.mean(axis=0)
    U, values, Vt = np.linalg.svd(b.T @ a)
    signs = np.array([1, 1, np.linalg.det(U @ Vt)])
    scale = (values * signs).sum() / (a**2).sum()
    radius = np.sqrt((b**2).sum(axis=1).mean())
    errors: Float64 = np.linalg.norm(scale * a @ ((U * signs) @ Vt).T - b, axis=1) / radius
    return errors
