"""Whether photos will make a good model, before hours are spent: measured, with the limits named.

``measure_picture`` looks at one photo, ``judge`` at all together.
"""

from gypsum.checks.judge import (
    FEATURELESS,
    CheckedPhoto,
    Finding,
    Judgement,
    Measure,
    Severity,
    judge,
    photo_findings,
)
from gypsum.checks.pictures import PictureMeasures, measure_picture

__all__ = [
    "FEATURELESS",
    "CheckedPhoto",
    "Finding",
    "Judgement",
    "Measure",
    "PictureMeasures",
    "Severity",
    "judge",
    "measure_picture",
    "photo_findings",
]
