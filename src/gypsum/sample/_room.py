"""A furnished corner of a room, as a phone with a depth sensor would see it.

A sofa, a table with things on it, a shelf, a lamp and a plant pot stand before two walls. The
phone's colour camera is a pinhole; its depth sensor looks through the same lens and makes the
mistakes of its kind: noise that grows with the distance, depths between two things at their edges,
drop-outs, millimetres. Its tracking drifts. The truth is known to the bit.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gypsum.formats.atomic import atomic_write
from gypsum.formats.ply import write_mesh
from gypsum.sample._camera import intrinsics, look_at
from gypsum.scene import Mesh, Progress, RgbdFrame, no_progress, write_frames

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Int32 = NDArray[np.int32]
UInt8 = NDArray[np.uint8]

#: The depth sensor's picture.
DEPTH_SIZE = (256, 192)
#: Noise of a depth, share of it; where depth jumps by more than the second share, sensors mix.
NOISE, JUMP = 0.01, 0.03
#: Share of the pixels at edges that get a depth in between, and that get none.
MIXED, DROPPED = 0.5, 0.3
#: Surfaces flatter than this to the line of sight, and farther than this, metres, are unsure.
FLAT, FAR = 0.25, 4.0
#: How far the tracking is off on average (root of the mean square), metres and radians.
DRIFT, TURN = 0.03, math.radians(1.0)
#: Depth rays that must hit a triangle of the truth for it to count as seen.
SEEN = 3
#: Triangles of the truth are cut to this length, metres.
CUT = 0.04
JPEG_QUALITY = 92
#: The room's size, metres, and what the sensor's noise is drawn from.
ROOM, HEIGHT = 3.6, 2.4
LAMP = np.array([2.3, 2.0, 2.2])
#: How strong the patterns are: walls are nearly plain.
PLAIN, RICH = np.float32(0.07), np.float32(0.28)


@dataclass(frozen=True)
class RoomFacts:
    """What was written."""

    folder: Path
    frames: int
    faces: int
    """Triangles of the true surface, where it was seen."""
    seconds: float


class _Builder:
    """Triangles with the number of the thing they belong to."""

    def __init__(self) -> None:
        self.triangles: list[Float64] = []
        self.things: list[int] = []

    def quad(self, thing: int, corner: Float64, a: Float64, b: Float64) -> None:
        """A parallelogram, cut into triangles; its front is to the side of ``a x b``."""
        n = max(1, math.ceil(float(np.linalg.norm(a)) / CUT))
        m = max(1, math.ceil(float(np.linalg.norm(b)) / CUT))
        u, v = np.meshgrid(np.arange(n) / n, np.arange(m) / m, indexing="ij")
        low = corner + u[..., None] * a + v[..., None] * b
        p, q, r = low + a / n, low + a / n + b / m, low + b / m
        made = np.concatenate([np.stack([low, p, q], -2), np.stack([low, q, r], -2)])
        self.triangles.append(made.reshape(-1, 3, 3))
        self.things += [thing] * (2 * n * m)

    def box(self, thing: int, low: tuple[float, ...], high: tuple[float, ...]) -> None:
        """An upright box."""
        o, e = np.array(low), np.array(high)
        x, y, z = (np.eye(3) * (e - o)).copy()
        for corner, a, b in (
            (o, y, x), (o + z, x, y), (o, x, z), (o + y, z, x), (o, z, y), (o + x, y, z),
        ):  # fmt: skip
            self.quad(thing, corner, a, b)

    def turned(self, thing: int, place: tuple[float, float], profile: Float64, parts: int) -> None:
        """A shape on a lathe: ``profile`` (N, 2) of radius and height, upwards."""
        angle = 2 * np.pi * np.arange(parts + 1) / parts
        ring = np.stack([np.cos(angle), np.sin(angle)], 1)
        rows = [
            np.concatenate([r * ring + place, np.full((parts + 1, 1), h)], 1) for r, h in profile
        ]
        for low, high in pairwise(rows):
            a, b, c, d = low[:-1], low[1:], high[1:], high[:-1]
            for triangles in (np.stack([a, b, c], 1), np.stack([a, c, d], 1)):
                area = np.linalg.norm(
                    np.cross(triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]),
                    axis=1,
                )
                kept = triangles[area > 1e-9]
                self.triangles.append(kept)
                self.things += [thing] * len(kept)


FLOOR, WALL, WALL2, SOFA, WOOD, SHELF, POT, LEAF, BOOKS, RUG, PICTURE, LAMPSHADE, VASE = range(13)
#: Base colour (linear RGB) of each thing, and the size of its pattern, metres.
_LOOKS: dict[int, tuple[tuple[float, float, float], float]] = {
    FLOOR: ((0.42, 0.30, 0.20), 0.9),
    WALL: ((0.62, 0.60, 0.52), 1.3),
    WALL2: ((0.45, 0.52, 0.55), 1.1),
    SOFA: ((0.20, 0.26, 0.40), 0.5),
    WOOD: ((0.38, 0.24, 0.13), 0.6),
    SHELF: ((0.66, 0.62, 0.56), 0.7),
    POT: ((0.55, 0.22, 0.13), 0.3),
    LEAF: ((0.13, 0.30, 0.10), 0.3),
    BOOKS: ((0.50, 0.20, 0.22), 0.16),
    RUG: ((0.50, 0.36, 0.30), 0.4),
    PICTURE: ((0.50, 0.45, 0.30), 0.35),
    LAMPSHADE: ((0.80, 0.74, 0.55), 0.4),
    VASE: ((0.25, 0.42, 0.45), 0.25),
}


def furnish() -> tuple[Mesh, Int32]:
    """The room's triangles, metres, Z up, and the thing of each."""
    b = _Builder()
    x, y, z = np.eye(3)
    o = np.zeros(3)
    b.quad(FLOOR, o, ROOM * x, ROOM * y)
    b.quad(WALL, o, HEIGHT * z, ROOM * x)
    b.quad(WALL2, o, ROOM * y, HEIGHT * z)
    b.box(RUG, (0.9, 1.0, 0.0), (2.3, 2.4, 0.012))
    # The sofa along the first wall.
    b.box(SOFA, (0.5, 0.05, 0.08), (2.3, 0.85, 0.42))
    b.box(SOFA, (0.5, 0.05, 0.42), (2.3, 0.27, 0.85))
    b.box(SOFA, (0.34, 0.05, 0.08), (0.5, 0.85, 0.62))
    b.box(SOFA, (2.3, 0.05, 0.08), (2.46, 0.85, 0.62))
    # A table with a thing on it.
    b.box(WOOD, (1.15, 1.25, 0.41), (2.05, 1.85, 0.45))
    for px, py in ((1.18, 1.28), (1.97, 1.28), (1.18, 1.77), (1.97, 1.77)):
        b.box(WOOD, (px, py, 0.012), (px + 0.05, py + 0.05, 0.41))
    b.box(BOOKS, (1.25, 1.35, 0.45), (1.5, 1.53, 0.53))
    vase = np.array(
        [[0, 0.45], [0.05, 0.45], [0.085, 0.52], [0.09, 0.58], [0.06, 0.66], [0.035, 0.7],
         [0.045, 0.74], [0, 0.74]]
    )  # fmt: skip
    b.turned(VASE, (1.8, 1.58), vase, 32)
    # A shelf along the second wall.
    b.box(SHELF, (0.0, 1.3, 0.0), (0.32, 1.34, 1.7))
    b.box(SHELF, (0.0, 2.3, 0.0), (0.32, 2.34, 1.7))
    for height in (0.1, 0.55, 1.0, 1.45):
        b.box(SHELF, (0.0, 1.34, height), (0.32, 2.3, height + 0.03))
    rng = np.random.default_rng(11)
    for height in (0.13, 0.58, 1.03):
        along = 1.38
        while along < 2.2:
            thick, tall = rng.uniform(0.03, 0.08), rng.uniform(0.18, 0.33)
            if rng.uniform() < 0.8:
                deep = rng.uniform(0.16, 0.25)
                b.box(BOOKS, (0.02, along, height), (deep, along + thick, height + tall))
            along += thick + 0.005
    # A lamp, a pot with a ball of leaves, pictures.
    lamp = np.array([[0, 0.0], [0.14, 0.0], [0.14, 0.03], [0.02, 0.04], [0.02, 1.25]])
    b.turned(WOOD, (2.75, 0.4), lamp, 24)
    shade = np.array([[0.02, 1.25], [0.2, 1.25], [0.13, 1.55], [0, 1.55]])
    b.turned(LAMPSHADE, (2.75, 0.4), shade, 40)
    pot = np.array([[0, 0], [0.13, 0], [0.18, 0.32], [0.15, 0.32], [0.14, 0.28], [0, 0.28]])
    b.turned(POT, (0.3, 2.75), pot, 40)
    angle = np.linspace(-np.pi / 2, np.pi / 2, 17)
    ball = np.stack([0.24 * np.cos(angle), 0.55 + 0.26 * np.sin(angle)], 1)
    b.turned(LEAF, (0.3, 2.75), ball, 32)
    b.box(PICTURE, (0.9, 0.0, 1.2), (1.6, 0.03, 1.75))
    b.box(PICTURE, (1.85, 0.0, 1.3), (2.3, 0.03, 1.9))
    b.box(PICTURE, (0.0, 0.35, 1.15), (0.03, 0.95, 1.8))
    triangles = np.concatenate(b.triangles)
    vertices, faces = np.unique(np.round(triangles.reshape(-1, 3), 6), axis=0, return_inverse=True)
    mesh = Mesh(vertices.astype(np.float32), faces.reshape(-1, 3).astype(np.int32))
    return mesh, np.array(b.things, np.int32)


