"""What the measurements of a capture mean, with the limits that they are held against."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np

from gypsum.checks.around import Directions, find_directions, view_angles
from gypsum.checks.motion import (
    LEAST_PAIRS,
    Moved,
    Moving,
    find_moved,
    find_moving,
    same_places,
    steadiness,
    turntable_share,
)
from gypsum.checks.pictures import PictureMeasures
from gypsum.scene.capture import Capture, PhotoFile
from gypsum.scene.preview import Preview

BLUR = 1.6
"""Of a photo of 1024 pixels: an edge is then four pixels wide (2.4 times as much), and all detail
below a 250th of the picture is gone."""
DEFOCUS = BLUR
"""The subject is blurred by so much more than its surroundings."""
DARK = 0.25
"""The brightest things get a twentieth of the light that the sensor holds (sRGB 0.25): the darker
ones drown in noise."""
BURNT = 0.5
"""Most of the detail touches white: light things have lost theirs."""
SMALL = 640
"""Pixels: a model's detail is about two pixels, here a 300th of the picture."""
STEP = 40.0
"""Degrees: SIFT matches surfaces that turned by 30 degrees or less well, and hardly any beyond 40
(Mikolajczyk and Schmid 2005, figure 5)."""
GAP = 90.0
"""Degrees: what faces the middle of the gap is seen at a slant of 45 degrees at best."""
FACES = 45.0
"""Degrees: below, the main plane faces the camera rather than lies below a thing."""
UNLINKED = 0.2
"""Share of photos without enough overlap with the others."""
MOST = 1 / 3
"""Share of photos from which on a fault of photos is one of the capture."""
MOVED_SHARE = 0.08
MOVING_SHARE = 0.12
"""Of pairs of near photos: what moves all the time is seen in one of eight."""
LARGE = 0.25
"""Share of the matches on what moves, from which on it is no bystander."""
CHANCE = 5.0
"""Pairs across the moment when something moved show it; five times as often as all others."""
TURNING = 0.25
"""Share of the pairs with one part still and another turning."""
STEADY = 0.45
"""Detail in the middle matches this much less often than detail around it, or less."""
PLAIN = 0.15
"""Share of the middle without detail: gaps of this size can't be filled from their borders."""
SAME = 0.25
"""Share of photos that add nothing."""


FEATURELESS = ("plain", "reflective")
"""Codes of what a Photo Scan can't measure and a scan by outlines can."""


class Severity(StrEnum):
    """How much a finding matters."""

    NOTE = "note"
    """Worth knowing; nothing has to be done."""
    WARNING = "warning"
    """The model will lack something."""
    PROBLEM = "problem"
    """A scan would fail or disappoint."""


@dataclass(frozen=True)
class Finding:
    """Something about the capture that matters, with the figure that shows it."""

    code: str
    severity: Severity
    what: str
    do: str
    """What helps."""
    measure: str
    value: float
    limit: float
    photos: tuple[str, ...] = ()
    """Those that it is about; none where it is about all together."""


@dataclass(frozen=True)
class Measure:
    """A figure beside its limit, whether it is kept or not."""

    code: str
    what: str
    value: float
    bound: str
    """``"at most"`` or ``"at least"`` the limit."""
    limit: float
    unit: str
    good: bool


@dataclass(frozen=True)
class CheckedPhoto:
    """One photo with its figures and what is wrong with it."""

    name: str
    source: str
    width: int
    height: int
    blur: float
    defocus: float
    brightness: float
    burnt: float
    plain: float
    overlapping: int
    """Other photos that it overlaps with."""
    marks: tuple[str, ...]
    """Codes of findings."""


