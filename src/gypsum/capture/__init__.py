"""What people bring, read with care: folders, files and zips of photos."""

from gypsum.capture.read import read_capture
from gypsum.capture.sources import capture_digest, find_photos

__all__ = ["capture_digest", "find_photos", "read_capture"]