class _Painter:
    """Colours at points of the surface: patterns of many sizes, and a lamp."""

    SIDE = 512
    """Texels of the pattern's side."""

    def __init__(self) -> None:
        rng = np.random.default_rng(5)
        layers = []
        for cells, strength in ((4, 0.5), (16, 0.7), (48, 0.8), (128, 0.9), (256, 0.7)):
            grey, hue = rng.normal(size=(cells, cells, 1)), rng.normal(size=(cells, cells, 3))
            small = (grey + 0.2 * hue).astype(np.float32)
            small = np.pad(small, ((0, 1), (0, 1), (0, 0)), mode="wrap")
            side = round(self.SIDE * (cells + 1) / cells)
            large = cv2.resize(small, (side, side), interpolation=cv2.INTER_CUBIC)
            layers.append(strength * large[: self.SIDE, : self.SIDE])
        total = np.sum(layers, axis=0)
        self.pattern = total.astype(np.float32)

    def colors(self, points: Float32, normals: Float32, things: Int32) -> Float32:
        """(N, 3) linear radiance."""
        base = np.array([_LOOKS[n][0] for n in range(len(_LOOKS))], np.float32)[things]
        size = np.array([_LOOKS[n][1] for n in range(len(_LOOKS))], np.float32)[things]
        strength = np.where((things == WALL) | (things == WALL2), PLAIN, RICH)
        axis = np.abs(normals).argmax(axis=1)
        u = np.where(axis == 0, points[:, 1], points[:, 0])
        v = np.where(axis == 2, points[:, 1], points[:, 2])
        # Each thing and side has its own part of the pattern.
        shift = 0.37 * things + 0.21 * axis
        pattern = _sampled(self.pattern, (u / size + shift) * self.SIDE, (v / size) * self.SIDE)
        tone = np.exp(strength[:, None] * pattern)
        board = np.floor(points[:, 0] / 0.14).astype(np.int64)
        grain = np.where(things == FLOOR, 0.75 + 0.5 * ((board * 7919) % 13) / 13, 1.0)
        to_lamp = LAMP.astype(np.float32) - points
        far = np.linalg.norm(to_lamp, axis=1)
        facing = np.abs((to_lamp * normals).sum(axis=1)) / far
        light = 0.45 + 1.1 * facing / (0.6 + 0.35 * far**2)
        return np.asarray(base * tone * (grain * light)[:, None], np.float32)


