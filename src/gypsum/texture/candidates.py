"""Which photos show which faces, how well, and in what colour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from gypsum.formats.colors import srgb_encoded
from gypsum.native import _texture
from gypsum.scene import Mesh, Progress, View
from gypsum.texture.photos import stream
from gypsum.texture.topology import Edges, smooth_face_normals

JUDGING_SIDE = 2048
"""Photos are judged at this long side at most: scores are sums over pixels, and enough here."""
MOST_CANDIDATES = 20
"""Photos kept for each face: more never win, and cost memory."""
RIM = 1 / 640
"""Width of the doubtful rim beside an occluding edge, share of the long side: about what a mesh
from photos is wrong by."""
INTERPOLATION = 2
"""Pixels around a place that its colour is interpolated from."""

LUMA = np.array([0.299, 0.587, 0.114])

DOUBT = 0.1
"""How much a look that differs from the others by one standard deviation loses."""

USUAL = 0.35
"""Of the looks at a place from dark to bright, the one at this share is the surface's own colour: a
highlight only ever adds light, and shadows of what is in front are rejected elsewhere."""
GLEAM = 0.035
"""Brighter than that by more, sRGB-encoded luma of range 1, is a highlight."""
FEWEST_LOOKS = 4
"""With fewer, no one can tell."""

AROUND = 24
"""Rings of faces from which the colour of a place is expected that only outlines show."""
FOREIGN = 0.3
"""Distance from it, sRGB-encoded colours of range 1, at which a look is the background's."""


@dataclass(frozen=True)
class Candidates:
    """The photos that may paint each face, sorted by photo within a face."""

    first: NDArray[np.int64]
    """(F + 1,) where the candidates of each face begin."""
    views: NDArray[np.int32]
    """(N,) index of the view."""
    scores: NDArray[np.float32]
    """(N,) quality; the scale differs from face to face."""
    colors: NDArray[np.float32]
    """(N, 3) mean colour of the face in the photo, linear light."""
    beside: NDArray[np.bool_]
    """(N,) half hidden or close to an outline: a photo may show what is in front or behind."""

    @property
    def counts(self) -> NDArray[np.int64]:
        """(F,) candidates of each face."""
        return np.diff(self.first)

    @property
    def faces(self) -> NDArray[np.int32]:
        """(N,) the face of each candidate."""
        return np.repeat(np.arange(len(self.first) - 1, dtype=np.int32), self.counts)

    def select(self, keep: NDArray[np.bool_]) -> Candidates:
        """Those chosen by a mask (N,)."""
        counts = np.bincount(self.faces[keep], minlength=len(self.first) - 1)
        first = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return Candidates(
            first, self.views[keep], self.scores[keep], self.colors[keep], self.beside[keep]
        )


def find_candidates(
    mesh: Mesh, views: Sequence[View], threads: int, progress: Progress
) -> Candidates:
    """Judge every face in every photo."""
    normals = smooth_face_normals(mesh)
    centers = mesh.vertices[mesh.faces].mean(axis=1)
    edges = mesh.vertices[mesh.faces] - mesh.vertices[mesh.faces[:, [1, 2, 0]]]
    slack = 0.5 * float(np.median(np.linalg.norm(edges, axis=2)))
    found = []
    small = [view.limited(JUDGING_SIDE) for view in views]
    for number, (view, picture) in enumerate(stream(small)):
        progress(number / len(views), "finding out which photo shows what")
        toward = (view.center - centers).astype(np.float32)
        cosines = np.einsum("fi,fi->f", normals, toward) / np.linalg.norm(toward, axis=1)
        pixels, depth = (part.astype(np.float32) for part in view.project(mesh.vertices))
        pixels[depth <= 0] = 0
        surface = _texture.draw_depth(pixels, depth, mesh.faces, view.width, view.height, threads)
        rim = max(1, round(RIM * max(view.width, view.height)))
        scores, colors, beside = _texture.score_faces(
            picture,
            surface,
            pixels,
            depth,
            mesh.faces,
            cosines,
            _usable(view, rim),
            slack,
            rim,
            threads,
        )
        # Scores count pixels: those of a photo that was shrunk stand for more.
        scores *= np.float32(views[number].width / view.width) ** 2
        seen = np.flatnonzero(scores > 0).astype(np.int32)
        found.append(_Shown(seen, scores[seen], colors[seen], beside[seen]))
    return _limited(_sorted(len(mesh.faces), found))


def _usable(view: View, rim: int) -> NDArray[np.uint8] | None:
    """(H, W) 2 well inside a photo's mask, 1 at its rim, 0 outside; None: all may be used.

    A mask may be wrong by ``rim`` pixels, and interpolation reaches over two more. What photos
    show at rims only, a wire perhaps, is painted from there nevertheless.
    """
    mask = view.read_mask()
    if mask is None:
        return None
    object_ = mask.astype(np.uint8)
    # The photo's own border is no rim of the object.
    inner, within = (
        cv2.erode(object_, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8), borderValue=1)
        for reach in (rim + INTERPOLATION, 1)
    )
    return np.asarray(inner + within, np.uint8)


