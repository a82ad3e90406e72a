"""The kernel against its NumPy twin, and on a plane whose depth is known."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.dense.depth_maps import plane_normals
from gypsum.native._patchmatch import Matcher

from . import scenes

RADIUS = 5
OFFSETS = np.array(
    [
        (x, y)
        for y in range(-RADIUS, RADIUS + 1, 2)
        for x in range(-RADIUS, RADIUS + 1, 2)
        if not abs(x) == abs(y) == RADIUS
    ]
)


def twin_cost(
    gray: NDArray[np.uint8],
    other: NDArray[np.uint8],
    forward: NDArray[np.float32],
    pixel: tuple[int, int],
    plane: tuple[float, float, float],
    mask: NDArray[np.bool_] | None = None,
) -> float:
    """1 - NCC with bilateral weights, none outside the mask, in double precision."""
    (x, y), (w, a, b) = pixel, plane
    p = np.array([x + 0.5, y + 0.5, 1.0])
    M, v = forward[:, :3].astype(float), forward[:, 3].astype(float)
    h = M @ p + v * w
    if h[2] <= 1e-6:
        return 2.0
    s = h[:2] / h[2]
    height, width = other.shape
    if not (0.5 <= s[0] < width - 0.5 and 0.5 <= s[1] < height - 0.5):
        return 2.0
    gradient = np.array([a, b])
    jacobian = (M[:2, :2] + np.outer(v[:2], gradient)) / h[2]
    jacobian -= np.outer(s, M[2, :2] + v[2] * gradient) / h[2]
    if not 0.04 < np.linalg.det(jacobian) < 25:
        return 2.0
    here = np.clip(OFFSETS + np.array([x, y]), 0, (gray.shape[1] - 1, gray.shape[0] - 1))
    reference = gray[here[:, 1], here[:, 0]].astype(float)
    weight = np.exp(-np.sum(OFFSETS**2, 1) / 81.0)
    weight *= np.exp(-np.abs(reference - float(gray[y, x])) / 18.0)
    if mask is not None:
        weight *= mask[here[:, 1], here[:, 0]]
    if not weight.sum():
        return 1.0
    weight /= weight.sum()
    there = np.clip(s - 0.5 + OFFSETS @ jacobian.T, 0, (width - 1, height - 1))
    low = np.floor(there).astype(int)
    high = np.minimum(low + 1, (width - 1, height - 1))
    fx, fy = (there - low).T
    image = other.astype(float)
    top = image[low[:, 1], low[:, 0]] * (1 - fx) + image[low[:, 1], high[:, 0]] * fx
    bottom = image[high[:, 1], low[:, 0]] * (1 - fx) + image[high[:, 1], high[:, 0]] * fx
    value = top * (1 - fy) + bottom * fy
    mean_r, mean_s = weight @ reference, weight @ value
    covariance = weight @ ((reference - mean_r) * (value - mean_s))
    variance_r = weight @ (reference - mean_r) ** 2
    variance_s = weight @ (value - mean_s) ** 2
    return float(min(1 - covariance / np.sqrt((variance_r + 4) * (variance_s + 4)), 2.0))


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("portable", [True, False])
def test_cost_equals_the_twin_on_random_windows(portable: bool, masked: bool) -> None:
    rng = np.random.default_rng(1)
    gray, other = (rng.integers(0, 256, (48, 64), dtype=np.uint8) for _ in range(2))
    forward = np.hstack([np.eye(3), rng.normal(size=(3, 1))]).astype(np.float32)
    forward[:2, :3] += rng.normal(size=(2, 3)).astype(np.float32) * (0.02, 0.02, 1.0)
    forward[2, :2] = rng.normal(size=2) * 1e-4
    matcher = Matcher(gray, [60.0, 60.0, 32.0, 24.0], 0.1, 2.0, portable=portable)
    matcher.add_source(other, forward)
    mask = rng.random(gray.shape) < 0.4 if masked else None
    if mask is not None:
        matcher.set_mask(mask.astype(np.uint8))
    compared = 0
    for _ in range(400):
        pixel = int(rng.integers(64)), int(rng.integers(48))
        plane = float(rng.uniform(0.1, 2)), *(float(v) for v in rng.normal(size=2) * 0.05)
        expected = twin_cost(gray, other, forward, pixel, plane, mask)
        assert matcher.cost(*pixel, *plane, 0) == pytest.approx(expected, abs=2e-4)
        compared += expected < 2
    assert compared > 200


def reconstruct(
    views: list, threads: int = 0, portable: bool = False, mask: NDArray[np.uint8] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Planes and costs of the middle view after some sweeps from random planes."""
    from gypsum.dense.depth_maps import _transfer

    middle = len(views) // 2
    here = views[middle]
    grays = [np.ascontiguousarray(view.read()[..., 0]) for view in views]
    K = here.K
    matcher = Matcher(
        grays[middle], [K[0, 0], K[1, 1], K[0, 2], K[1, 2]], 1 / 3.5, 1 / 1.0, 7, threads, portable
    )
    for i, view in enumerate(views):
        if i != middle:
            matcher.add_source(grays[i], _transfer(here, view))
    if mask is not None:
        matcher.set_mask(mask)
    size = (here.height, here.width)
    planes, cost = np.zeros((*size, 3), np.float32), np.zeros(size, np.float32)
    chosen = np.zeros(size, np.uint16)
    matcher.initialise(planes, cost, chosen)
    for sweep in range(6):
        matcher.sweep(planes, cost, chosen, sweep, 15, 2 * 0.6**sweep, 0.4 * 0.6**sweep, sweep < 4)
    return planes, cost


