"""Poses of frames with depth: what a phone told, refined; or found from nothing.

Phones drift by centimetres. All frames are moved at once until what they saw fits together:

- Details of the pictures, found again in other pictures, are points of space in both frames, since
  the depth maps tell how far away they are. They should be the same points; sideways they are
  known far better than along the line of sight, which is what their covariances say.
- Surfaces in the depth maps of overlapping frames should lie on each other: point to plane.
- Neighbouring frames lie about as the phone says.

Frames that overlap are compared wherever they are in the sequence, which closes loops. The sum is
minimised by Gauss-Newton steps (a pose graph in the sense of Grisetti et al. 2010, with the
measurements themselves instead of summaries of them), with Cauchy weights against wrong matches.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import breadth_first_order, minimum_spanning_tree

from gypsum.cameras.features import Features, extract, read_gray
from gypsum.errors import ReconstructionError
from gypsum.native import _match
from gypsum.scene import Progress, RgbdFrame, no_progress

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Pair = tuple[int, int]

#: Pictures are searched at this long side; so many details of each are kept.
FEATURE_SIDE, FEATURES = 960, 1200
#: Ratio of the nearest to the second nearest descriptor below which it is a match.
RATIO = 0.8
#: Frames with which each is compared: those next in time, and others that see the same.
NEXT, OTHERS = 2, 8
#: Share of a frame's points that another must see to be compared with it.
OVERLAP = 0.35
#: Standard deviations: of a detail in a picture, pixels at `FEATURE_SIDE`; of a smoothed depth, as
#: a share of it and at least, metres; of a surface's offset between two frames.
DETAIL, DEPTH_SHARE, DEPTH_LEAST, SURFACE = 1.0, 0.004, 0.003, 0.008
#: What the phone says of two frames in a row: metres and radians.
STEP, STEP_TURN = 0.02, 0.01
#: Neighbouring pixels of a depth map do not err independently: weight of each surface sample.
SAMPLE_WEIGHT = 0.05
#: Depth maps are looked at in every so-many-th pixel, and jumps larger than this are edges.
STRIDE, EDGE = 6, 0.04
#: Points farther apart than this do not belong together, metres: at first, and at last.
FARTHEST, NEAREST = 0.12, 0.03
#: Gauss-Newton steps.
STEPS = 12
#: Matches that must agree on a rigid motion, and how well: share of the depth, and metres.
FEWEST_MATCHES, AGREE_SHARE, AGREE = 15, 0.015, 0.02
#: From this share of the frames on, poses that were given are kept, and the others' found.
MOST_TOLD = 0.5
#: Without poses: frames next in time compared, and how far apart those of all times are.
TRACK_NEXT, TRACK_LOOPS = 6, 12


@dataclass
class _Frame:
    """What the refinement needs of a frame."""

    points: Float64
    """(N, 3) smooth samples of the depth map, camera."""
    depth: Float32
    """(h, w) smoothed, 0 where unknown or at an edge."""
    normals: Float32
    """(h, w, 3) camera; 0 where unknown."""
    K: Float64
    """(3, 3) of the depth map."""
    features: Features | None = None
    places: Float64 = field(default_factory=lambda: np.zeros((0, 3)))
    """(M, 3) of the features, camera."""
    focal: float = 1.0
    """Pixels at `FEATURE_SIDE`."""


@dataclass(frozen=True)
class _Matched:
    """Details that two frames share."""

    pair: Pair
    first: Float64
    """(M, 3) in the camera of the first frame."""
    second: Float64
    """(M, 3) in the camera of the second."""


@dataclass(frozen=True)
class PlacedFrames:
    """Frames with their final poses, and what was found out."""

    frames: list[RgbdFrame]
    """Those that could be placed."""
    lost: list[str]
    """Names of the others."""
    refined: bool
    """Whether the poses are better than those given."""
    drift: float | None
    """Mean distance between given and refined places, metres; None without given ones."""
    worst: float | None
    turn: float | None
    """Mean angle between given and refined directions, degrees."""
    before: float | None
    """Root of the mean squared distance between surfaces of overlapping frames as given, metres."""
    after: float
    """The same as refined."""
    pairs: int
    loops: int
    """Pairs of frames that are not next to each other in time."""
    matches: int


def place_depth_frames(
    frames: Sequence[RgbdFrame], *, threads: int = 0, progress: Progress = no_progress
) -> PlacedFrames:
    """Refine the poses of frames with depth; find them where none were given.

    Where a few frames have no pose, theirs is found among those given. Frames without a depth map
    are placed by their neighbours in time. The world frame stays that
    of the first given pose, because tracking has not drifted yet where it begins; without any it is
    the first camera's, z up as if that looked level.
    Deterministic, whatever ``threads``.
    """
    seeing = [frame for frame in frames if frame.depth is not None]
    prepared = _prepare_all(seeing, threads, lambda d, t="": progress(0.5 * d, t))
    told = np.array([frame.R is not None for frame in seeing], bool)
    given = bool(told.sum() >= max(2, MOST_TOLD * len(told)))
    if given:
        poses, known = _completed(prepared, seeing)
    else:
        poses, known = _track(prepared, progress)
        told[:] = False
    lost = [frame.name for frame, here in zip(seeing, known, strict=True) if not here]
    seeing = [frame for frame, here in zip(seeing, known, strict=True) if here]
    prepared = [frame for frame, here in zip(prepared, known, strict=True) if here]
    poses, told = poses[known], told[known]
    pairs = _overlapping(prepared, poses)
    progress(0.55, "comparing frames")
    matched = _match_all(prepared, pairs, threads)
    start = poses
    odometry = _steps(poses, told)
    for step in range(STEPS):
        progress(0.6 + 0.38 * step / STEPS, "fitting the frames together")
        poses = _step(prepared, pairs, matched, odometry, poses, step / (STEPS - 1))
        if step == STEPS // 2:
            pairs = _overlapping(prepared, poses)
            matched = _match_all(prepared, pairs, threads, matched)
    before, after = (_misfit(prepared, pairs, some) for some in (start, poses))
    # The distance between overlapping surfaces decides, on the same pairs for both.
    better = after <= before or not given
    final = poses if better else start
    placed = [_posed(frame, pose) for frame, pose in zip(seeing, final, strict=True)]
    return PlacedFrames(
        _with_others(frames, placed),
        lost,
        better,
        *_drift(start[told], final[told]),
        before if given else None,
        after if better else before,
        len(pairs),
        sum(abs(i - j) > NEXT for i, j in pairs),
        sum(len(m.first) for m in matched),
    )


def _camera_to_world(frame: RgbdFrame) -> Float64:
    pose = np.eye(4)
    assert frame.R is not None
    pose[:3, :3], pose[:3, 3] = frame.R.T, frame.center
    return pose


def _posed(frame: RgbdFrame, pose: Float64) -> RgbdFrame:
    R = pose[:3, :3].T
    return frame.posed(R, -R @ pose[:3, 3])


def _drift(start: Float64, final: Float64) -> tuple[float | None, float | None, float | None]:
    """Mean and largest distance, metres, and mean angle, degrees; None where nothing was given."""
    if not len(start):
        return None, None, None
    moved = np.linalg.norm(final[:, :3, 3] - start[:, :3, 3], axis=1)
    return float(moved.mean()), float(moved.max()), float(np.degrees(_angles(start, final)).mean())


def _angles(a: Float64, b: Float64) -> Float64:
    trace = np.einsum("nij,nij->n", a[:, :3, :3], b[:, :3, :3])
    return np.asarray(np.arccos(np.clip((trace - 1) / 2, -1, 1)))


def _with_others(frames: Sequence[RgbdFrame], placed: Sequence[RgbdFrame]) -> list[RgbdFrame]:
    """The placed frames, and those without depth moved as their neighbours in time were."""
    by_name = {frame.name: frame for frame in placed}
    result = []
    for number, frame in enumerate(frames):
        if frame.name in by_name:
            result.append(by_name[frame.name])
        elif frame.depth is None and frame.R is not None:
            near = min(
                (n for n, other in enumerate(frames) if other.name in by_name),
                key=lambda n: abs(n - number),
            )
            if frames[near].R is None:
                continue
            old = _camera_to_world(frames[near])
            new = _camera_to_world(by_name[frames[near].name])
            result.append(_posed(frame, new @ np.linalg.inv(old) @ _camera_to_world(frame)))
    return result


# --- what a frame shows -------------------------------------------------------------------------


def _prepare_all(frames: Sequence[RgbdFrame], threads: int, progress: Progress) -> list[_Frame]:
    prepared = []
    with ThreadPoolExecutor(max(1, threads or 2)) as pool:
        for done, frame in enumerate(pool.map(_prepare, frames), 1):
            prepared.append(frame)
            progress(done / len(frames), f"details of frame {done} of {len(frames)}")
    return prepared


def _prepare(frame: RgbdFrame) -> _Frame:
    raw = frame.read_depth()
    raw[frame.read_confidence(raw.shape) < 0.4] = 0
    height, width = raw.shape
    K = frame.intrinsics(width, height)
    depth, normals = _smoothed(raw, K)
    rows, columns = np.mgrid[STRIDE // 2 : height : STRIDE, STRIDE // 2 : width : STRIDE]
    rows, columns = rows.ravel(), columns.ravel()
    usable = normals[rows, columns].any(axis=1)
    rows, columns = rows[usable], columns[usable]
    points = _lifted(columns + 0.5, rows + 0.5, depth[rows, columns], K)
    made = _Frame(points, depth, normals, K)
    if frame.color is not None:
        found = extract(read_gray(frame.color), FEATURE_SIDE, FEATURES)
        scale = np.array([width / frame.width, height / frame.height])
        x, y = (found.xy * scale).T
        column = np.clip(x.astype(np.int64), 0, width - 1)
        row = np.clip(y.astype(np.int64), 0, height - 1)
        z = depth[row, column]
        known = z > 0
        made.features = Features(found.keypoints[known], found.descriptors[known])
        made.places = _lifted(x[known], y[known], z[known], K)
        made.focal = float(frame.K[0, 0]) * min(1.0, FEATURE_SIDE / max(frame.width, frame.height))
    return made


def _lifted(x: NDArray[np.floating], y: NDArray[np.floating], z: Float32, K: Float64) -> Float64:
    """Pixels (N,) with depths to camera points (N, 3)."""
    depth = z.astype(np.float64)
    return np.stack(
        [(x - K[0, 2]) / K[0, 0] * depth, (y - K[1, 2]) / K[1, 1] * depth, depth], axis=1
    )


def _smoothed(raw: Float32, K: Float64) -> tuple[Float32, Float32]:
    """Depth (h, w) averaged over surfaces, without edges, and normals (h, w, 3) to the camera."""
    known = raw > 0
    kernel = np.ones((3, 3), np.uint8)
    far = cv2.dilate(raw, kernel)
    near = cv2.erode(np.where(known, raw, np.float32(1e9)).astype(np.float32), kernel)
    smooth_here = known & (far - near < EDGE * raw * 1.5)
    inside = cv2.erode(smooth_here.astype(np.uint8), kernel) > 0
    # Averaged in inverse depth, in which planes are linear.
    inverse = np.where(smooth_here, 1 / np.maximum(raw, 1e-6), 0).astype(np.float32)
    weight = cv2.GaussianBlur(smooth_here.astype(np.float32), (7, 7), 1.6)
    mean = cv2.GaussianBlur(inverse, (7, 7), 1.6) / np.maximum(weight, 1e-6)
    depth = np.where(inside & (mean > 0), 1 / np.maximum(mean, 1e-6), 0).astype(np.float32)
    height, width = raw.shape
    x = ((np.arange(width) + 0.5 - K[0, 2]) / K[0, 0]).astype(np.float32)
    y = ((np.arange(height) + 0.5 - K[1, 2]) / K[1, 1]).astype(np.float32)
    points = np.stack([depth * x, depth * y[:, None], depth], axis=-1)
    across = cv2.blur(np.roll(points, -2, 1) - np.roll(points, 2, 1), (3, 3))
    down = cv2.blur(np.roll(points, -2, 0) - np.roll(points, 2, 0), (3, 3))
    normals = np.cross(down, across)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    normals = normals / np.maximum(length, 1e-12)
    whole = cv2.erode((depth > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    facing = np.abs((normals * points).sum(axis=-1)) > 0.2 * np.linalg.norm(points, axis=-1)
    good = whole & facing
    return depth, np.where(good[..., None], normals, 0).astype(np.float32)


# --- who is compared with whom ------------------------------------------------------------------


def _overlapping(frames: Sequence[_Frame], poses: Float64) -> list[Pair]:
    """Pairs of frames that see the same, near and far in time."""
    count = len(frames)
    overlap = np.zeros((count, count))
    inverse = np.linalg.inv(poses)
    for i, frame in enumerate(frames):
        some = frame.points[:: max(1, len(frame.points) // 150)]
        world = some @ poses[i, :3, :3].T + poses[i, :3, 3]
        for j, other in enumerate(frames):
            if i == j or not len(some):
                continue
            camera = world @ inverse[j, :3, :3].T + inverse[j, :3, 3]
            seen, _ = _looked_up(other, camera, 0.3)
            overlap[i, j] = seen.mean()
    overlap = np.minimum(overlap, overlap.T)
    pairs = {(i, j) for i in range(count) for j in range(i + 1, min(count, i + 1 + NEXT))}
    for i in range(count):
        order = np.argsort(-overlap[i], kind="stable")
        taken: list[int] = []
        for j in order:
            if overlap[i, j] < OVERLAP or len(taken) >= OTHERS:
                break
            # Spread over time: frames next to each other tell the same.
            if all(abs(int(j) - other) > 2 for other in taken) and abs(int(j) - i) > NEXT:
                taken.append(int(j))
        pairs |= {(min(i, j), max(i, j)) for j in taken}
    return sorted(pairs)


def _looked_up(
    frame: _Frame, camera: Float64, farthest: float
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which camera points (N, 3) lie at what the frame sees (N,), and their pixels (N,)."""
    height, width = frame.depth.shape
    z = camera[:, 2]
    front = z > 0.05
    safe = np.where(front, z, 1.0)
    x = frame.K[0, 0] * camera[:, 0] / safe + frame.K[0, 2]
    y = frame.K[1, 1] * camera[:, 1] / safe + frame.K[1, 2]
    inside = front & (x >= 0) & (y >= 0) & (x < width) & (y < height)
    pixel = np.where(inside, y, 0).astype(np.int64) * width + np.where(inside, x, 0).astype(
        np.int64
    )
    found = frame.depth.ravel()[pixel]
    seen = inside & (found > 0) & (np.abs(found - z) < farthest)
    return seen, pixel


