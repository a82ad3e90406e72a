from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
UInt8 = NDArray[np.uint8]

ROW: int
"""Numbers of a Gaussian: mean 3, log scale 3, quaternion 4, opacity 1, harmonics 16 x 3."""

class Rasterizer:
    def __init__(
        self,
        alpha_min: float,
        transmittance_min: float,
        near: float,
        blur: float,
        threads: int = 0,
        portable: bool = False,
    ) -> None: ...
    def draw(
        self,
        rows: Float32,
        degree: int,
        K: Float64,
        pose: Float64,
        background: Float32,
        color: Float32,
        transmittance: Float32,
    ) -> int: ...
    def pull(
        self,
        rows: Float32,
        color: Float32,
        derivative: Float32,
        error: Float32,
        derivatives: Float32,
        errors: Float32,
        seen: UInt8,
    ) -> None: ...
    def draw_planes(self, rows: Float32, planes: Float32, transmittance: Float32) -> None: ...
    def pull_planes(
        self,
        rows: Float32,
        planes: Float32,
        transmittance: Float32,
        weight: float,
        derivatives: Float32,
    ) -> float: ...

class Comparer:
    def __init__(self, ssim_weight: float, threads: int = 0, portable: bool = False) -> None: ...
    def compare(
        self,
        drawn: Float32,
        photo: UInt8,
        mask: UInt8 | None,
        background: Float32,
        exposure: Float32,
        derivative: Float32,
        error: Float32,
        by_exposure: Float64,
    ) -> tuple[float, float]: ...

def adam(
    rows: Float32,
    first: Float32,
    second: Float32,
    derivatives: Float32,
    seen: UInt8,
    rates: Float32,
    columns: int,
    step: int,
    beta1: float = 0.9,
    beta2: float = 0.999,
    epsilon: float = 1e-15,
    threads: int = 0,
    portable: bool = False,
) -> None: ...
def draw_depths(
    rows: Float32,
    K: Float64,
    pose: Float64,
    alpha_min: float,
    transmittance_min: float,
    near: float,
    blur: float,
    surface: float,
    front: float,
    depth: Float32,
    expected: Float32,
    normal: Float32,
    transmittance: Float32,
    threads: int = 0,
    portable: bool = False,
) -> None: ...
def compare_depths(
    depth: Float32,
    to_world: Float64,
    depths: Sequence[Float32],
    from_world: Sequence[Float64],
    tolerance: float,
    reach: float,
    threads: int,
    agree: UInt8,
    before: UInt8,
) -> None: ...
