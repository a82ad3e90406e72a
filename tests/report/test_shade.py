"""The colours of samples against a slow, obvious twin."""

from __future__ import annotations

import numpy as np
import pytest

from gypsum.formats.colors import sample_texture
from gypsum.native._render import shade_atlas, shade_corners

HEIGHT, WIDTH, FACES, FOCAL = 24, 32, 9, 50.0
RANDOM = np.random.default_rng(3)


def fragments() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Faces of which a quarter of the samples shows none, weights and depths."""
    face = RANDOM.integers(0, FACES, (HEIGHT, WIDTH)).astype(np.int32)
    face[RANDOM.random(face.shape) < 0.25] = -1
    weights = RANDOM.dirichlet((1, 1, 1), face.shape)[..., 1:].astype(np.float32)
    return face, weights, RANDOM.uniform(1, 4, face.shape).astype(np.float32)


def averaged(face: np.ndarray, colors: np.ndarray, factor: int) -> np.ndarray:
    """Pixels (H, W, 4) of the samples' colours (H, W, 3)."""
    shape = (HEIGHT // factor, factor, WIDTH // factor, factor)
    shown = (face >= 0).reshape(shape)
    count = shown.sum(axis=(1, 3))
    total = np.where(shown[..., None], colors.reshape(*shape, 3), 0).sum(axis=(1, 3))
    mean = total / np.maximum(count, 1)[..., None]
    return np.concatenate([mean, 255 * count[..., None] / factor**2], axis=-1)


def corner_weights(weights: np.ndarray) -> np.ndarray:
    return np.concatenate([1 - weights.sum(axis=-1, keepdims=True), weights], axis=-1)


@pytest.mark.parametrize("factor", [1, 2, 4])
def test_textures_of_several_materials_and_sizes(factor: int) -> None:
    face, weights, depth = fragments()
    # Coordinates beyond 0 to 1 repeat the texture.
    uvs = RANDOM.uniform(-0.5, 1.5, (20, 2)).astype(np.float32)
    uv_faces = RANDOM.integers(0, len(uvs), (FACES, 3)).astype(np.int32)
    material = (np.arange(FACES) % 2).astype(np.int32)
    density = np.exp(RANDOM.uniform(0, 12, FACES)).astype(np.float32)
    levels = [
        [RANDOM.integers(0, 256, (side, 2 * side, 3), dtype=np.uint8) for side in (16, 8, 4)],
        [RANDOM.integers(0, 256, (1, 1, 3), dtype=np.uint8)],
    ]
    seen = (face, weights, depth, FOCAL, factor, uvs, uv_faces, material, density, levels)
    picture = shade_atlas(*seen, threads=2)

    colors = np.zeros((HEIGHT, WIDTH, 3))
    for at in np.argwhere(face >= 0):
        here = tuple(at)
        texels = density[face[here]] * (depth[here] / FOCAL) ** 2
        sizes = levels[material[face[here]]]
        level = min(round(0.5 * np.log2(max(texels, 1))), len(sizes) - 1)
        uv = corner_weights(weights)[here] @ uvs[uv_faces[face[here]]]
        colors[here] = sample_texture(sizes[level], uv[None])
    expected = averaged(face, colors, factor)
    assert np.abs(picture - expected).max() <= 1
    np.testing.assert_array_equal(picture, shade_atlas(*seen, threads=1))


@pytest.mark.parametrize("factor", [1, 2])
def test_colours_of_corners(factor: int) -> None:
    face, weights, _ = fragments()
    faces = RANDOM.integers(0, 12, (FACES, 3)).astype(np.int32)
    corners = RANDOM.uniform(0, 255, (12, 3)).astype(np.float32)
    picture = shade_corners(face, weights, factor, faces, corners)
    colors = np.einsum("hwk,hwkd->hwd", corner_weights(weights), corners[faces[face]])
    assert np.abs(picture - averaged(face, colors, factor)).max() <= 1


def test_what_points_past_the_model_is_refused() -> None:
    face, weights, depth = fragments()
    uvs, faces = np.zeros((3, 2), np.float32), np.zeros((FACES, 3), np.int32)
    ones, zeros = np.ones(FACES, np.float32), np.zeros(FACES, np.int32)
    levels = [[np.zeros((2, 2, 3), np.uint8)]]

    def shade(face=face, factor=1, faces=faces, material=zeros, levels=levels):
        shade_atlas(face, weights, depth, FOCAL, factor, uvs, faces, material, ones, levels)

    shade()
    for wrong in (
        {"face": face + 1},
        {"face": face[1:]},
        {"factor": 5},
        {"faces": faces + 3},
        {"material": zeros + 1},
        {"levels": [[]]},
    ):
        with pytest.raises(ValueError, match=r"\w"):
            shade(**wrong)
