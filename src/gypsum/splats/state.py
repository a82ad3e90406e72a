"""What a training has reached."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from gypsum.scene import Splats
from gypsum.splats.exposure import Exposures

Float32 = NDArray[np.float32]


@dataclass
class State:
    """All that training goes on from."""

    rows: Float32
    """(N, 59)"""
    first: Float32
    second: Float32
    scores: Float32
    """(N,) error in this round."""
    exposures: Exposures
    rng: np.random.Generator
    begun_with: int
    """Gaussians before the first iteration."""
    iteration: int = 0
    seconds: float = 0.0
    queue: list[int] = field(default_factory=list)
    """Photos still to come before all are shuffled again."""

    @classmethod
    def begin(cls, splats: Splats, photos: int, seed: int) -> State:
        """Before the first iteration."""
        rows = splats.rows()
        zeros = np.zeros_like(rows)
        scores = np.zeros(len(rows), np.float32)
        rng = np.random.default_rng(seed)
        return cls(rows, zeros, zeros.copy(), scores, Exposures.of(photos), rng, len(rows))
