"""What may be wrong with a model, and what to do about it, in plain words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gypsum.report.schema import ReportData

FEW_PHOTOS = 15
"""Below this an object is rarely seen from all sides."""
LOST_SHARE = 0.1
"""More unregistered photos than this are worth a word of advice."""
HIGH_ERROR_PX = 1.5
"""Good captures stay below one pixel; more points to blur, motion or a rolling shutter."""
LOW_COVERAGE = 0.9
"""Share of the surface coloured from photos below which gaps are easily seen."""
FOCAL_OFF = 0.1
"""EXIF rounds, and phones crop; more than this share is another zoom, a wrong tag, or a bent
model."""
LOW_RESOLUTION = 0.6
"""Texture pixels for each photo pixel below which detail is visibly lost."""
WIDE_EXPOSURE = 1.5
"""Stops between photos beyond which highlights or shadows are clipped in some."""
SHORT_TRACKS = 3.0
"""Photos per point; fewer means that neighbouring photos hardly overlap."""


DOUBTFUL_SHARE = 0.1
"""Share of a featureless object's surface without evidence that is worth a word."""


@dataclass(frozen=True)
class Finding:
    """Something that may be wrong."""

    what: str
    do: str
    """What helps; empty when nothing needs to be done."""


def findings(data: ReportData) -> list[Finding]:
    """What may be wrong, the most important first."""
    return [
        *_photos(data),
        *_cameras(data),
        *_featureless(data),
        *_texture(data),
        *_warnings(data),
    ]


def _photos(data: ReportData) -> Iterator[Finding]:
    photos = data.photos
    lost = photos.usable - photos.registered
    if lost > max(1, LOST_SHARE * photos.usable):
        yield Finding(
            f"{lost} of {photos.usable} photos could not be placed; "
            "what only they show is missing from the model.",
            "Take more photos between those places and the others, so that neighbouring photos "
            "share at least two thirds of what they show.",
        )
    elif lost:
        yield Finding(f"{plural(lost, 'photo')} could not be placed.", "")
    if photos.skipped:
        yield Finding(
            f"{plural(len(photos.skipped), 'file')} could not be used.",
            "The table of left-out photos says why.",
        )
    if 0 < photos.registered < FEW_PHOTOS:
        yield Finding(
            f"The model rests on only {plural(photos.registered, 'photo')}.",
            "Thirty to sixty photos from all around, at two or three heights, give a complete "
            "model.",
        )


def _cameras(data: ReportData) -> Iterator[Finding]:
    if data.cameras is None:
        return
    if data.cameras.reprojection_error_px > HIGH_ERROR_PX:
        yield Finding(
            f"The cameras fit the photos to {data.cameras.reprojection_error_px:.1f} pixels only; "
            "under one is usual.",
            "Blurred photos, an object that moved or a zoom that changed are the usual reasons: "
            "keep the object still, hold the camera steady and do not zoom.",
        )
    if 0 < data.cameras.track_length < SHORT_TRACKS:
        yield Finding(
            "Most points are seen in hardly more than two photos.",
            "Take photos at smaller steps, about 10 degrees apart.",
        )
    if data.cameras.weak_directions:
        yield Finding(
            f"Few photos look from {in_words(data.cameras.weak_directions)}, seen from where the "
            "first photo was taken.",
            "Add some there: three or more, overlapping the others.",
        )
    for one in data.cameras.calibration:
        if one.exif_px is not None and abs(one.found_px / one.exif_px - 1) > FOCAL_OFF:
            yield Finding(
                f"The focal length of {one.camera} came out {one.found_px / one.exif_px - 1:+.0%} "
                "from what the photos' EXIF says.",
                "Cropped or edited photos do that, and so do few photos in a row; do not zoom or "
                "crop, and take photos from several distances.",
            )
    if data.frame is not None and data.frame.up == "guess":
        yield Finding(
            "Which way is up is a guess, and the model may lean.",
            "Photos in upright and level format from more sides, or a marker laid flat, tell it.",
        )


def _featureless(data: ReportData) -> Iterator[Finding]:
    found = data.featureless
    if found is not None and found.doubtful > DOUBTFUL_SHARE:
        yield Finding(
            f"Photos hardly shaped {100 * found.doubtful:.0f} % of the surface, marked orange in "
            "the picture of the evidence: it is smooth there because nothing says otherwise.",
            "Hollows that no outline shows need light that makes their shape visible, or dabs of "
            "a pattern.",
        )


def _texture(data: ReportData) -> Iterator[Finding]:
    texture = data.texture
    if texture is None:
        return
    if texture.coverage < LOW_COVERAGE:
        yield Finding(
            f"{100 * (1 - texture.coverage):.0f} % of the surface was seen by no photo and "
            "has a made-up colour.",
            "Usually that is the underside or the top: add photos that look there.",
        )
    if texture.texels_per_pixel is not None and texture.texels_per_pixel < LOW_RESOLUTION:
        yield Finding(
            f"The texture keeps {100 * texture.texels_per_pixel:.0f} % of the photos' resolution.",
            "A larger one (--texture) or several (--textures) would show more detail.",
        )
    if texture.exposure_range is not None and texture.exposure_range > WIDE_EXPOSURE:
        yield Finding(
            f"The photos' exposure differs by {texture.exposure_range:.1f} stops; it was evened "
            "out, but what is white or black in a photo stays so.",
            "Lock exposure and white balance while taking photos.",
        )


def _warnings(data: ReportData) -> Iterator[Finding]:
    for stage in data.stages:
        for warning in stage.warnings:
            yield Finding(warning, "")


def in_words(items: Sequence[str], most: int = 5) -> str:
    """``"a; b and c"``; what goes beyond ``most`` is counted."""
    texts = [*items[:most], *([f"{len(items) - most} more"] if len(items) > most else [])]
    return " and ".join(["; ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def plural(count: int, noun: str) -> str:
    """``"1 photo"``, ``"1,200 photos"``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
