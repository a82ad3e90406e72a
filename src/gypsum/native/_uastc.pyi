"""Pictures as blocks of UASTC."""

import numpy as np
from numpy.typing import NDArray

def encode(picture: NDArray[np.uint8], threads: int) -> NDArray[np.uint8]:
    """Blocks (ceil(H / 4), ceil(W / 4), 16) of UASTC LDR 4x4 for a picture (H, W, 3)."""
