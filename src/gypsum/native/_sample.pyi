"""The procedural sculpture: its surface, its pictures, and a camera's sensor."""

import numpy as np
from numpy.typing import NDArray

TABLE_RADIUS: float

class Card:
    """A printed card that lies flat on the table."""

    def __init__(
        self, x: float, y: float, turn: float, module: float, pattern: NDArray[np.uint8]
    ) -> None:
        """``x``, ``y``: centre, metres; ``turn``: radians, counter-clockwise from above;
        ``module``: side of a square of the ``pattern`` (N, N), metres, whose row 0 is the top and
        whose zeros are ink."""

class Scene:
    """The sculpture on its table, lit. Building one takes seconds; drawing is quick."""

    def __init__(self, cell: float, threads: int = 0) -> None:
        """``cell``: size of the triangles, metres."""

    @property
    def vertices(self) -> NDArray[np.float32]:
        """(V, 3) metres."""

    @property
    def normals(self) -> NDArray[np.float32]:
        """(V, 3) unit normals of the distance field."""

    @property
    def faces(self) -> NDArray[np.int32]:
        """(F, 3) counter-clockwise from outside; closed."""

    def render(
        self,
        width: int,
        height: int,
        K: NDArray[np.float64],
        R: NDArray[np.float64],
        t: NDArray[np.float64],
        k1: float = 0.0,
        color: bool = True,
        threads: int = 0,
        cards: list[Card] = ...,
        finish: int = 0,
        turn: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
        """Radiance (H, W, 3), depth (H, W), world normal (H, W, 3), label (H, W).

        ``finish`` of the sculpture: 0 painted, 1 plain, 2 mirror, 3 hidden (the table alone),
        4 posed: painted, alone, in a room's soft light that stays; ``turn`` (3, 3) leads from the
        sculpture to the room.
        """

def expose(
    radiance: NDArray[np.float32],
    exposure: float,
    vignetting: float,
    full_well: float,
    read_noise: float,
    seed: int,
    threads: int = 0,
) -> NDArray[np.uint8]:
    """Linear radiance (H, W, 3) to an 8-bit sRGB photo; ``full_well`` 0 means no noise."""

def distance(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """The sculpture's distance field at points (N, 3), metres, negative inside."""
