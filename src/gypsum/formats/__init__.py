"""One module per file format.

``FORMATS`` names every format a model can be exported to; ``write_model`` writes one of them, and
``read_model`` reads them all. Each format's module turns a model into the bytes of its files, with
the axes and units that the format's readers expect, and the files appear together or not at all.

Gaussian splats have formats of their own, ``SPLAT_FORMATS``, some under the same names. What may
hold either is read by ``read_asset`` and written by ``write_asset``.
"""

from gypsum.formats.models import (
    ALL_FORMATS,
    FORMATS,
    Format,
    format_of,
    stem_of,
    write_asset,
    write_model,
)
from gypsum.formats.reading import READABLE, Asset, Model, read_asset, read_model, read_splats
from gypsum.formats.splats.files import SPLAT_FORMATS

__all__ = [
    "ALL_FORMATS",
    "FORMATS",
    "READABLE",
    "SPLAT_FORMATS",
    "Asset",
    "Format",
    "Model",
    "format_of",
    "read_asset",
    "read_model",
    "read_splats",
    "stem_of",
    "write_asset",
    "write_model",
]
