"""Which pixels of the photos are the object."""

from gypsum.masking.agreement import Agreement, agree
from gypsum.masking.given import digest_of, list_given, match_given
from gypsum.masking.ground import clear_ground, find_ground
from gypsum.masking.saliency import MODEL, SaliencyNetwork, check_model
from gypsum.masking.singles import SingleMasks, clear_surroundings, mask_photos
from gypsum.masking.turntable import is_turntable

__all__ = [
    "MODEL",
    "Agreement",
    "SaliencyNetwork",
    "SingleMasks",
    "agree",
    "check_model",
    "clear_ground",
    "clear_surroundings",
    "digest_of",
    "find_ground",
    "is_turntable",
    "list_given",
    "mask_photos",
    "match_given",
]
