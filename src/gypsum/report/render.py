"""Drawing meshes without a graphics card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from gypsum.formats.colors import plain_color
from gypsum.formats.corners import unit_normals
from gypsum.native._render import rasterize, shade_atlas, shade_corners
from gypsum.report.clay import Clay
from gypsum.scene import Material, Mesh, TexturedMesh, View

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

_ROWS_AT_ONCE = 128
"""Rows shaded together: bounds the memory for the colours of large pictures."""

_COARSEST_LEVEL = 3
"""Atlases are padded around their charts by some texels; coarser levels would mix charts."""

_PLAIN = np.array([190, 190, 190], np.uint8)


class Shading(StrEnum):
    """What a picture of a mesh shows."""

    TEXTURE = "texture"
    """Its colours as they are, unlit."""
    CLAY = "clay"
    """Its shape, lit from the upper left, with soft shadows; the surface's back is dark red."""
    NORMALS = "normals"
    """Its orientation: camera x, y, z as red, green, blue."""


@dataclass(frozen=True)
class Ball:
    """The part of the world that is drawn."""

    center: Float64
    """(3,) world."""
    radius: float


@dataclass(frozen=True)
class Eye:
    """A pinhole that need not belong to a photo; frames and pixels as in ``View``."""

    width: int
    height: int
    K: Float64
    R: Float64
    t: Float64

    @classmethod
    def of(cls, view: View) -> Eye:
        """A photo's own."""
        return cls(view.width, view.height, view.K, view.R, view.t)

    @classmethod
    def looking(cls, place: Float64, target: Float64, width: int, height: int, field: float) -> Eye:
        """From ``place`` to ``target``, Z up; ``field`` of view over the shorter side, radians."""
        forward = (target - place) / np.linalg.norm(target - place)
        up = np.array([0.0, 0.0, 1.0]) if abs(forward[2]) < 0.999 else np.array([0.0, 1.0, 0.0])
        right = np.cross(forward, up)
        right /= np.linalg.norm(right)
        R = np.stack([right, np.cross(forward, right), forward])
        focal = min(width, height) / 2 / np.tan(field / 2)
        K = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
        return cls(width, height, K, R, -R @ place)

    def scaled(self, factor: int) -> Eye:
        """The same picture with ``factor`` times as many pixels along each side."""
        K = self.K.copy()
        K[:2] *= factor
        return replace(self, width=self.width * factor, height=self.height * factor, K=K)

    def project(self, points: NDArray[np.floating]) -> tuple[Float64, Float64]:
        """World points (N, 3) to pixels (N, 2) and depths (N,)."""
        camera = np.asarray(points, np.float64) @ self.R.T + self.t
        with np.errstate(divide="ignore", invalid="ignore"):
            pixels = camera[:, :2] / camera[:, 2:]
        pixels = pixels * (self.K[0, 0], self.K[1, 1]) + (self.K[0, 2], self.K[1, 2])
        return pixels, camera[:, 2]

    def lift(self, pixels: Float64, depth: NDArray[np.floating]) -> Float64:
        """World points (N, 3) at pixels (N, 2) and depths (N,)."""
        rays = (pixels - self.K[:2, 2]) / (self.K[0, 0], self.K[1, 1])
        camera = np.column_stack([rays, np.ones(len(rays))]) * np.asarray(depth)[:, None]
        return np.asarray((camera - self.t) @ self.R)

    def filled_by(self, points: NDArray[np.floating], share: float) -> Eye:
        """Zoomed and shifted, so that points (N, 3) fill this share of the picture, centred."""
        pixels, _ = self.project(points)
        low, high = np.percentile(pixels, [0.2, 99.8], axis=0)
        sides = np.array([self.width, self.height])
        zoom = float((share * sides / np.maximum(high - low, 1e-9)).min())
        K = self.K.copy()
        K[:2, :2] *= zoom
        # Shifting the principal point turns no line; turning the camera would.
        K[:2, 2] = sides / 2 + zoom * (K[:2, 2] - (low + high) / 2)
        return replace(self, K=K)


@dataclass(frozen=True)
class _Fragments:
    """What each sample shows: ``rasterize``'s result."""

    face: NDArray[np.int32]
    weights: Float32
    depth: Float32


