"""The kernels again: slow, obvious, in double precision and without cut-offs."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

Float64 = NDArray[np.float64]

BLUR = 0.3
OPAQUE = 0.99


def random_rows(count: int, seed: int = 0, size: float = 0.12) -> NDArray[np.float32]:
    """Gaussians (count, 59) in front of :func:`camera`."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((count, 59))
    rows[:, :3] = rng.uniform((-0.9, -0.7, -0.5), (0.9, 0.7, 0.5), (count, 3))
    rows[:, 3:6] = np.log(size) + rng.normal(0, 0.5, (count, 3))
    rows[:, 6:10] = rng.normal(size=(count, 4))
    rows[:, 10] = rng.normal(0, 1.5, count)
    rows[:, 11:14] = rng.normal(0.5, 1, (count, 3))
    rows[:, 14:] = rng.normal(0, 0.15, (count, 45))
    return rows.astype(np.float32)


def camera(width: int = 44, height: int = 36) -> tuple[Float64, Float64]:
    """Intrinsics (3, 3) and pose (3, 4) of a camera that looks at the origin from the side."""
    K = np.array([[1.1 * width, 0, 0.52 * width], [0, 1.15 * width, 0.47 * height], [0, 0, 1]])
    z = np.array([0.3, 0.2, 1.0])
    z /= np.linalg.norm(z)
    x = np.cross((0.1, 1, 0), z)
    x /= np.linalg.norm(x)
    R = np.stack([x, np.cross(z, x), z])
    return K, np.c_[R, -R @ (-2.4 * z)]


def basis(d: Float64) -> Float64:
    """Real spherical harmonics (16,) of a unit direction, as Kerbl et al. 2023 write them."""
    x, y, z = d
    c2 = np.sqrt(15 / (4 * np.pi))
    return np.array(
        [
            0.5 / np.sqrt(np.pi),
            *(np.sqrt(3 / (4 * np.pi)) * np.array([-y, z, -x])),
            c2 * x * y,
            -c2 * y * z,
            np.sqrt(5 / (16 * np.pi)) * (3 * z * z - 1),
            -c2 * x * z,
            c2 / 2 * (x * x - y * y),
            -np.sqrt(35 / (32 * np.pi)) * y * (3 * x * x - y * y),
            np.sqrt(105 / (4 * np.pi)) * x * y * z,
            -np.sqrt(21 / (32 * np.pi)) * y * (5 * z * z - 1),
            np.sqrt(7 / (16 * np.pi)) * z * (5 * z * z - 3),
            -np.sqrt(21 / (32 * np.pi)) * x * (5 * z * z - 1),
            np.sqrt(105 / (16 * np.pi)) * z * (x * x - y * y),
            -np.sqrt(35 / (32 * np.pi)) * x * (x * x - 3 * y * y),
        ]
    )


def rotation(q: Float64) -> Float64:
    w, x, y, z = q / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def render(
    rows: NDArray[np.floating],
    K: Float64,
    pose: Float64,
    width: int,
    height: int,
    background: Float64,
    degree: int = 3,
    alpha_min: float = 0.0,
) -> tuple[Float64, Float64]:
    """Colours (3, height, width) and transmittance (height, width)."""
    rows = np.asarray(rows, np.float64)
    R, t = pose[:, :3], pose[:, 3]
    depths = rows[:, :3] @ R[2] + t[2]
    px, py = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    color, T = np.zeros((3, height, width)), np.ones((height, width))
    for row in rows[np.argsort(depths, kind="stable")]:
        x, y, z = R @ row[:3] + t
        if z <= 0.01:
            continue
        # Gaussians far beside the picture keep the shape that they have a little beside it.
        hx, hy = _held(x / z, K[0], width), _held(y / z, K[1], height)
        J = np.array([[K[0, 0] / z, 0, -K[0, 0] * hx / z], [0, K[1, 1] / z, -K[1, 1] * hy / z]])
        B = J @ R @ rotation(row[6:10]) @ np.diag(np.exp(row[3:6]))
        shape = B @ B.T
        filtered = shape + BLUR * np.eye(2)
        factor = np.sqrt(np.linalg.det(shape) / np.linalg.det(filtered))
        opacity = factor / (1 + np.exp(-row[10]))
        dx, dy = px - (K[0, 0] * x / z + K[0, 2]), py - (K[1, 1] * y / z + K[1, 2])
        i = np.linalg.inv(filtered)
        power = i[0, 0] * dx * dx + 2 * i[0, 1] * dx * dy + i[1, 1] * dy * dy
        alpha = np.minimum(OPAQUE, opacity * np.exp(-0.5 * power))
        alpha = np.where(alpha < alpha_min, 0, alpha)
        center = -R.T @ t
        terms = (degree + 1) ** 2
        direction = (row[:3] - center) / np.linalg.norm(row[:3] - center)
        sh = row[11:].reshape(16, 3)[:terms]
        rgb = np.maximum(0, basis(direction)[:terms] @ sh + 0.5)
        color += (alpha * T) * rgb[:, None, None]
        T = T * (1 - alpha)
    return color + T * np.asarray(background, np.float64)[:, None, None], T


def _held(tangent: float, K_row: Float64, size: int) -> float:
    focal, center = max(K_row[0], K_row[1]), K_row[2]
    beside = 0.3 * 0.5 * size / focal
    return float(np.clip(tangent, -center / focal - beside, (size - center) / focal + beside))


def ssim_map(shown: Float64, photo: Float64) -> Float64:
    """SSIM of every pixel (height, width) with a Gaussian window of 11 and nothing beyond."""
    window = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(a: Float64) -> Float64:
        rows = correlate1d(a, window, axis=0, mode="constant")
        return np.asarray(correlate1d(rows, window, axis=1, mode="constant"))

    ms, mp = mean(shown), mean(photo)
    vs, vp = mean(shown**2) - ms**2, mean(photo**2) - mp**2
    cov = mean(shown * photo) - ms * mp
    c1, c2 = 0.01**2, 0.03**2
    top = (2 * ms * mp + c1) * (2 * cov + c2)
    return np.asarray(top / ((ms**2 + mp**2 + c1) * (vs + vp + c2)))


def losses(
    drawn: Float64, photo: NDArray[np.uint8], exposure: Float64, mask: Float64, background: Float64
) -> tuple[float, float]:
    """Mean L1 and mean SSIM."""
    shown = np.einsum("ij,jyx->iyx", exposure[:, :3], drawn) + exposure[:, 3][:, None, None]
    seen = photo.transpose(2, 0, 1) / 255
    seen = mask * seen + (1 - mask) * np.asarray(background)[:, None, None]
    ssim = np.mean([ssim_map(s, p) for s, p in zip(shown, seen, strict=True)])
    return float(np.abs(shown - seen).mean()), float(ssim)