def _match_all(
    frames: Sequence[_Frame],
    pairs: Sequence[Pair],
    threads: int,
    known: Sequence[_Matched] = (),
) -> list[_Matched]:
    """Details that pairs share and that agree on one rigid motion; ``known`` ones stay."""
    before = {matched.pair: matched for matched in known}

    def match(pair: Pair) -> _Matched | None:
        return before[pair] if pair in before else _match_pair(frames, pair)

    with ThreadPoolExecutor(max(1, threads or 2)) as pool:
        return [found for found in pool.map(match, pairs) if found is not None]


def _match_pair(frames: Sequence[_Frame], pair: Pair) -> _Matched | None:
    a, b = frames[pair[0]], frames[pair[1]]
    if a.features is None or b.features is None:
        return None
    if min(len(a.features), len(b.features)) < FEWEST_MATCHES:
        return None
    rows = _match.match_descriptors(a.features.descriptors, b.features.descriptors, RATIO)
    first, second = a.places[rows[:, 0]], b.places[rows[:, 1]]
    agreeing = _rigid(first, second, seed=pair[0] * 100_003 + pair[1])[1]
    if agreeing.sum() < FEWEST_MATCHES:
        return None
    return _Matched(pair, first[agreeing], second[agreeing])


def _rigid(a: Float64, b: Float64, seed: int) -> tuple[Float64, NDArray[np.bool_]]:
    """The motion (4, 4) that takes most points of ``a`` (M, 3) to ``b``, and which agree.

    RANSAC with three points each (Fischler and Bolles 1981).
    """
    none = np.zeros(len(a), bool)
    if len(a) < FEWEST_MATCHES:
        return np.eye(4), none
    rng = np.random.default_rng(seed)
    limit = AGREE + AGREE_SHARE * np.maximum(a[:, 2], b[:, 2])
    samples = rng.integers(0, len(a), (256, 3))
    best, motion = none, np.eye(4)
    motions = _motions(a[samples], b[samples])
    moved = np.einsum("kij,mj->kmi", motions[:, :3, :3], a) + motions[:, None, :3, 3]
    agree = np.linalg.norm(moved - b, axis=2) < limit
    best = agree[agree.sum(axis=1).argmax()]
    for _ in range(3):
        if best.sum() < 3:
            return np.eye(4), none
        motion = _motions(a[None, best], b[None, best])[0]
        best = np.linalg.norm(a @ motion[:3, :3].T + motion[:3, 3] - b, axis=1) < limit
    return motion, best


