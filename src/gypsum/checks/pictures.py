"""What one photo is worth: blur, exposure, and how much of its subject has no detail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

Float32 = NDArray[np.float32]
UInt8 = NDArray[np.uint8]
Bool = NDArray[np.bool_]

#: Longer side at which photos are measured, pixels: figures mean the same at every resolution.
LONG_SIDE = 1024
#: The two scales at which an edge's gradient is compared, and the blur where they can't tell more.
_FINE, _COARSE = 1.5, 3.0
_WIDEST_BLUR = 10.0
#: Edges by direction; the strongest of each direction tell, when there are enough of them.
_DIRECTIONS = 8
_STRONGEST = 0.2
_FEWEST_EDGES = 50
#: Parts of a picture's height and width that are sharp or not by themselves, and the share of them
#: that is the sharper one.
_TILES, _SHARPER = 7, 0.25
_NOISE = 1.0
#: Levels of 255 from which on a pixel is burnt out, and the gradient that makes detail.
_BURNT = 250
_DETAIL = 3.0
#: A pixel next to burnt ones: as far as the windows of stereo reach.
_REACH = 9
#: Detail for matching lies between these scales, pixels, within windows of this size.
_BAND = (1.5, 5.0)
_WINDOW = 4.0
#: Less contrast than this, levels of 255, is what a camera's noise makes.
_PLAIN_LEVELS = 2.0
#: The subject is sought around the middle, within this share of the half width and height.
_MIDDLE = 0.6


@dataclass(frozen=True)
class PictureMeasures:
    """Figures of one photo."""

    blur: float
    """Standard deviation of the blur of its edges in the most blurred direction, pixels of a
    photo of 1024 pixels."""
    defocus: float
    """How much more its subject is blurred than the sharpest part around it, pixels of the same."""
    brightness: float
    """What all but 2 % of the pixels stay below, 0 to 1."""
    burnt: float
    """Share of the detail that touches pixels that are white to the limit."""
    plain: float
    """Share of the subject without detail: in the middle, without a backdrop."""


def measure_picture(path: Path) -> PictureMeasures:
    """All figures of the upright photo at ``path``."""
    gray = read_small(path)
    edges = find_edges(gray)
    return PictureMeasures(
        blur=round(blur_of_edges(edges), 2),
        defocus=round(defocus(edges), 2),
        brightness=round(float(np.quantile(gray, 0.98)) / 255, 3),
        burnt=round(burnt_detail(gray), 3),
        plain=round(plain_share(gray), 3),
    )


def read_small(path: Path) -> UInt8:
    """A photo as (H, W) grey with a longer side of at most 1024 pixels."""
    with Image.open(path) as file:
        file.draft("L", (LONG_SIDE, LONG_SIDE))
        gray = file.convert("L")
    gray.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.BOX)
    return np.asarray(gray)


@dataclass(frozen=True)
class Edges:
    """Where a picture has edges, and how blurred each is."""

    at: Bool
    """(H, W) pixels on edges; the others' arrays have a value for each of these."""
    strength: Float32
    """Gradient, levels a pixel."""
    direction: NDArray[np.integer]
    """Of the gradient, in eighths of half a turn."""
    square: Float32
    """Variance of the blur, square pixels."""


def find_edges(gray: UInt8) -> Edges:
    """The edges of a picture (H, W) with their blur.

    An edge blurred by s has a gradient that falls with sqrt(s² + f²) when it is blurred by f more:
    two f tell s (Zhuo and Sim, "Defocus map estimation from a single image", 2011).
    """
    values = gray.astype(np.float32)
    fine_x, fine_y = _gradient(values, _FINE)
    coarse_x, coarse_y = _gradient(values, _COARSE)
    fine = np.hypot(fine_x, fine_y)
    angle = np.degrees(np.arctan2(fine_y, fine_x)) % 180
    edge = _is_ridge(fine, angle) & (fine > _NOISE)
    ratio = fine[edge] / np.maximum(np.hypot(coarse_x, coarse_y)[edge], 1e-6)
    square = np.full(len(ratio), _WIDEST_BLUR**2, np.float32)
    told = ratio > 1.001
    square[told] = (_COARSE**2 - (ratio[told] * _FINE) ** 2) / (ratio[told] ** 2 - 1)
    direction = (angle[edge] * (_DIRECTIONS / 180) + 0.5).astype(int) % _DIRECTIONS
    return Edges(edge, fine[edge], direction, np.clip(square, 0, _WIDEST_BLUR**2))


