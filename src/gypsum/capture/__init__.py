"""What people bring, read with care: folders, files and zips of photos and clips.

Loaded when it is used, because decoding processes need little of it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gypsum.capture.read import read_capture
    from gypsum.capture.sources import capture_digest, expected_photos, find_photos, sentences

__all__ = ["capture_digest", "expected_photos", "find_photos", "read_capture", "sentences"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "read" if name == "read_capture" else "sources"
    return getattr(import_module(f"{__name__}.{module}"), name)
