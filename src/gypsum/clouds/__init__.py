"""Point clouds of any size: gathered, cleaned, oriented and registered."""

from gypsum.clouds.cleaning import Cleaned, clean
from gypsum.clouds.gathering import Gathered, Motion, gather, read_gathered, write_gathered
from gypsum.clouds.orientation import orient
from gypsum.clouds.painting import colors_near

__all__ = [
    "Cleaned",
    "Gathered",
    "Motion",
    "clean",
    "colors_near",
    "gather",
    "orient",
    "read_gathered",
    "write_gathered",
]
