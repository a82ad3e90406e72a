"""What people bring, read with care: folders, files and zips of photos and clips."""

from gypsum.capture.read import read_capture
from gypsum.capture.sources import capture_digest, expected_photos, find_photos, sentences

__all__ = ["capture_digest", "expected_photos", "find_photos", "read_capture", "sentences"]