@pytest.mark.parametrize("portable", [True, False])
def test_a_plane_is_recovered_with_its_normal(tmp_path: Path, portable: bool) -> None:
    views = scenes.plane_views(tmp_path, width=240, height=180)
    here = views[2]
    planes, _ = reconstruct(views, portable=portable)
    inner = (slice(15, -15), slice(15, -15))
    error = np.abs(1 / planes[..., 0] - scenes.plane_depth(here)) / scenes.plane_depth(here)
    assert np.median(error[inner]) < 1e-3
    assert np.mean(error[inner] < 5e-3) > 0.98
    normals = plane_normals(planes, here.K)
    cosine = np.clip(normals @ (here.R @ scenes.NORMAL), -1, 1)
    assert np.degrees(np.median(np.arccos(cosine[inner]))) < 3


def test_the_result_does_not_depend_on_threads(tmp_path: Path) -> None:
    views = scenes.plane_views(tmp_path, width=120, height=90)
    one, two = reconstruct(views, threads=1), reconstruct(views, threads=2)
    np.testing.assert_array_equal(one[0], two[0])
    np.testing.assert_array_equal(one[1], two[1])


def test_masked_pixels_are_left_alone(tmp_path: Path) -> None:
    views = scenes.plane_views(tmp_path, width=120, height=90)
    mask = np.zeros((90, 120), np.uint8)
    mask[:, :60] = 255
    planes, _ = reconstruct(views, mask=mask)
    assert np.all(planes[:, 60:] == 0)
    assert np.all(planes[:, :60, 0] > 0)


def test_wrong_sizes_are_refused() -> None:
    gray = np.zeros((20, 30), np.uint8)
    matcher = Matcher(gray, [30.0, 30.0, 15.0, 10.0], 0.5, 1.0)
    matcher.add_source(gray, np.eye(3, 4, dtype=np.float32))
    small = np.zeros((10, 10), np.float32)
    with pytest.raises(ValueError, match="size"):
        matcher.initialise(np.zeros((10, 10, 3), np.float32), small, small.astype(np.uint16))
    with pytest.raises(ValueError, match="w_min"):
        Matcher(gray, [30.0, 30.0, 15.0, 10.0], 1.0, 0.5)
