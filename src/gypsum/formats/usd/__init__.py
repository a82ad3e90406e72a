"""USDZ: Universal Scene Description in a package, as AR on phones takes it; Y up, metres.

https://openusd.org/release/spec_usdz.html, https://openusd.org/release/spec_usdpreviewsurface.html
"""

from gypsum.formats.usd.installed import check_installed
from gypsum.formats.usd.read import read
from gypsum.formats.usd.write import usdz

__all__ = ["check_installed", "read", "usdz"]
