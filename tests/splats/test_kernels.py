"""The kernels against their twin, finite differences and each other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from gypsum.native import _splats

from . import twin

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

WIDTH, HEIGHT = 44, 36
BACKGROUND = np.array([0.2, 0.5, 0.8], np.float32)
#: So small that no part of a Gaussian that matters in single precision is cut off.
UNCUT = (1e-9, 1e-12)
USUAL = (1 / 255, 1e-4)


class Drawn:
    """A picture and what is needed to go back from it."""

    def __init__(
        self,
        rows: Float32,
        degree: int = 3,
        cut: tuple[float, float] = UNCUT,
        size: tuple[int, int] = (WIDTH, HEIGHT),
        **how: object,
    ) -> None:
        width, height = size
        self.rows = rows
        self.rasterizer = _splats.Rasterizer(*cut, 0.01, twin.BLUR, **{"threads": 2, **how})
        self.color = np.empty((3, height, width), np.float32)
        self.transmittance = np.empty((height, width), np.float32)
        K, pose = twin.camera(width, height)
        self.pairs = self.rasterizer.draw(
            rows, degree, K, pose, BACKGROUND, self.color, self.transmittance
        )

    def pull(self, derivative: Float32) -> tuple[Float32, Float32, NDArray[np.uint8]]:
        """Derivatives by the rows, shares of an error of one everywhere, which rows were seen."""
        derivatives = np.zeros_like(self.rows)
        errors = np.zeros(len(self.rows), np.float32)
        seen = np.zeros(len(self.rows), np.uint8)
        ones = np.ones_like(self.transmittance)
        self.rasterizer.pull(self.rows, self.color, derivative, ones, derivatives, errors, seen)
        return derivatives, errors, seen


def weights(size: tuple[int, int] = (WIDTH, HEIGHT)) -> Float32:
    rng = np.random.default_rng(5)
    return rng.normal(size=(3, size[1], size[0])).astype(np.float32)


@pytest.mark.parametrize("portable", [False, True])
@pytest.mark.parametrize("degree", [0, 3])
def test_picture_is_the_twins(portable: bool, degree: int) -> None:
    rows = twin.random_rows(60)
    drawn = Drawn(rows, degree, portable=portable)
    K, pose = twin.camera(WIDTH, HEIGHT)
    color, T = twin.render(rows, K, pose, WIDTH, HEIGHT, BACKGROUND, degree)
    np.testing.assert_allclose(drawn.color, color, atol=5e-5)
    np.testing.assert_allclose(drawn.transmittance, T, atol=2e-5)


def test_cut_offs_change_a_picture_by_less_than_two_levels() -> None:
    rows = twin.random_rows(60)
    whole, cut = Drawn(rows), Drawn(rows, cut=USUAL)
    difference = np.abs(whole.color - cut.color)
    # A Gaussian may lack 1/255 in every pixel outside of its ellipse; many lie over each other.
    assert difference.mean() < 1 / 255
    assert difference.max() < 12 / 255
    assert cut.pairs <= whole.pairs


def test_cut_picture_is_the_twins() -> None:
    # With alpha_min alone cut, the ellipse's extent decides nothing that alpha_min does not.
    rows = twin.random_rows(40, seed=3, size=0.05)
    drawn = Drawn(rows, cut=(1 / 255, 1e-12))
    K, pose = twin.camera(WIDTH, HEIGHT)
    color, _ = twin.render(rows, K, pose, WIDTH, HEIGHT, BACKGROUND, alpha_min=1 / 255)
    off = np.abs(drawn.color - color).max(0) > 1e-4
    # Only where alpha is alpha_min but for rounding may it fall on the other side.
    assert off.mean() < 2e-3


@pytest.mark.parametrize("portable", [False, True])
def test_derivatives_are_finite_differences(portable: bool) -> None:
    rows = twin.random_rows(12, seed=1, size=0.15)
    # One beside the picture, whose shape is held; one with the most opacity that counts.
    rows[0, :3] = (-2.0, 0.3, 0.1)
    rows[0, 3:6] = np.log(0.8)
    rows[1, 10] = 8.0
    g = weights()
    derivatives, _, seen = Drawn(rows, portable=portable).pull(g)
    assert seen.all()
    K, pose = twin.camera(WIDTH, HEIGHT)

    def loss(changed: Float64) -> float:
        return float((twin.render(changed, K, pose, WIDTH, HEIGHT, BACKGROUND)[0] * g).sum())

    columns = [*range(14), 15, 20, 30, 44, 58]
    for row in range(0, len(rows), 1 if not portable else 5):
        for column in columns:
            step = 1e-5
            both = []
            for sign in (1, -1):
                changed = rows.astype(np.float64)
                changed[row, column] += sign * step
                both.append(loss(changed))
            expected = (both[0] - both[1]) / (2 * step)
            scale = max(1.0, float(np.abs(derivatives[row]).max()))
            assert derivatives[row, column] == pytest.approx(expected, abs=2e-3 * scale), (
                row, column
            )  # fmt: skip


def test_both_ways_of_computing_agree() -> None:
    size = (150, 101)
    rows = twin.random_rows(3000, size=0.03)
    fast, slow = Drawn(rows, cut=USUAL, size=size), Drawn(rows, cut=USUAL, size=size, portable=True)
    np.testing.assert_allclose(fast.color, slow.color, atol=6e-3)
    assert np.abs(fast.color - slow.color).mean() < 1e-5
    a, b = fast.pull(weights(size))[0], slow.pull(weights(size))[0]
    assert np.abs(a - b).mean() < 1e-3 * np.abs(a).mean()


def test_threads_change_nothing() -> None:
    size = (150, 101)
    rows = twin.random_rows(2000, size=0.05)
    results = []
    for threads in (1, 2, 3):
        drawn = Drawn(rows, cut=USUAL, size=size, threads=threads)
        results.append((drawn.color, drawn.transmittance, *drawn.pull(weights(size))))
    for other in results[1:]:
        for one, same in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(one, same)


def test_shares_of_the_error_are_what_covers() -> None:
    rows = twin.random_rows(200)
    drawn = Drawn(rows)
    _, errors, _ = drawn.pull(np.zeros_like(drawn.color))
    assert errors.sum() == pytest.approx(float((1 - drawn.transmittance).sum()), rel=1e-4)
    assert (errors >= 0).all()


def test_what_is_behind_or_beside_is_not_seen() -> None:
    rows = twin.random_rows(3, size=0.02)
    _, pose = twin.camera(WIDTH, HEIGHT)
    center = -pose[:, :3].T @ pose[:, 3]
    rows[0, :3] = center - 1.0 * pose[2, :3]
    rows[1, :3] = center + 1.0 * pose[2, :3] + 5.0 * pose[0, :3]
    rows[2, :3] = center + 1.0 * pose[2, :3]
    rows[:, 10] = 4.0
    drawn = Drawn(rows, cut=USUAL)
    _, _, seen = drawn.pull(weights())
    assert seen.tolist() == [0, 0, 1]
    assert drawn.transmittance.min() < 0.6


def test_small_gaussians_keep_their_light_at_every_size() -> None:
    # Mip-Splatting's filter: what covers a part of a pixel adds that part at any size.
    rows = twin.random_rows(1, size=0.01)
    rows[0, :3] = 0
    rows[0, 3:6] = np.log(0.01)
    rows[0, 10] = 6.0
    seen = []
    for scale in (1, 2, 4):
        size = (48 * scale, 36 * scale)
        drawn = Drawn(rows, size=size)
        seen.append(float((1 - drawn.transmittance).sum()) / scale**2)
    assert seen[0] == pytest.approx(seen[2], rel=0.1)


@pytest.mark.parametrize("portable", [False, True])
def test_loss_and_its_derivative(portable: bool) -> None:
    rng = np.random.default_rng(0)
    height, width = 21, 27
    drawn = rng.uniform(0, 1, (3, height, width)).astype(np.float32)
    smooth = (drawn + rng.normal(0, 0.2, drawn.shape)).clip(0, 1)
    photo = np.rint(255 * smooth).astype(np.uint8).transpose(1, 2, 0).copy()
    mask = np.where(rng.uniform(size=(height, width)) < 0.7, 255, 0).astype(np.uint8)
    exposure = (np.eye(3, 4) + rng.normal(0, 0.05, (3, 4))).astype(np.float32)
    derivative, error = np.empty_like(drawn), np.empty((height, width), np.float32)
    by_exposure = np.empty((3, 4))
    comparer = _splats.Comparer(0.2, 2, portable)
    l1, ssim = comparer.compare(
        drawn, photo, mask, BACKGROUND, exposure, derivative, error, by_exposure
    )

    def loss(shown: Float64, by: Float64 = exposure) -> float:
        a, b = twin.losses(shown, photo, by, mask / 255, BACKGROUND)
        return 0.8 * a + 0.2 * (1 - b)

    assert 0.8 * l1 + 0.2 * (1 - ssim) == pytest.approx(loss(drawn), abs=1e-5)
    assert error.mean() == pytest.approx(loss(drawn), abs=1e-5)
    for k, y, x in [(0, 0, 0), (1, 10, 13), (2, 20, 26), (0, 5, 3), (1, 18, 1), (2, 7, 20)]:
        changed = np.stack([drawn, drawn]).astype(np.float64)
        changed[:, k, y, x] += (1e-5, -1e-5)
        expected = (loss(changed[0]) - loss(changed[1])) / 2e-5
        assert derivative[k, y, x] == pytest.approx(expected, abs=2e-6)
    for i, j in np.ndindex(3, 4):
        changed = np.stack([exposure, exposure]).astype(np.float64)
        changed[:, i, j] += (1e-6, -1e-6)
        expected = (loss(drawn, changed[0]) - loss(drawn, changed[1])) / 2e-6
        assert by_exposure[i, j] == pytest.approx(expected, abs=2e-3)


def test_equal_pictures_have_no_loss() -> None:
    photo = np.random.default_rng(1).integers(0, 255, (30, 40, 3)).astype(np.uint8)
    drawn = np.ascontiguousarray(photo.transpose(2, 0, 1) / np.float32(255), np.float32)
    derivative, error = np.empty_like(drawn), np.empty((30, 40), np.float32)
    l1, ssim = _splats.Comparer(0.2).compare(
        drawn, photo, None, BACKGROUND, np.eye(3, 4, dtype=np.float32), derivative, error,
        np.empty((3, 4)),
    )  # fmt: skip
    assert l1 == pytest.approx(0, abs=1e-7)
    assert ssim == pytest.approx(1, abs=1e-5)


def test_adam_is_adam_on_what_was_seen() -> None:
    rng = np.random.default_rng(2)
    rows = twin.random_rows(5)
    expected, first, second = rows.astype(np.float64), np.zeros((5, 59)), np.zeros((5, 59))
    m, v = np.zeros_like(rows), np.zeros_like(rows)
    rates = rng.uniform(1e-3, 1e-2, 59).astype(np.float32)
    seen = np.array([1, 0, 1, 1, 0], np.uint8)
    for step in range(1, 4):
        g = rng.normal(size=rows.shape).astype(np.float32)
        _splats.adam(rows, m, v, g, seen, rates, 14, step)
        on = np.ix_(seen == 1, np.arange(14))
        first[on] = 0.9 * first[on] + 0.1 * g[on]
        second[on] = 0.999 * second[on] + 0.001 * g[on].astype(np.float64) ** 2
        size = (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-15)
        expected[on] -= (rates * size)[on]
    np.testing.assert_allclose(rows, expected, rtol=1e-4, atol=1e-5)
