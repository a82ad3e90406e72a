"""Point clouds of any size: gathered, cleaned, oriented and registered."""

from gypsum.clouds.cleaning import Cleaned, clean
from gypsum.clouds.gathering import (
    Gathered,
    Motion,
    gather,
    gather_each,
    place_of,
    read_gathered,
    write_gathered,
)
from gypsum.clouds.orientation import orient
from gypsum.clouds.painting import colors_near
from gypsum.clouds.registration import Registration, register

__all__ = [
    "Cleaned",
    "Gathered",
    "Motion",
    "Registration",
    "clean",
    "colors_near",
    "gather",
    "gather_each",
    "orient",
    "place_of",
    "read_gathered",
    "register",
    "write_gathered",
]