@dataclass(frozen=True)
class Judgement:
    """All that a check found."""

    photos: tuple[CheckedPhoto, ...]
    findings: tuple[Finding, ...]
    """The most important first."""
    measures: tuple[Measure, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing speaks against a scan in the mode that suits the object."""
        return all(
            finding.severity is not Severity.PROBLEM or finding.code in FEATURELESS
            for finding in self.findings
        )


def photo_marks(photo: PhotoFile, measures: PictureMeasures) -> tuple[str, ...]:
    """What is wrong with one photo alone."""
    unfocused = measures.defocus > DEFOCUS
    wrong = {
        "blurred": measures.blur > BLUR and not unfocused,
        "unfocused": unfocused,
        "dark": measures.brightness < DARK,
        "burnt": measures.burnt > BURNT,
        "small": max(photo.width, photo.height) < SMALL,
    }
    return tuple(code for code, is_wrong in wrong.items() if is_wrong)


def photo_findings(
    photos: Sequence[PhotoFile], measures: Sequence[PictureMeasures]
) -> list[Finding]:
    """What is wrong with the photos, each taken by itself."""
    return list(_of_pictures(photos, measures))


def judge(capture: Capture, measures: Sequence[PictureMeasures], preview: Preview) -> Judgement:
    """Everything about a capture, from the measures of its photos and how they match."""
    photos = capture.photos
    directions = find_directions(photos, preview)
    same = same_places(photos, preview)
    moved = find_moved(preview)
    moving = find_moving(preview)
    turning = turntable_share(photos, preview)
    inside, outside = steadiness(photos, preview)
    plain = float(np.median([m.plain for m in measures]))
    steady = inside / outside if outside > 0 else 1.0
    findings = [
        *_of_pictures(photos, measures),
        *_of_overlap(photos, preview, directions),
        *_of_motion(photos, moved, moving, turning),
        *_of_surface(plain, steady),
        *_of_repeats(capture, same),
    ]
    findings.sort(key=lambda finding: list(Severity)[::-1].index(finding.severity))
    unlinked = set(np.flatnonzero(preview.group != 0).tolist())
    extra = {"same place": set(same), "no overlap": unlinked}
    if moved is not None and any(finding.code == "moved" for finding in findings):
        extra["after it moved"] = set(range(moved.photo, len(photos)))
    if any(finding.code == "moving" for finding in findings):
        extra["moving"] = set(moving.photos)
    return Judgement(
        _checked(photos, measures, preview, extra),
        tuple(findings),
        tuple(_measures(photos, measures, directions, moved, moving, turning, steady, plain)),
    )


def _checked(
    photos: Sequence[PhotoFile],
    measures: Sequence[PictureMeasures],
    preview: Preview,
    extra: Mapping[str, set[int]],
) -> tuple[CheckedPhoto, ...]:
    angles = view_angles(preview)
    return tuple(
        CheckedPhoto(
            name=photo.name,
            source=photo.source,
            width=photo.width,
            height=photo.height,
            blur=m.blur,
            defocus=m.defocus,
            brightness=m.brightness,
            burnt=m.burnt,
            plain=m.plain,
            overlapping=len(angles[number]),
            marks=(
                *photo_marks(photo, m),
                *(code for code, numbers in extra.items() if number in numbers),
            ),
        )
        for number, (photo, m) in enumerate(zip(photos, measures, strict=True))
    )


def _of_pictures(
    photos: Sequence[PhotoFile], measures: Sequence[PictureMeasures]
) -> Iterator[Finding]:
    texts: dict[str, tuple[str, str, str, float, list[float]]] = {
        "blurred": (
            "blurred",
            "Hold the camera still, give it light, wait for the focus, and take these again.",
            "blur, pixels of 1024", BLUR, [m.blur for m in measures],
        ),
        "unfocused": (
            "focused on what is beside or behind the object, which is blurred",
            "Tap on the object to focus on it, lock the focus, and take these again.",
            "blur of the middle less that around it, pixels of 1024", DEFOCUS,
            [m.defocus for m in measures],
        ),
        "dark": (
            "far too dark",
            "Bring more light to the object; a longer exposure on a tripod does as well.",
            "brightness of the brightest", DARK, [m.brightness for m in measures],
        ),
        "burnt": (
            "burnt out: what is white to the limit has no detail",
            "Expose less; a phone does after a tap on the bright part of the object.",
            "share of detail beside white", BURNT, [m.burnt for m in measures],
        ),
        "small": (
            f"smaller than {SMALL} pixels",
            "Use the photos as the camera took them, not previews or copies sent by a messenger.",
            "longer side, pixels", SMALL, [float(max(p.width, p.height)) for p in photos],
        ),
    }  # fmt: skip
    for code, (what, do, measure, limit, values) in texts.items():
        wrong = [
            number
            for number, pair in enumerate(zip(photos, measures, strict=True))
            if code in photo_marks(*pair)
        ]
        many = len(wrong) > MOST * len(photos)
        # In a few photos something else may be in the middle.
        if many or (wrong and code != "unfocused"):
            severity = Severity.PROBLEM if many and code != "small" else Severity.WARNING
            yield Finding(
                code,
                severity,
                f"{len(wrong)} of {len(photos)} photos are {what}.",
                do,
                measure,
                float(np.median([values[n] for n in wrong])),
                limit,
                tuple(photos[n].name for n in wrong),
            )


def _of_overlap(
    photos: Sequence[PhotoFile], preview: Preview, directions: Directions
) -> Iterator[Finding]:
    alone = [photos[int(n)].name for n in np.flatnonzero(preview.group != 0)]
    share = len(alone) / len(photos)
    if share > UNLINKED or directions.photos < 3:
        yield Finding(
            "unlinked",
            Severity.PROBLEM,
            f"{len(alone)} of {len(photos)} photos show too little of what others show.",
            "Take a photo every 10 to 15 degrees, so that neighbours share two thirds of what "
            "they show; if the object is plain or turns on a still backdrop, see the guide.",
            "share of photos without overlap", share, UNLINKED, tuple(alone),
        )  # fmt: skip
    if directions.photos >= 3 and directions.step > STEP:
        yield Finding(
            "few",
            Severity.PROBLEM,
            f"There are too few photos: from one to the next the view turns by "
            f"{directions.step:.0f} degrees.",
            "Take 30 to 60, one every 10 to 15 degrees, at two or three heights.",
            "degrees to the second nearest photo", directions.step, STEP,
        )  # fmt: skip
    gap = directions.gap
    if gap > max(GAP, 2 * directions.step) and stands_free(directions):
        side = "The photos are from one side only" if gap > 180 else "One side is missing"
        yield Finding(
            "one-sided",
            Severity.WARNING,
            f"{side}: none looks from within {gap:.0f} degrees of the full turn.",
            "Walk all the way around, or turn the object; for a relief or a front alone this is "
            "as it should be.",
            "largest gap around, degrees", gap, GAP,
        )  # fmt: skip


def stands_free(directions: Directions) -> bool:
    """Whether the photos look at a thing, and not at a wall or down at the ground."""
    most_look_aside = 2 * directions.sides >= directions.photos
    return most_look_aside and (directions.facing is None or directions.facing >= FACES)


def _of_motion(
    photos: Sequence[PhotoFile], moved: Moved | None, moving: Moving, turning: float
) -> Iterator[Finding]:
    if turning > TURNING:
        yield Finding(
            "turntable",
            Severity.WARNING,
            "The object turns before a camera that stands still.",
            "Mask the surroundings, or use a plain backdrop: what stands still contradicts what "
            "turns.",
            "share of pairs that show it", turning, TURNING,
        )  # fmt: skip
    elif moving_share(moving) > MOVING_SHARE:
        large = moving.size > LARGE
        yield Finding(
            "moving",
            Severity.PROBLEM if large else Severity.WARNING,
            "Something moves all the time: from photo to photo it goes another way than the rest.",
            "Wait until people and animals are gone, fasten what sways, or mask it; what does not "
            "hold still can't be measured.",
            "share of pairs of near photos that show it", moving.share, MOVING_SHARE,
            tuple(photos[number].name for number in moving.photos),
        )  # fmt: skip
    elif moved is not None and shown_share(moved) > MOVED_SHARE:
        yield Finding(
            "moved",
            Severity.PROBLEM,
            f"Something moved before {photos[moved.photo].name} was taken: it and its "
            "surroundings fit no single motion of the camera.",
            "Leave everything in its place while taking photos; scan the photos before or after "
            "that moment alone, or mask the surroundings of the object.",
            "share of pairs that show it", moved.share, MOVED_SHARE,
            tuple(photo.name for photo in photos[moved.photo :]),
        )  # fmt: skip


def shown_share(moved: Moved) -> float:
    """The share of pairs across the moment that show a motion; 0 where chance shows as much."""
    by_chance = moved.pairs < LEAST_PAIRS or moved.share < CHANCE * moved.within
    return 0.0 if by_chance else moved.share


def moving_share(moving: Moving) -> float:
    """The share of pairs that show a motion; 0 where so few do that it may be chance."""
    return moving.share if len(moving.pairs) >= LEAST_PAIRS else 0.0


def _of_surface(plain: float, steady: float) -> Iterator[Finding]:
    if plain > PLAIN:
        yield Finding(
            "plain",
            Severity.PROBLEM if plain > 2 * PLAIN else Severity.WARNING,
            f"{plain:.0%} of the middle is plain: there is nothing to recognise from photo to "
            "photo.",
            "Scan it with --mode featureless; or light it from the side, so that its relief shows, "
            "and give it a pattern: dabs of chalk, washable paint, bits of tape.",
            "share of the middle without detail", plain, PLAIN,
        )  # fmt: skip
    if steady < STEADY:
        yield Finding(
            "reflective",
            Severity.PROBLEM,
            "The object seems to shine or mirror: its detail does not stay in place on the "
            "surface as the camera moves.",
            "Scan it with --mode featureless; or dust it with scanning spray, talcum or dry "
            "shampoo, light it softly from all around and use a polariser.",
            "matching of the middle against around it", steady, STEADY,
        )  # fmt: skip


def _of_repeats(capture: Capture, same: Mapping[int, int]) -> Iterator[Finding]:
    stored = [photo.name for photo in capture.skipped if "same picture" in photo.reason]
    near = [capture.photos[n].name for n in same]
    total = len(capture.photos) + len(stored)
    share = (len(stored) + len(near)) / total
    if stored or share > SAME:
        rest = total - len(stored) - len(near)
        yield Finding(
            "duplicates",
            Severity.WARNING if share > SAME else Severity.NOTE,
            f"{len(stored) + len(near)} of {total} photos repeat others; {rest} different ones "
            "remain.",
            "Move the camera between photos; two from the same place tell no more than one.",
            "share of photos that repeat others", share, SAME, (*near, *stored),
        )  # fmt: skip


def _measures(
    photos: Sequence[PhotoFile],
    measures: Sequence[PictureMeasures],
    directions: Directions,
    moved: Moved | None,
    moving: Moving,
    turning: float,
    steady: float,
    plain: float,
) -> Iterator[Measure]:
    def below(code: str, what: str, value: float, limit: float, unit: str = "") -> Measure:
        return Measure(code, what, round(value, 3), "at most", limit, unit, value <= limit)

    def above(code: str, what: str, value: float, limit: float, unit: str = "") -> Measure:
        return Measure(code, what, round(value, 3), "at least", limit, unit, value >= limit)

    n = len(photos)
    yield below("blurred", "blur, median", _median([m.blur for m in measures]), BLUR, "pixels")
    defocus = _median([m.defocus for m in measures])
    yield below("unfocused", "blur of the middle less around, median", defocus, DEFOCUS, "pixels")
    yield above("dark", "brightness, median", _median([m.brightness for m in measures]), DARK)
    yield below("burnt", "detail beside white, median", _median([m.burnt for m in measures]), BURNT)
    longest = _median([float(max(p.width, p.height)) for p in photos])
    yield above("small", "longer side, median", longest, SMALL, "pixels")
    lost = 1 - directions.photos / n
    yield below("unlinked", "photos without overlap", lost, UNLINKED)
    yield below("few", "from photo to photo, median", directions.step, STEP, "degrees")
    free = stands_free(directions)
    what = "largest gap around" if free else "largest gap around (a wall or ground: no matter)"
    gap = below("one-sided", what, directions.gap, GAP, "degrees")
    yield gap if free else replace(gap, good=True)
    yield below(
        "moved", "pairs with two motions", shown_share(moved) if moved else 0.0, MOVED_SHARE
    )
    yield below("moving", "near pairs with a thing on its way", moving_share(moving), MOVING_SHARE)
    yield below("turntable", "pairs with a part that stands still", turning, TURNING)
    yield below("plain", "middle without detail", plain, PLAIN)
    yield above("reflective", "matching of the middle against around it", steady, STEADY)


def _median(values: Sequence[float]) -> float:
    return float(np.median(values))