@dataclass(frozen=True)
class _Atlas:
    """A model's textures as ``shade_atlas`` wants them."""

    uvs: Float32
    uv_faces: NDArray[np.int32]
    materials: NDArray[np.int32]
    texels: Float32
    levels: list[list[UInt8]]

    @classmethod
    def of(cls, model: TexturedMesh) -> _Atlas:
        return cls(
            np.ascontiguousarray(model.uvs, np.float32),
            np.ascontiguousarray(model.uv_faces, np.int32),
            np.ascontiguousarray(model.face_materials, np.int32),
            _texels_per_area(model),
            [_pyramid(material) for material in model.materials],
        )


class Renderer:
    """Draws one model many times; what doesn't depend on the camera is worked out once."""

    def __init__(self, model: TexturedMesh | Mesh, threads: int = 0) -> None:
        self.mesh = model.mesh if isinstance(model, TexturedMesh) else model
        self._threads = threads
        self._normals = unit_normals(self.mesh)
        self._faces = np.ascontiguousarray(self.mesh.faces, np.int32)
        self._atlas = _Atlas.of(model) if isinstance(model, TexturedMesh) else None
        if self._atlas is None:
            self._corners = _corner_colors(self.mesh)

    def render(
        self,
        eye: Eye,
        shading: Shading = Shading.TEXTURE,
        supersample: int = 2,
        ball: Ball | None = None,
    ) -> UInt8:
        """The picture (height, width, 4), sRGB and straight alpha, 0 where there is no surface."""
        fine = eye.scaled(supersample)
        fragments = self._rasterize(fine, ball)
        if shading is Shading.TEXTURE:
            return self._colored(fragments, fine, supersample)
        clay = self._clay(ball) if shading is Shading.CLAY else None
        bands = [
            self._band(fragments, rows, fine, supersample, clay)
            for rows in _bands(fine.height, _ROWS_AT_ONCE * supersample)
        ]
        picture = np.concatenate(bands)
        return np.clip(np.rint(picture), 0, 255).astype(np.uint8)

    def depth(self, eye: Eye, ball: Ball | None = None) -> Float32:
        """Depth (height, width) at the pixels' centres, 0 where there is no surface."""
        return self._rasterize(eye, ball).depth

    def _rasterize(self, eye: Eye, ball: Ball | None) -> _Fragments:
        vertices = self.mesh.vertices.astype(np.float64) @ eye.R.T + eye.t
        center = np.zeros(3) if ball is None else eye.R @ ball.center + eye.t
        return _Fragments(
            *rasterize(
                np.ascontiguousarray(vertices, np.float32),
                self._faces,
                np.ascontiguousarray(eye.K, np.float64),
                eye.width,
                eye.height,
                center,
                np.inf if ball is None else ball.radius,
                self._threads,
            )
        )

    def _clay(self, ball: Ball | None) -> Clay:
        return Clay(self.mesh) if ball is None else Clay(self.mesh, ball.center, ball.radius)

    def _band(
        self,
        fragments: _Fragments,
        rows: slice,
        eye: Eye,
        supersample: int,
        clay: Clay | None,
    ) -> Float32:
        """Averaged colours and alpha of some rows, 0 to 255: of clay, or else of normals."""
        face, depth = fragments.face[rows], fragments.depth[rows]
        y, x = np.nonzero(face >= 0)
        face_hit, depth_hit = face[y, x], depth[y, x]
        second, third = fragments.weights[rows][y, x].T
        weights = np.stack([1 - second - third, second, third], axis=1)
        samples = np.zeros((*face.shape, 4), np.float32)
        samples[y, x, 3] = 255
        if clay is None:
            normals = self._smooth_normals(face_hit, weights) @ eye.R.T.astype(np.float32)
            colors = (normals * np.array([1, -1, -1], np.float32) + 1) * 127.5
        else:
            pixels = np.stack([x + 0.5, y + rows.start + 0.5], axis=1)
            group = (y % supersample * supersample + x % supersample).astype(np.int32)
            colors = clay.colors(
                eye.lift(pixels, depth_hit).astype(np.float32),
                self._smooth_normals(face_hit, weights),
                self._shows_back(eye)[face_hit],
                eye.R,
                group,
                supersample**2,
            )
        samples[y, x, :3] = colors
        height, width = face.shape[0] // supersample, face.shape[1] // supersample
        shape = (height, supersample, width, supersample, 4)
        mean: Float32 = samples.reshape(shape).mean(axis=(1, 3))
        mean[..., :3] *= 255 / np.maximum(mean[..., 3:], 1)
        return mean

    def _smooth_normals(self, face: NDArray[np.int32], weights: Float32) -> Float32:
        """(N, 3) unit normals, world."""
        normals = np.einsum("nk,nkd->nd", weights, self._normals[self.mesh.faces[face]])
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
        return np.asarray(normals, np.float32)

    def _shows_back(self, eye: Eye) -> NDArray[np.bool_]:
        """(F,) whether the eye is behind each face."""
        center = -eye.R.T @ eye.t
        toward = center - self.mesh.vertices[self.mesh.faces[:, 0]]
        back: NDArray[np.bool_] = np.einsum("fd,fd->f", self.mesh.face_normals(), toward) < 0
        return back

    def _colored(self, fragments: _Fragments, eye: Eye, supersample: int) -> UInt8:
        """The picture in the model's own colours; ``eye`` in samples."""
        seen = fragments.face, fragments.weights
        if self._atlas is None:
            return shade_corners(*seen, supersample, self._faces, self._corners, self._threads)
        return shade_atlas(
            *seen,
            fragments.depth,
            float(eye.K[0, 0]),
            supersample,
            self._atlas.uvs,
            self._atlas.uv_faces,
            self._atlas.materials,
            self._atlas.texels,
            self._atlas.levels,
            self._threads,
        )