def _motions(a: Float64, b: Float64) -> Float64:
    """(K, 4, 4) rigid motions that take ``a`` (K, N, 3) to ``b`` best (Kabsch 1976)."""
    mean_a, mean_b = a.mean(axis=1, keepdims=True), b.mean(axis=1, keepdims=True)
    u, _, vt = np.linalg.svd(np.einsum("kni,knj->kij", b - mean_b, a - mean_a))
    flip = np.ones((len(a), 3))
    flip[:, 2] = np.sign(np.linalg.det(u) * np.linalg.det(vt))
    R = (u * flip[:, None]) @ vt
    motions = np.tile(np.eye(4), (len(a), 1, 1))
    motions[:, :3, :3] = R
    motions[:, :3, 3] = mean_b[:, 0] - np.einsum("kij,kj->ki", R, mean_a[:, 0])
    return motions


def _completed(
    frames: Sequence[_Frame], given: Sequence[RgbdFrame]
) -> tuple[Float64, NDArray[np.bool_]]:
    """Poses (N, 4, 4) as given, those of other frames by matches with frames near in time; and who
    has one."""
    count = len(frames)
    known = np.array([frame.R is not None for frame in given], bool)
    poses = np.stack([np.eye(4) if frame.R is None else _camera_to_world(frame) for frame in given])
    for n in map(int, np.flatnonzero(~known)):
        near = [
            m for m in range(max(0, n - TRACK_NEXT), min(count, n + TRACK_NEXT + 1)) if known[m]
        ]
        matches = [_match_pair(frames, (min(m, n), max(m, n))) for m in near]
        best = max((found for found in matches if found), key=lambda m: len(m.first), default=None)
        if best is None:
            continue
        (i, j), motion = best.pair, _motions(best.first[None], best.second[None])[0]
        poses[n] = poses[j] @ motion if n == i else poses[i] @ np.linalg.inv(motion)
        known[n] = True
    return poses, known


