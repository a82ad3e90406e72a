"""One module per file format.

``FORMATS`` names every format a model can be exported to; ``write_model`` writes one of them, and
``read_model`` reads them all. Each format's module turns a model into the bytes of its files, with
the axes and units that the format's readers expect, and the files appear together or not at all.
"""

from gypsum.formats.models import FORMATS, Format, format_of, write_model
from gypsum.formats.reading import READABLE, Model, read_model

__all__ = ["FORMATS", "READABLE", "Format", "Model", "format_of", "read_model", "write_model"]
