"""Which files are photos and clips, by their names and by how they start."""

from __future__ import annotations

import re
from importlib.util import find_spec

PHOTO_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".tif", ".tiff", ".webp"}
    | {".heic", ".heif", ".hif"}
)
RAW_SUFFIXES = frozenset(
    {".dng", ".nef", ".nrw", ".cr2", ".cr3", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"}
)
CLIP_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".webm", ".mkv"})
LIVE_STILLS = frozenset({".jpg", ".jpeg", ".heic", ".heif"})
"""A Live Photo is one of these and a clip ``.mov`` of the same name beside it."""

FORMAT_NAMES = "JPEG, PNG, TIFF, WebP and HEIC"
CLIP_NAMES = "MP4, MOV, WebM and MKV"

SIGNATURE_BYTES = 16
_PHOTO_STARTS = re.compile(
    rb"\xff\xd8\xff"  # JPEG
    rb"|\x89PNG\r\n\x1a\n"
    rb"|II[\x2a\x2b]\0|MM\0[\x2a\x2b]"  # TIFF, BigTIFF
    rb"|RIFF....WEBP"
    rb"|....ftyp(hei[cxms]|hev[cxms]|mif1|msf1)",  # HEIC
    re.DOTALL,
)
_RAW_STARTS = re.compile(
    rb"II[\x2a\x2b]\0|MM\0[\x2a\x2b]"  # Most are TIFFs of their own.
    rb"|IIR[OS]|MMOR|IIU\0"  # Olympus, Panasonic
    rb"|FUJIFILM|....ftypcrx ",
    re.DOTALL,
)
_CLIP_STARTS = re.compile(
    rb"....(ftyp|moov|mdat|wide|free|skip)"  # MP4, QuickTime
    rb"|\x1a\x45\xdf\xa3",  # Matroska, WebM
    re.DOTALL,
)


def starts_like(suffix: str, start: bytes) -> bool:
    """Whether a file's first `SIGNATURE_BYTES` are of a kind that its suffix stands for."""
    if suffix in CLIP_SUFFIXES:
        return _CLIP_STARTS.match(start) is not None
    if suffix in RAW_SUFFIXES:
        return _RAW_STARTS.match(start) is not None
    return _PHOTO_STARTS.match(start) is not None


def can_read_raw() -> bool:
    """Whether raw photos can be developed here (``gypsum[raw]``)."""
    return find_spec("rawpy") is not None
