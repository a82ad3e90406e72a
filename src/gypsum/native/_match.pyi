"""Exact matching of 8-bit descriptors."""

import numpy as np
from numpy.typing import NDArray

def match_descriptors(
    a: NDArray[np.uint8], b: NDArray[np.uint8], ratio: float, path: str = "auto"
) -> NDArray[np.uint32]: ...
def paths() -> list[str]: ...