class _Shown(NamedTuple):
    """What one photo shows: faces, and of each what ``Candidates`` says."""

    faces: NDArray[np.int32]
    scores: NDArray[np.float32]
    colors: NDArray[np.float32]
    beside: NDArray[np.bool_]


def _sorted(faces: int, found: Sequence[_Shown]) -> Candidates:
    """Per-view lists turned into per-face lists."""
    face = np.concatenate([shown.faces for shown in found])
    lengths = [len(shown.faces) for shown in found]
    view = np.repeat(np.arange(len(found), dtype=np.int32), lengths)
    order = np.argsort(face, kind="stable")
    first = np.concatenate([[0], np.cumsum(np.bincount(face, minlength=faces))]).astype(np.int64)
    scores = np.concatenate([shown.scores for shown in found])
    colors = np.concatenate([shown.colors for shown in found])
    beside = np.concatenate([shown.beside for shown in found])
    return Candidates(first, view[order], scores[order], colors[order], beside[order])


def _limited(candidates: Candidates) -> Candidates:
    """Only the best of each face."""
    faces = candidates.faces
    order = np.lexsort((candidates.views, -candidates.scores, faces))
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order)) - candidates.first[faces[order]]
    return candidates.select(rank < MOST_CANDIDATES)


def reject_intruders(
    candidates: Candidates, gains: NDArray[np.float64], edges: Edges, threads: int
) -> tuple[Candidates, int]:
    """Leave out photos where they disagree with the others: people, occluders, highlights.

    ``gains`` (V, 3) equalise the photos. In the spirit of Waechter 2014, section 3, but with the
    median and the median deviation, which a minority can't pull towards itself, at two scales, and
    with rejected regions that grow over what is doubtful beside them. A face keeps its photos when
    all of them would go.
    """
    even = srgb_encoded(candidates.colors * gains[candidates.views]).astype(np.float32)
    rejected, doubt = _texture.find_outliers(
        candidates.first, candidates.views, even, edges.faces, threads
    )
    # Among the accepted, typical looks are preferred.
    scores = candidates.scores / (1 + DOUBT * doubt**2)
    faces = candidates.faces
    lost = np.bincount(faces[~rejected], minlength=len(candidates.counts)) == 0
    keep = ~rejected | lost[faces]
    keep &= ~_foreign(candidates, even, keep, edges)
    return replace(candidates, scores=scores.astype(np.float32)).select(keep), int((~keep).sum())


def reject_highlights(candidates: Candidates, gains: NDArray[np.float64]) -> tuple[Candidates, int]:
    """Leave out photos in which a place shines: gloss that moves with the camera is no paint.

    A diffuse surface looks the same from everywhere, and what a gloss adds to that is light (the
    dichromatic model of Shafer 1985); the darker looks show the surface's own colour. ``gains``
    (V, 3) equalise the photos.
    """
    luma = srgb_encoded(candidates.colors * gains[candidates.views]) @ LUMA
    order = np.lexsort((luma, candidates.faces))
    counts = candidates.counts
    filled = np.flatnonzero(counts)
    at = candidates.first[filled] + np.floor(USUAL * (counts[filled] - 1)).astype(np.int64)
    usual = np.zeros(len(counts))
    usual[filled] = luma[order][at]
    shines = luma > usual[candidates.faces] + GLEAM
    shines &= counts[candidates.faces] >= FEWEST_LOOKS
    return candidates.select(~shines), int(shines.sum())


def _foreign(
    candidates: Candidates, even: NDArray[np.float32], keep: NDArray[np.bool_], edges: Edges
) -> NDArray[np.bool_]:
    """(N,) looks at faces that photos show beside outlines only, in a colour unlike all around.

    Where the mesh is a little too fat, all such photos show the background, so that they agree.
    Without them, the face is filled from its surroundings. ``even`` (N, 3) are equalised colours.
    """
    faces, count = candidates.faces, len(candidates.counts)
    sure = keep & ~candidates.beside
    shown = np.bincount(faces[sure], minlength=count)
    lonely = (shown == 0) & (np.bincount(faces[keep], minlength=count) > 0)
    sums = [np.bincount(faces[sure], even[sure, c], count) for c in range(3)]
    colors = np.stack(sums, axis=1) / np.maximum(shown, 1)[:, None]
    known = (shown > 0).astype(np.float64)
    left, right = edges.faces.T
    ones = np.ones(2 * len(left))
    near = sparse.coo_array(
        (ones, (np.concatenate([left, right]), np.concatenate([right, left]))), (count, count)
    ).tocsr()[lonely]
    for _ in range(AROUND):
        total = near @ known
        mean = (near @ (colors * known[:, None])) / np.maximum(total, 1e-12)[:, None]
        colors[lonely] = mean
        known[lonely] = total > 0
    off = np.linalg.norm(even - colors[faces], axis=1) > FOREIGN
    return np.asarray(lonely[faces] & (known[faces] > 0) & off)
