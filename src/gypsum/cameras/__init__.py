"""Where each photo was taken: features, matches, mapping, and the scan's common frame."""

from gypsum.cameras.alignment import align
from gypsum.cameras.estimate import EstimatedCameras, estimate_cameras
from gypsum.cameras.features import detect_features
from gypsum.cameras.known import KnownCameras, check_names, read_known_cameras
from gypsum.cameras.learned import add_learned_matches, check_installed
from gypsum.cameras.matches import match_features
from gypsum.cameras.preview import preview_cameras
from gypsum.cameras.scale import KnownLengths, MarkedPoint, check_lengths, read_points

__all__ = [
    "EstimatedCameras",
    "KnownCameras",
    "KnownLengths",
    "MarkedPoint",
    "add_learned_matches",
    "align",
    "check_installed",
    "check_lengths",
    "check_names",
    "detect_features",
    "estimate_cameras",
    "match_features",
    "preview_cameras",
    "read_known_cameras",
    "read_points",
]
