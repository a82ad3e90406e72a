"""Where a model lies in a larger frame: a survey's, a map's."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Triple = tuple[float, float, float]

#: Coordinates beyond this are kept apart: float32 holds fractions of a millimetre up to here.
NEAR = 4000.0
#: Offsets are multiples of this, so that people can add them up in their heads; of degrees, less.
STEP, DEGREE_STEP = 100.0, 0.01

#: Metres in the units that GeoTIFF numbers.
_UNITS = {9001: 1.0, 9002: 0.3048, 9003: 1200 / 3937}
_PROJECTED, _PROJECTED_UNIT, _MODEL_TYPE = 3072, 3076, 1024
_GEOGRAPHIC = 2
#: Of the Earth (WGS 84).
_EQUATOR, _FLATTENING = 6378137.0, 1 / 298.257223563


@dataclass(frozen=True)
class Crs:
    """A coordinate reference system, as files state it."""

    wkt: str = ""
    """OGC Well-Known Text."""
    keys: tuple[int, ...] = ()
    """GeoTIFF's GeoKeyDirectory."""
    doubles: tuple[float, ...] = ()
    """GeoTIFF's GeoDoubleParams."""
    text: str = ""
    """GeoTIFF's GeoAsciiParams."""

    @property
    def epsg(self) -> int | None:
        """The EPSG code of a projected system, where it is stated."""
        code = self._key(_PROJECTED)
        if code is not None and 0 < code < 32767:
            return code
        found = re.search(r'(?:AUTHORITY|ID)\["EPSG",\s*"?(\d+)"?\]\s*\]$', self._projected)
        return int(found[1]) if found else None

    @property
    def name(self) -> str:
        """What people call it."""
        named = re.search(r'"([^"]+)"', self.wkt)
        return named[1] if named else self.text.split("|")[0]

    @property
    def geographic(self) -> bool:
        """Whether coordinates are degrees."""
        if self.wkt:
            return not self._projected and self.wkt.lstrip().startswith(("GEOG", "COMPD_CS[", "C"))
        return self._key(_MODEL_TYPE) == _GEOGRAPHIC

    @property
    def metres(self) -> float:
        """Metres in a unit of a projected system; 1 where nothing is said."""
        stated = re.findall(r'(?:LENGTHUNIT|UNIT)\["[^"]*",\s*([0-9.eE+-]+)', self._projected)
        if stated:
            # The last is of the projected system itself, those before of angles.
            return float(stated[-1]) or 1.0
        return _UNITS.get(self._key(_PROJECTED_UNIT) or 9001, 1.0)

    def _key(self, wanted: int) -> int | None:
        for at in range(4, len(self.keys) - 3, 4):
            key, place, _, value = self.keys[at : at + 4]
            if key == wanted and place == 0:
                return value
        return None

    @property
    def _projected(self) -> str:
        """The WKT of the projected system alone, without vertical ones."""
        begin = re.search(r"PROJ(?:CS|CRS)\[", self.wkt)
        if not begin:
            return ""
        depth = 0
        for at in range(begin.end() - 1, len(self.wkt)):
            depth += {"[": 1, "]": -1}.get(self.wkt[at], 0)
            if depth == 0:
                return self.wkt[begin.start() : at + 1]
        return self.wkt[begin.start() :]


@dataclass(frozen=True)
class Place:
    """A local frame, in metres, in a larger one: there, x is ``origin + local / metres``."""

    origin: Triple = (0.0, 0.0, 0.0)
    """Of the local frame, in the larger one's units."""
    metres: Triple = (1.0, 1.0, 1.0)
    """In a unit of the larger frame, along each axis."""
    crs: Crs | None = None

    @classmethod
    def around(
        cls, low: NDArray[np.float64], high: NDArray[np.float64], crs: Crs | None = None
    ) -> Place:
        """The frame that keeps points between two corners (3,) exact."""
        middle = (low + high) / 2
        if crs is not None and crs.geographic and bool((np.abs(middle[:2]) <= (360, 90)).all()):
            east, north = _degrees(float(middle[1]))
            x, y = (float(round(v / DEGREE_STEP) * DEGREE_STEP) for v in middle[:2])
            return cls((x, y, 0.0), (east, north, 1.0), crs)
        metres = 1.0 if crs is None else crs.metres
        far = max(np.abs(low).max(), np.abs(high).max()) > NEAR
        x, y, z = (float(round(v / STEP) * STEP) if far else 0.0 for v in middle)
        return cls((x, y, z), (metres, metres, metres), crs)

    @property
    def trivial(self) -> bool:
        """Whether the larger frame is the local one."""
        return self.origin == (0, 0, 0) and self.metres == (1, 1, 1) and self.crs is None

    def local(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Points (N, 3) of the larger frame, in metres."""
        return np.asarray((points - self.origin) * self.metres, np.float64)

    def full(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Local points (N, 3) in the larger frame."""
        return np.asarray(points.astype(np.float64) / self.metres + self.origin, np.float64)

    def as_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Place:
        """What :meth:`as_json` gave."""
        crs = values["crs"]
        if crs is not None:
            crs = Crs(crs["wkt"], tuple(crs["keys"]), tuple(crs["doubles"]), crs["text"])
        (x, y, z), (u, v, w) = values["origin"], values["metres"]
        return cls((x, y, z), (u, v, w), crs)


def _degrees(latitude: float) -> tuple[float, float]:
    """Metres in a degree of longitude and of latitude, on the ellipsoid."""
    sine = math.sin(math.radians(latitude))
    squared = _FLATTENING * (2 - _FLATTENING)
    share = 1 - squared * sine * sine
    east = _EQUATOR / math.sqrt(share) * math.cos(math.radians(latitude))
    north = _EQUATOR * (1 - squared) / share**1.5
    return math.radians(1) * east, math.radians(1) * north