def _sampled(picture: Float32, x: NDArray[np.floating], y: NDArray[np.floating]) -> Float32:
    """(N, 3) bilinear, repeating."""
    side = picture.shape[0]
    left, top = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    u, v = (x - left)[:, None].astype(np.float32), (y - top)[:, None].astype(np.float32)
    left, top = left % side, top % side
    right, below = (left + 1) % side, (top + 1) % side
    upper = picture[top, left] * (1 - u) + picture[top, right] * u
    lower = picture[below, left] * (1 - u) + picture[below, right] * u
    return np.asarray(upper * (1 - v) + lower * v, np.float32)


@dataclass(frozen=True)
class _Hits:
    """What the rays of one picture meet; rays that meet nothing have depth 0."""

    depth: Float32
    """(H, W) along z, metres."""
    face: Int32
    """(H, W), -1 where nothing."""
    cosine: Float32
    """(H, W) between ray and surface."""


class _Scene:
    def __init__(self) -> None:
        from embreex.mesh_construction import TriangleMesh
        from embreex.rtcore_scene import EmbreeScene

        self.mesh, self.things = furnish()
        self.normals = self.mesh.face_normals()
        self._scene = EmbreeScene()
        TriangleMesh(self._scene, np.ascontiguousarray(self.mesh.vertices[self.mesh.faces]))
        self._painter = _Painter()

    def trace(self, K: Float64, R: Float64, t: Float64, width: int, height: int) -> _Hits:
        x = (np.arange(width) + 0.5 - K[0, 2]) / K[0, 0]
        y = (np.arange(height) + 0.5 - K[1, 2]) / K[1, 1]
        rays = np.stack(np.broadcast_arrays(x[None], y[:, None], 1.0), -1).reshape(-1, 3) @ R
        starts = np.broadcast_to((-R.T @ t).astype(np.float32), rays.shape)
        hit = self._scene.run(
            np.ascontiguousarray(starts), rays.astype(np.float32), query="INTERSECT", output=True
        )
        face = hit["primID"].astype(np.int32)
        # Rays have z = 1 in the camera, so the way along them is the depth.
        depth = np.where(face >= 0, hit["tfar"], 0).astype(np.float32)
        cosine = np.abs((rays * self.normals[face]).sum(axis=1)) / np.linalg.norm(rays, axis=1)
        shape = (height, width)
        return _Hits(
            depth.reshape(shape), face.reshape(shape), cosine.astype(np.float32).reshape(shape)
        )

    def picture(self, K: Float64, R: Float64, t: Float64, width: int, height: int) -> UInt8:
        hits = self.trace(K, R, t, width, height)
        seen = hits.face >= 0
        rows, columns = np.nonzero(seen)
        z = hits.depth[rows, columns]
        camera = np.stack(
            [
                (columns + 0.5 - K[0, 2]) / K[0, 0] * z,
                (rows + 0.5 - K[1, 2]) / K[1, 1] * z,
                z,
            ],
            1,
        )
        points = ((camera - t) @ R).astype(np.float32)
        face = hits.face[rows, columns]
        linear = np.full((height, width, 3), 0.75, np.float32)
        linear[rows, columns] = self._painter.colors(points, self.normals[face], self.things[face])
        return linear_to_srgb(linear)


