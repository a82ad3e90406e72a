"""Where each photo was taken: features, matches, mapping, and the scan's common frame."""

from gypsum.cameras.alignment import align
from gypsum.cameras.estimate import EstimatedCameras, estimate_cameras
from gypsum.cameras.features import detect_features
from gypsum.cameras.matches import match_features
from gypsum.cameras.scale import KnownLengths, MarkedPoint, check_lengths, read_points

__all__ = [
    "EstimatedCameras",
    "KnownLengths",
    "MarkedPoint",
    "align",
    "check_lengths",
    "detect_features",
    "estimate_cameras",
    "match_features",
    "read_points",
]
