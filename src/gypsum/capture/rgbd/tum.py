"""TUM RGB-D benchmark (Technical University of Munich).

``rgb.txt`` and ``depth.txt`` list times and files; depth maps have 5000 steps a metre;
``groundtruth.txt``, where there is one, has time, x, y, z, qx, qy, qz, qw: camera-to-world, OpenCV
camera axes, z up. Cameras are told by no file: the benchmark's page lists them by the folder's
name; ``camera.txt`` with fx fy cx cy counts where somebody put it there.
"""

from __future__ import annotations

import bisect

from gypsum.capture.rgbd.found import (
    Y_DOWN,
    Z_UP,
    FoundCapture,
    FoundFrame,
    intrinsics,
    pose_of_quaternion,
)
from gypsum.capture.rgbd.tree import Tree

NAME = "TUM RGB-D"
STEPS = 5000.0
_NEAR = 0.03
"""Seconds between what belongs together, as the benchmark's own tools say."""
_CAMERAS = {
    "freiburg1": (517.3, 516.5, 318.6, 255.3),
    "freiburg2": (520.9, 521.0, 325.1, 249.7),
    "freiburg3": (535.4, 539.2, 320.1, 247.6),
}
_ANY = (525.0, 525.0, 319.5, 239.5)


def recognises(tree: Tree) -> bool:
    """Whether the folder is of the benchmark."""
    return "rgb.txt" in tree and "depth.txt" in tree


def read(tree: Tree) -> FoundCapture:
    """All its frames, colour pictures with the depth maps of their times."""
    colors, depths = _listed(tree, "rgb.txt"), _listed(tree, "depth.txt")
    truth = sorted(tree.numbers("groundtruth.txt", 8)) if "groundtruth.txt" in tree else []
    times, truth_times = [time for time, _ in depths], [row[0] for row in truth]
    K = intrinsics(*_camera(tree))
    K[:2, 2] += 0.5  # The benchmark counts from the centre of the first pixel.
    frames = []
    for number, (time, color) in enumerate(colors):
        at, pose = _nearest(times, time), _nearest(truth_times, time)
        if at is None or color not in tree or depths[at][1] not in tree:
            continue
        row = None if pose is None else truth[pose]
        frames.append(
            FoundFrame(
                f"{number:06d}",
                tree.path(depths[at][1]),
                color=tree.path(color),
                K=K,
                pose=None if row is None else pose_of_quaternion(row[1:4], row[4:8]),
                time=time,
            )
        )
    return FoundCapture(
        NAME, tuple(frames), Z_UP if truth else Y_DOWN, gravity=bool(truth), depth_unit=1 / STEPS
    )


def _listed(tree: Tree, name: str) -> list[tuple[float, str]]:
    listed = []
    for row in tree.table(name):
        try:
            listed.append((float(row[0]), row[1]))
        except (ValueError, IndexError):
            continue
    return sorted(listed)


def _camera(tree: Tree) -> tuple[float, ...]:
    if "camera.txt" in tree:
        rows = tree.numbers("camera.txt", 4)
        if rows:
            return tuple(rows[0][:4])
    known = [four for name, four in _CAMERAS.items() if name in tree.root.resolve().name]
    return known[0] if known else _ANY


def _nearest(times: list[float], time: float) -> int | None:
    after = bisect.bisect_left(times, time)
    near = [n for n in (after - 1, after) if 0 <= n < len(times) and abs(times[n] - time) < _NEAR]
    return min(near, key=lambda n: abs(times[n] - time)) if near else None