def render(
    model: TexturedMesh | Mesh,
    eye: Eye | View,
    shading: Shading = Shading.TEXTURE,
    supersample: int = 2,
    threads: int = 0,
) -> UInt8:
    """One picture of a model, (height, width, 4), sRGB and straight alpha."""
    eye = Eye.of(eye) if isinstance(eye, View) else eye
    return Renderer(model, threads).render(eye, shading, supersample)


def on_backdrop(picture: UInt8) -> UInt8:
    """The picture (height, width, 3) in front of a soft, neutral background."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    mixed = np.rint(picture[..., :3] * alpha + _backdrop(*picture.shape[:2]) * (1 - alpha))
    return np.asarray(mixed, np.uint8)


@lru_cache(maxsize=1)  # The frames of a turntable share one.
def _backdrop(height: int, width: int) -> Float32:
    """(height, width, 3), 0 to 255."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    distance = np.hypot((x / width - 0.5) * width / height, y / height - 0.45)
    light = 246 - 34 * np.clip(distance, 0, 1) ** 1.5
    # A trace of noise keeps the gradient from showing bands.
    light += np.random.default_rng(0).uniform(-0.5, 0.5, light.shape).astype(np.float32)
    return np.asarray(light[..., None] * np.array([1, 0.995, 0.985], np.float32))


def _bands(height: int, rows: int) -> list[slice]:
    return [slice(top, min(top + rows, height)) for top in range(0, height, rows)]


def _corner_colors(mesh: Mesh) -> Float32:
    """(V, 3), 0 to 255."""
    given = _PLAIN if mesh.colors is None else mesh.colors[:, :3]
    return np.ascontiguousarray(np.broadcast_to(given, mesh.vertices.shape), np.float32)


def _pyramid(material: Material) -> list[UInt8]:
    """The colours of a material at full, half, quarter … size."""
    if material.base_color is None:
        return [plain_color(material).reshape(1, 1, 3)]
    levels = [np.ascontiguousarray(material.base_color)]
    while len(levels) <= _COARSEST_LEVEL and min(levels[-1].shape[:2]) >= 64:
        height, width = levels[-1].shape[:2]
        half = cv2.resize(levels[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        levels.append(np.asarray(half, np.uint8))
    return levels


def _texels_per_area(model: TexturedMesh) -> Float32:
    """(F,) texels of each face for a unit of its area in the world."""
    a, b, c = (model.mesh.vertices[model.mesh.faces[:, i]].astype(np.float64) for i in range(3))
    area = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    p, q, r = (model.uvs[model.uv_faces[:, i]].astype(np.float64) for i in range(3))
    (ux, uy), (vx, vy) = (q - p).T, (r - p).T
    sizes = [1 if m.base_color is None else m.base_color[..., 0].size for m in model.materials]
    texels = np.abs(ux * vy - uy * vx) * np.array(sizes)[model.face_materials]
    return np.asarray(texels / np.maximum(area, 1e-20), np.float32)
