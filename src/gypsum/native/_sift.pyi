"""SIFT: distinctive points of grey pictures."""

import numpy as np
from numpy.typing import NDArray

class ScaleSpace:
    def __init__(self, gray: NDArray[np.uint8], portable: bool = False) -> None: ...
    def detect(self, contrast: float, edge: float = 10.0) -> NDArray[np.float32]: ...
    def describe(
        self, points: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.uint8]]: ...