def linear_to_srgb(linear: Float32) -> UInt8:
    """Linear light to 8-bit sRGB."""
    light = np.clip(linear, 0, 1)
    tone = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(255 * tone + 0.5).astype(np.uint8)


def walk(count: int, seed: int) -> Iterator[tuple[Float64, Float64]]:
    """World-to-camera poses of someone who looks at the corner, going to and fro."""
    rng = np.random.default_rng([seed, 21])
    wobble = np.cumsum(rng.normal(0, 1, (count, 3)), axis=0)
    wobble -= np.linspace(0, 1, count)[:, None] * wobble[-1]
    wobble *= 0.04 / max(float(np.abs(wobble).max()), 1e-9)
    for n in range(count):
        turn = n / max(count - 1, 1)
        swing = 0.5 - 0.5 * math.cos(2 * math.pi * 1.5 * turn)
        angle = math.radians(12 + 66 * swing)
        away = 2.35 + 0.25 * math.sin(2 * math.pi * 2.2 * turn)
        height = 1.35 + 0.35 * math.sin(2 * math.pi * turn)
        center = np.array([0.45 + away * math.cos(angle), 0.45 + away * math.sin(angle), height])
        aim = np.array(
            [
                0.75 + 0.55 * math.sin(2 * math.pi * 3.1 * turn),
                0.75 - 0.55 * math.sin(2 * math.pi * 3.1 * turn),
                0.62 + 0.3 * math.sin(2 * math.pi * 2.0 * turn + 1),
            ]
        )
        yield look_at(center + wobble[n], aim, math.radians(3) * math.sin(9 * turn))


def drifted(poses: list[tuple[Float64, Float64]], seed: int) -> list[tuple[Float64, Float64]]:
    """The poses as a phone would tell them: with a random walk in place and direction."""
    rng = np.random.default_rng([seed, 22])

    def random_walk(size: float) -> Float64:
        steps = np.cumsum(rng.normal(0, 1, (len(poses), 3)), axis=0)
        steps -= steps[0]
        return np.asarray(steps * size / np.sqrt((steps**2).sum(axis=1).mean()))

    shifts, turns = random_walk(DRIFT), random_walk(TURN)
    moved = []
    for (R, t), shift, turn in zip(poses, shifts, turns, strict=True):
        rotation, _ = cv2.Rodrigues(turn)
        center = -R.T @ t + shift
        new = R @ rotation
        moved.append((new, -new @ center))
    return moved


