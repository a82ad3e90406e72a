"""Where each photo was taken: features, matches, mapping, and the scan's common frame."""

from gypsum.cameras.alignment import align
from gypsum.cameras.estimate import EstimatedCameras, estimate_cameras
from gypsum.cameras.features import detect_features
from gypsum.cameras.matches import match_features

__all__ = [
    "EstimatedCameras",
    "align",
    "detect_features",
    "estimate_cameras",
    "match_features",
]
