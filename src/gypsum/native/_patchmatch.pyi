from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class Matcher:
    """One reference photo at one size with its sources; pixels and planes as in docs/dense.md."""

    def __init__(
        self,
        gray: NDArray[np.uint8],
        intrinsics: Sequence[float],
        w_min: float,
        w_max: float,
        seed: int = 0,
        threads: int = 0,
        portable: bool = False,
    ) -> None: ...
    def add_source(self, gray: NDArray[np.uint8], forward: NDArray[np.float32]) -> None: ...
    def set_geometry(
        self, index: int, inverse_depth: NDArray[np.float32], backward: NDArray[np.float32]
    ) -> None: ...
    def set_mask(self, mask: NDArray[np.uint8]) -> None: ...
    def initialise(
        self, planes: NDArray[np.float32], cost: NDArray[np.float32], chosen: NDArray[np.uint16]
    ) -> None: ...
    def sweep(
        self,
        planes: NDArray[np.float32],
        cost: NDArray[np.float32],
        chosen: NDArray[np.uint16],
        iteration: int,
        reach: int,
        depth_range: float,
        angle_range: float,
        random_hypothesis: bool,
        geometric_weight: float = 0.0,
    ) -> None: ...
    def cost(self, x: int, y: int, w: float, a: float, b: float, source: int) -> float: ...
