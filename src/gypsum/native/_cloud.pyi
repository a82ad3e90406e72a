"""Thinning, neighbours and local shape of point clouds."""

import numpy as np
from numpy.typing import NDArray

class Grid:
    """Points gathered in the cells of a sparse grid; its cells grow when there are too many."""

    def __init__(self, edge: float, most: int) -> None: ...
    def add(
        self,
        points: NDArray[np.float64],
        colors: NDArray[np.uint8],
        facing: NDArray[np.float32],
        intensity: NDArray[np.float32],
        classes: NDArray[np.uint8],
    ) -> None:
        """Gather points (N, 3); the others have as many rows."""

    def finish(
        self,
    ) -> tuple[
        NDArray[np.float32],
        NDArray[np.uint8],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.uint8],
        NDArray[np.uint32],
    ]:
        """Each cell's mean point, colour, facing and intensity, most frequent class, and count."""

    def __len__(self) -> int: ...
    @property
    def edge(self) -> float:
        """Of a cell, now."""

def local_shape(
    points: NDArray[np.float32], neighbours: int, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Mean distance (N,) to the neighbours, normal (N, 3) of their plane, RMS distance from it,
    and how many times further away they are than their own neighbours."""

def nearest(
    points: NDArray[np.float32], wanted: NDArray[np.float32], k: int, threads: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Indices (M, k) of the points nearest to those wanted, and their distances; -1 for none."""

def lzf_expand(data: bytes, size: int) -> bytes:
    """Exactly ``size`` bytes; ValueError for damaged data."""