def blur_of_edges(edges: Edges) -> float:
    """The standard deviation of the blur of a picture, pixels; zero when there are no edges.

    The strongest edges of each direction are asked, as a shaken camera blurs in one direction
    only; the most blurred direction counts.
    """
    worst = 0.0
    for number in range(_DIRECTIONS):
        own = edges.direction == number
        if own.sum() >= _FEWEST_EDGES:
            worst = max(worst, _blur_of_strongest(edges, own))
    return worst


def defocus(edges: Edges) -> float:
    """How much more the subject is blurred than what is around it, pixels.

    Negative where the subject is sharper; zero where there are too few edges to tell. The tiles of
    a grid are compared: the central three one above the other, which even a slim thing fills, and
    the sharper ones of all others, as a camera is focused on one distance only.
    """
    height, width = edges.at.shape
    rows, columns = np.nonzero(edges.at)
    row, column = rows * _TILES // height, columns * _TILES // width
    inside: list[float] = []
    around: list[float] = []
    for number in range(_TILES**2):
        y, x = divmod(number, _TILES)
        own = (row == y) & (column == x)
        if own.sum() >= _FEWEST_EDGES:
            is_middle = x == _TILES // 2 and abs(y - _TILES // 2) <= 1
            (inside if is_middle else around).append(_blur_of_strongest(edges, own))
    if len(inside) < 2 or len(around) < _TILES:
        return 0.0
    return float(np.median(inside) - np.quantile(around, _SHARPER))


def _blur_of_strongest(edges: Edges, own: Bool) -> float:
    """Blur of the strongest of some of the edges, pixels."""
    strong = own & (edges.strength >= np.quantile(edges.strength[own], 1 - _STRONGEST))
    return float(np.sqrt(np.median(edges.square[strong])))


def _gradient(values: Float32, blur: float) -> tuple[Float32, Float32]:
    smooth = cv2.GaussianBlur(values, (0, 0), blur)
    return (
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=1), np.float32),
        np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=1), np.float32),
    )


def _is_ridge(strength: Float32, angle: NDArray[np.floating]) -> Bool:
    """Where the gradient is strongest along its own direction (Canny 1986)."""
    height, width = strength.shape
    padded = np.pad(strength, 1)
    quarter = ((angle + 22.5) // 45).astype(int) % 4
    ridge = np.zeros(strength.shape, np.bool_)
    for number, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead = padded[1 + dy : 1 + dy + height, 1 + dx : 1 + dx + width]
        behind = padded[1 - dy : 1 - dy + height, 1 - dx : 1 - dx + width]
        ridge |= (quarter == number) & (strength >= ahead) & (strength > behind)
    return ridge


def burnt_detail(gray: UInt8) -> float:
    """The share of detail beside burnt pixels.

    A white backdrop may be burnt without harm: it has no detail, and touches little of the
    subject's.
    """
    x, y = _gradient(gray.astype(np.float32), 1.0)
    detail = np.hypot(x, y) / 2 > _DETAIL
    burnt = cv2.dilate((gray >= _BURNT).astype(np.uint8), np.ones((_REACH, _REACH), np.uint8)) > 0
    return float((burnt & detail).sum() / max(1, detail.sum()))


def local_contrast(gray: UInt8) -> Float32:
    """(H, W) how many levels the detail around each pixel varies by, without slow shading."""
    values = gray.astype(np.float32)
    band = cv2.GaussianBlur(values, (0, 0), _BAND[0]) - cv2.GaussianBlur(values, (0, 0), _BAND[1])
    return np.sqrt(np.asarray(cv2.GaussianBlur(band**2, (0, 0), _WINDOW), np.float32))


def plain_share(gray: UInt8) -> float:
    """The share of the subject that has no detail.

    What is plain as far as the picture's border is a backdrop; what the silhouette of the subject
    encloses is not.
    """
    plain = local_contrast(gray) < _PLAIN_LEVELS
    _, parts = cv2.connectedComponents(plain.astype(np.uint8), connectivity=4)
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    backdrop = plain & np.isin(parts, border)
    subject = middle(*gray.shape) & ~backdrop
    return float((plain & subject).sum() / max(1, subject.sum()))


def middle(height: int, width: int) -> Bool:
    """(H, W) the ellipse around the middle, where people aim at the subject."""
    y = (np.arange(height)[:, None] + 0.5) / height * 2 - 1
    x = (np.arange(width)[None] + 0.5) / width * 2 - 1
    inside: Bool = x**2 + y**2 < _MIDDLE**2
    return inside