def _track(frames: Sequence[_Frame], progress: Progress) -> tuple[Float64, NDArray[np.bool_]]:
    """Poses (N, 4, 4) from matches alone, along the tree of the best pairs; and who has one."""
    count = len(frames)
    pairs = {(i, j) for i in range(count) for j in range(i + 1, min(count, i + 1 + TRACK_NEXT))}
    some = range(0, count, max(1, count // TRACK_LOOPS))
    pairs |= {(i, j) for i in some for j in some if i < j}
    motions: dict[Pair, Float64] = {}
    strength: dict[Pair, int] = {}
    for done, pair in enumerate(sorted(pairs)):
        progress(0.5 + 0.05 * done / len(pairs), "tracking")
        matched = _match_pair(frames, pair)
        if matched is not None:
            motions[pair] = _motions(matched.first[None], matched.second[None])[0]
            strength[pair] = len(matched.first)
    if not motions:
        raise ReconstructionError(
            "The frames have no poses, and no two of them show enough of the same; move more "
            "slowly, and keep things with texture in the picture."
        )
    rows, columns = np.array(list(motions)).T
    graph = coo_matrix(
        (1.0 / np.array(list(strength.values())), (rows, columns)), shape=(count, count)
    )
    tree = minimum_spanning_tree(graph)
    degree = np.bincount(np.concatenate(tree.nonzero()), minlength=count)
    order, parents = breadth_first_order(tree, int(degree.argmax()), directed=False)
    poses = np.tile(np.eye(4), (count, 1, 1))
    known = np.zeros(count, bool)
    known[order[0]] = True
    poses[order[0], :3, :3] = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    for child in order[1:]:
        parent = parents[child]
        if (child, parent) in motions:
            poses[child] = poses[parent] @ motions[(child, parent)]
        else:
            poses[child] = poses[parent] @ np.linalg.inv(motions[(parent, child)])
        known[child] = True
    return poses, known


# --- the fit ------------------------------------------------------------------------------------


def _steps(poses: Float64, told: NDArray[np.bool_]) -> list[tuple[int, Float64]]:
    """Frames by number, and the next one's pose in theirs, where both were given."""
    relative = np.linalg.inv(poses[:-1]) @ poses[1:]
    return [(int(n), relative[n]) for n in np.flatnonzero(told[:-1] & told[1:])]


class _Normal:
    """The normal equations of all poses' small motions: turn and shift, world axes."""

    def __init__(self, count: int) -> None:
        self.H = np.zeros((count, 6, count, 6))
        self.g = np.zeros((count, 6))

    def add(
        self, i: int, j: int, Ji: Float64, Jj: Float64, residual: Float64, weight: Float64
    ) -> None:
        """Residuals (M,) with derivatives (M, 6) and weights (M,)."""
        Wi, Wj = Ji * weight[:, None], Jj * weight[:, None]
        self.H[i, :, i] += Ji.T @ Wi
        self.H[j, :, j] += Jj.T @ Wj
        cross = Ji.T @ Wj
        self.H[i, :, j] += cross
        self.H[j, :, i] += cross.T
        self.g[i] -= Wi.T @ residual
        self.g[j] -= Wj.T @ residual

    def solve(self) -> Float64:
        """(N, 6) the step; the first pose hardly moves."""
        size = 6 * len(self.g)
        H = self.H.reshape(size, size).copy()
        H[np.diag_indices(size)] += 1e-3
        H[np.arange(6), np.arange(6)] += 1e9
        step: Float64 = cho_solve(cho_factor(H), self.g.ravel()).reshape(-1, 6)
        return step


def _step(
    frames: Sequence[_Frame],
    pairs: Sequence[Pair],
    matched: Sequence[_Matched],
    odometry: Sequence[tuple[int, Float64]],
    poses: Float64,
    share: float,
) -> Float64:
    """One Gauss-Newton step; ``share`` (0 to 1) of the way from coarse to fine."""
    normal = _Normal(len(frames))
    for found in matched:
        _add_details(normal, frames, found, poses)
    reach = FARTHEST ** (1 - share) * NEAREST**share
    for pair in pairs:
        _add_surfaces(normal, frames, pair, poses, reach)
        _add_surfaces(normal, frames, (pair[1], pair[0]), poses, reach)
    for number, relative in odometry:
        _add_odometry(normal, number, relative, poses)
    return _moved(poses, normal.solve())


def _moved(poses: Float64, steps: Float64) -> Float64:
    moved = poses.copy()
    for pose, step in zip(moved, steps, strict=True):
        turn, _ = cv2.Rodrigues(step[:3])
        pose[:3, :3] = turn @ pose[:3, :3]
        pose[:3, 3] += step[3:]
    return moved


def _world(points: Float64, pose: Float64) -> Float64:
    moved: Float64 = points @ pose[:3, :3].T + pose[:3, 3]
    return moved


def _add_details(
    normal: _Normal, frames: Sequence[_Frame], found: _Matched, poses: Float64
) -> None:
    """The same detail in two frames is one point: residuals whitened by its two covariances."""
    i, j = found.pair
    a, b = _world(found.first, poses[i]), _world(found.second, poses[j])
    covariance = _covariances(a - poses[i, :3, 3], found.first[:, 2], frames[i].focal)
    covariance += _covariances(b - poses[j, :3, 3], found.second[:, 2], frames[j].focal)
    whiten: Float64 = np.linalg.inv(np.linalg.cholesky(covariance))
    residual = np.einsum("mij,mj->mi", whiten, a - b)
    squared = (residual**2).sum(axis=1)
    weight = np.repeat(1 / (1 + squared / 9.0), 3)
    Ji = np.einsum("mij,mjk->mik", whiten, _derivative(a - poses[i, :3, 3])).reshape(-1, 6)
    Jj = -np.einsum("mij,mjk->mik", whiten, _derivative(b - poses[j, :3, 3])).reshape(-1, 6)
    normal.add(i, j, Ji, Jj, residual.ravel(), weight)


def _covariances(rays: Float64, depth: Float64, focal: float) -> Float64:
    """(M, 3, 3) of points, known along their rays (M, 3) by depth, sideways by the picture."""
    direction = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    along = np.maximum(DEPTH_SHARE * depth, DEPTH_LEAST) ** 2
    aside = (DETAIL * depth / focal) ** 2
    outer = direction[:, :, None] * direction[:, None, :]
    return np.asarray(aside[:, None, None] * np.eye(3) + (along - aside)[:, None, None] * outer)


def _derivative(lever: Float64) -> Float64:
    """(M, 3, 6) of points by turn and shift of their frame; ``lever`` (M, 3) from its camera."""
    J = np.zeros((len(lever), 3, 6))
    x, y, z = lever.T
    J[:, 0, 1], J[:, 0, 2] = z, -y
    J[:, 1, 0], J[:, 1, 2] = -z, x
    J[:, 2, 0], J[:, 2, 1] = y, -x
    J[:, 0, 3] = J[:, 1, 4] = J[:, 2, 5] = 1
    return J


def _on_surface(
    frames: Sequence[_Frame], pair: Pair, poses: Float64, reach: float
) -> tuple[Float64, Float64, Float64]:
    """World points of the first frame, those of the second at the same pixels, and normals."""
    i, j = pair
    a, b = frames[i], frames[j]
    world = _world(a.points, poses[i])
    camera = (world - poses[j, :3, 3]) @ poses[j, :3, :3]
    seen, pixel = _looked_up(b, camera, max(reach, 0.02) * 2)
    normals = b.normals.reshape(-1, 3)[pixel].astype(np.float64)
    seen &= normals.any(axis=1)
    pixel, normals = pixel[seen], normals[seen]
    width = b.depth.shape[1]
    x, y = pixel % width + 0.5, pixel // width + 0.5
    target = _lifted(x, y, b.depth.ravel()[pixel], b.K)
    offset = ((camera[seen] - target) * normals).sum(axis=1)
    close = np.abs(offset) < reach
    return (
        world[seen][close],
        _world(target[close], poses[j]),
        normals[close] @ poses[j, :3, :3].T,
    )


def _add_surfaces(
    normal: _Normal, frames: Sequence[_Frame], pair: Pair, poses: Float64, reach: float
) -> None:
    """Points of one frame lie on the planes of another (Chen and Medioni 1991)."""
    i, j = pair
    points, targets, normals = _on_surface(frames, pair, poses, reach)
    if len(points) < 30:
        return
    residual = ((points - targets) * normals).sum(axis=1)
    weight = SAMPLE_WEIGHT / SURFACE**2 / (1 + (residual / (2 * SURFACE)) ** 2)
    Ji = np.hstack([np.cross(points - poses[i, :3, 3], normals), normals])
    Jj = -np.hstack([np.cross(targets - poses[j, :3, 3], normals), normals])
    normal.add(i, j, Ji, Jj, residual, weight)


def _add_odometry(normal: _Normal, number: int, relative: Float64, poses: Float64) -> None:
    """The step from one frame to the next is about what the phone said."""
    i, j = number, number + 1
    expected = poses[i] @ relative
    turn, _ = cv2.Rodrigues(poses[j, :3, :3] @ expected[:3, :3].T)
    residual = np.concatenate([-turn[:, 0], expected[:3, 3] - poses[j, :3, 3]])
    Ji, Jj = np.eye(6), -np.eye(6)
    Ji[3:] = _derivative((expected[:3, 3] - poses[i, :3, 3])[None])[0]
    weight = np.repeat([1 / STEP_TURN**2, 1 / STEP**2], 3)
    normal.add(i, j, Ji, Jj, residual, weight)


def _misfit(frames: Sequence[_Frame], pairs: Sequence[Pair], poses: Float64) -> float:
    """Root of the mean squared, limited distance between overlapping surfaces, metres."""
    total, count = 0.0, 0
    for i, j in pairs:
        points, targets, normals = _on_surface(frames, (i, j), poses, 2 * FARTHEST)
        offset = ((points - targets) * normals).sum(axis=1)
        total += float(np.minimum(offset**2, NEAREST**2).sum())
        count += len(offset)
    return float(np.sqrt(total / max(count, 1)))
