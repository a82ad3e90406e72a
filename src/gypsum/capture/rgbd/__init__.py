"""Captures with depth, as phone apps, depth cameras and data sets store them.

Each app has a module that tells by the names of files whether a folder is its work, and lists the
frames. What the files hold is decoded in confined processes, like photos. Loaded when it is used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gypsum.capture.rgbd.read import RgbdCapture, is_rgbd, read_rgbd, rgbd_digest

__all__ = ["RgbdCapture", "is_rgbd", "read_rgbd", "rgbd_digest"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.read"), name)
