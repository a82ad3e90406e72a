"""Uploads: resumable, in pieces, checked for what they hold before anything reads them."""

from gypsum.service.uploads.partial import ChecksumError, OffsetError, Uploads
from gypsum.service.uploads.sniffing import RefusedError, accepted, inspect

__all__ = ["ChecksumError", "OffsetError", "RefusedError", "Uploads", "accepted", "inspect"]
