"""Draws the pictures of docs/capturing.md with the sample's renderer: python scripts/... [FOLDER]

The same pictures come out every time. They need about a minute of one core.
"""

from __future__ import annotations

import math
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gypsum.options import Fault
from gypsum.sample import expose, look_at, make_sample, render_view
from gypsum.sample._camera import AIM, SampleView, hand_held_views, intrinsics

WIDTH, HEIGHT = 400, 300
GAP, LINE = 8, 30
GROUND, INK, GOOD, BAD = "#f6f5f2", "#22252a", "#2f7d4f", "#b3261e"
AROUND = 12.0
"""Degrees between neighbouring photos as they should be."""


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("docs/images")
    save(folder / "capturing-faults.jpg", faults())
    save(folder / "capturing-overlap.jpg", overlap())
    save(folder / "capturing-places.jpg", places())
    save(folder / "capturing-framing.jpg", framing())


def save(path: Path, picture: Image.Image) -> None:
    picture.save(path, "JPEG", quality=82, optimize=True)


def faults() -> Image.Image:
    """One photo of each mistake, beside a good one."""
    shown: list[tuple[Fault | None, str]] = [
        (None, "good: sharp, even light"),
        (Fault.BLURRED, "blurred by a shaking hand"),
        (Fault.UNFOCUSED, "focused on the table behind"),
        (Fault.MOVING, "moved since the last photo"),
        (Fault.DARK, "too dark"),
        (Fault.BURNT, "burnt out"),
        (Fault.PLAIN, "plain: nothing to recognise"),
        (Fault.MIRROR, "a mirror: shows the room"),
    ]
    photos = {fault: first_photo(fault) for fault, _ in shown}
    # One photo over the other, as a single one would not show it.
    photos[Fault.MOVING] = Image.blend(photos[Fault.MOVING], photos[None], 0.45)
    return grid([labelled(photos[fault], label, fault is None) for fault, label in shown], 4)


def first_photo(fault: Fault | None) -> Image.Image:
    """Of a sample capture with a mistake."""
    with tempfile.TemporaryDirectory() as folder:
        make_sample(Path(folder) / "owl", 3, WIDTH, HEIGHT, seed=5, fault=fault)
        with Image.open(Path(folder) / "owl" / "photos" / "0001.jpg") as photo:
            return photo.convert("RGB")


def overlap() -> Image.Image:
    """Steps from photo to photo that match, and steps that don't."""
    rows = []
    for step, label in ((AROUND, "good: 12 degrees apart"), (60.0, "bad: 60 degrees apart")):
        for number in range(3):
            photo = taken(around(step * (number - 1), 25.0, 0.5))
            text = label if number == 0 else ""
            rows.append(labelled(photo, text, step == AROUND))
    return grid(rows, 3)


def framing() -> Image.Image:
    """How large the object should be in the photo."""
    shots = [
        (around(20, 25, 0.42), "good: fills the photo", True),
        (around(20, 25, 1.5), "bad: too far away", False),
        (around(20, 25, 0.5, (0.17, 0.0, 0.06)), "bad: cut off", False),
    ]
    return grid([labelled(taken(view), label, good) for view, label, good in shots], 3)


def places() -> Image.Image:
    """Where to stand, from above: rings around the object, and the mistakes."""
    shown = [
        ([v.center for v in hand_held_views(40, WIDTH, HEIGHT)], "good: all around, three heights"),
        ([v.center for v in hand_held_views(40, WIDTH, HEIGHT, arc=math.radians(100))],
         "bad: from one side only"),
        ([v.center for v in hand_held_views(9, WIDTH, HEIGHT, seed=2)], "bad: too few photos"),
    ]  # fmt: skip
    return grid([labelled(plan(c), text, text.startswith("good")) for c, text in shown], 3)


def plan(centers: list[np.ndarray]) -> Image.Image:
    """Cameras from above, the object in the middle; higher ones are darker."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), "#ffffff")
    draw = ImageDraw.Draw(picture)
    scale = 0.42 * HEIGHT / 0.55
    middle = np.array([WIDTH / 2, HEIGHT / 2])
    draw.ellipse([*(middle - 26), *(middle + 26)], fill="#b4532a")
    for center in centers:
        x, y = middle + scale * center[:2] * (1, -1)
        aim = middle - (x, y)
        aim = aim / np.linalg.norm(aim)
        side = np.array([-aim[1], aim[0]])
        tip = np.array([x, y])
        shade = int(150 - 260 * center[2])
        draw.polygon(
            [*tip, *(tip + 13 * aim + 7 * side), *(tip + 13 * aim - 7 * side)],
            fill=(max(shade, 20), max(shade + 15, 30), max(shade + 50, 80)),
        )
    return picture


def around(
    azimuth: float, elevation: float, distance: float, aim: tuple[float, float, float] = AIM
) -> SampleView:
    """A view from a direction in degrees."""
    a, e = math.radians(azimuth), math.radians(elevation)
    offset = np.array([math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e)])
    target = np.array(aim)
    R, t = look_at(target + distance * offset, target)
    return SampleView("view", WIDTH, HEIGHT, intrinsics(WIDTH, HEIGHT), R, t)


def taken(view: SampleView) -> Image.Image:
    return Image.fromarray(expose(render_view(view).radiance))


def labelled(photo: Image.Image, label: str, good: bool) -> Image.Image:
    """The photo in a frame, green for good and red for bad, with words below."""
    colour = GOOD if good else BAD
    tile = Image.new("RGB", (photo.width + 8, photo.height + 8 + LINE), GROUND)
    draw = ImageDraw.Draw(tile)
    draw.rectangle((0, 0, photo.width + 7, photo.height + 7), outline=colour, width=4)
    tile.paste(photo, (4, 4))
    draw.text((4, photo.height + 11), label, colour if label else INK, ImageFont.load_default(19))
    return tile


def grid(tiles: list[Image.Image], columns: int) -> Image.Image:
    width, height = tiles[0].size
    rows = -(-len(tiles) // columns)
    sheet = Image.new("RGB", (columns * (width + GAP) + GAP, rows * (height + GAP) + GAP), GROUND)
    for number, tile in enumerate(tiles):
        place = (number % columns, number // columns)
        sheet.paste(tile, (GAP + place[0] * (width + GAP), GAP + place[1] * (height + GAP)))
    return sheet


if __name__ == "__main__":
    main()
