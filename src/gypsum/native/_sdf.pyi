import numpy as np
from numpy.typing import NDArray

_F = NDArray[np.float32]
_I = NDArray[np.int32]

SIDE: int
CHANNELS: int
DRAWN: int
INSIDE: int

class Scene:
    def __init__(
        self,
        table: _I,
        distance: _F,
        color: _F,
        truncation: float,
        cameras: _F,
        camera: NDArray[np.int16],
        pixel: _F,
        target: _F,
        trust: _F,
        depth: _F | None,
        threads: int = 0,
        portable: bool = False,
    ) -> None: ...
    def descend(
        self,
        optics: _F,
        phase: float,
        chosen: _I,
        by_distance: _F,
        by_color: _F,
        seen: NDArray[np.uint8],
    ) -> tuple[float, float, float, int]: ...
    def inform(self, optics: _F, phase: float, chosen: _I, squares: _F) -> None: ...
    def draw(self, optics: _F, phase: float, chosen: _I, drawn: _F) -> None: ...

def sample(
    table: _I,
    distance: _F,
    color: _F | None,
    truncation: float,
    points: _F,
    distances: _F,
    colors: _F | None,
    threads: int = 0,
    portable: bool = False,
) -> None: ...
def regularize(
    distance: _F,
    around: _I,
    eikonal: float,
    curvature: float,
    edge: float,
    width: float,
    gradient: _F,
    threads: int = 0,
) -> None: ...
def diffuse(values: _F, around: _I, rounds: int, threads: int = 0) -> None: ...
def redistance(
    distance: _F, around: _I, truncation: float, rounds: int, to: _F, threads: int = 0
) -> None: ...
def adam(
    color: _F,
    first: _F,
    second: _F,
    by_color: _F,
    seen: NDArray[np.uint8],
    rates: _F,
    decay: _F,
    step: int,
    threads: int = 0,
) -> None: ...