def sensed(hits: _Hits, rng: np.random.Generator) -> tuple[NDArray[np.uint16], UInt8]:
    """A depth map in millimetres and its confidence (0 to 255), as a phone makes them."""
    depth = hits.depth
    kernel = np.ones((3, 3), np.uint8)
    far, near = cv2.dilate(depth, kernel), cv2.erode(depth, kernel)
    edge = (depth > 0) & (far - near > JUMP * depth)
    luck = rng.uniform(size=depth.shape)
    share = rng.uniform(size=depth.shape).astype(np.float32)
    noisy = np.where(edge & (luck < MIXED), near + share * (far - near), depth)
    noisy = noisy * (1 + NOISE * rng.normal(size=depth.shape))
    noisy[edge & (luck > 1 - DROPPED)] = 0
    unsure = (hits.cosine < FLAT) | (depth > FAR)
    level = np.where(edge, rng.integers(0, 2, depth.shape), np.where(unsure, 1, 2))
    steps = np.clip(np.rint(1000 * noisy), 0, 65535)
    return steps.astype(np.uint16), (level * 255 // 2).astype(np.uint8)


def make_room_sample(
    folder: Path,
    frames: int,
    width: int,
    height: int,
    seed: int,
    progress: Progress = no_progress,
) -> RoomFacts:
    """Write the capture as a plain folder, and the truth beside it."""
    started = time.monotonic()
    progress(0.0, "furnishing the room")
    scene = _Scene()
    for name in ("photos", "depth", "confidence", "truth"):
        place = folder / name
        place.mkdir(parents=True, exist_ok=True)
        for old in (*place.glob("[0-9][0-9][0-9][0-9].*"),):
            old.unlink()
    poses = list(walk(frames, seed))
    told = drifted(poses, seed)
    K, depth_K = intrinsics(width, height), intrinsics(*DEPTH_SIZE)
    rays = np.zeros(len(scene.mesh.faces), np.int64)
    made, truth = [], {}
    for number, (true, given) in enumerate(zip(poses, told, strict=True)):
        progress(number / frames, f"taking frame {number + 1} of {frames}")
        name = f"{number + 1:04d}"
        rng = np.random.default_rng([seed, 23, number])
        picture = scene.picture(K, *true, width, height)
        grain = rng.normal(0, 2.0, picture.shape).astype(np.float32)
        photo = np.clip(picture + grain, 0, 255).astype(np.uint8)
        hits = scene.trace(depth_K, *true, *DEPTH_SIZE)
        rays += np.bincount(hits.face[hits.face >= 0], minlength=len(rays))
        depth, confidence = sensed(hits, rng)
        color = folder / "photos" / f"{name}.jpg"
        paths = (folder / "depth" / f"{name}.png", folder / "confidence" / f"{name}.png")
        _save(color, Image.fromarray(photo), "JPEG")
        _save(paths[0], Image.fromarray(depth), "PNG")
        _save(paths[1], Image.fromarray(confidence), "PNG")
        made.append(RgbdFrame(name, width, height, K, *given, color, *paths, 0.001, number / 10))
        truth[f"{name}.jpg"] = _as_json(width, height, K, *true)
    write_frames(folder, made)
    with atomic_write(folder / "truth" / "cameras.json") as file:
        file.write(json.dumps({"photos": truth, "test": {}}, indent=1).encode())
    seen = Mesh(scene.mesh.vertices, scene.mesh.faces[rays >= SEEN])
    write_mesh(folder / "truth" / "mesh.ply", seen)
    progress(1.0, "done")
    return RoomFacts(folder, frames, len(seen.faces), time.monotonic() - started)


def _as_json(width: int, height: int, K: Float64, R: Float64, t: Float64) -> dict[str, Any]:
    return {
        "width": width,
        "height": height,
        "K": K.tolist(),
        "R": R.tolist(),
        "t": t.tolist(),
    }


def _save(path: Path, image: Image.Image, kind: str) -> None:
    with atomic_write(path) as file:
        if kind == "JPEG":
            image.save(file, kind, quality=JPEG_QUALITY)
        else:
            image.save(file, kind)
