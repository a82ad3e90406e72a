"""``report.html``: one file with everything in it, to be read, printed and passed on."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from PIL import Image

from gypsum.report.advice import findings, in_words, plural
from gypsum.report.coverage import Coverage, draw_coverage
from gypsum.report.markup import Content, Markup, element
from gypsum.report.pictures import PICTURES
from gypsum.report.schema import LostPhoto, Points, ReportData, Texture

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
"""Nothing is fetched and nothing runs, whatever the names of the photos hold."""

_WIDEST = 1600
"""Pictures are embedded at most this wide, pixels."""


def render_page(data: ReportData, previews: Path, coverage: Coverage | None = None) -> str:
    """The whole page, with the pictures that ``previews`` holds."""
    style = resources.files("gypsum.report").joinpath("page.css").read_text("utf-8")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("title", f"{data.title} – scan report"),
        element("style", Markup(style)),
    )
    body = element("body", element("main", *_sections(data, previews, coverage)))
    return "<!DOCTYPE html>\n" + element("html", head, body, lang="en") + "\n"


def _sections(data: ReportData, previews: Path, coverage: Coverage | None) -> list[Markup]:
    sections = [_header(data), _tiles(data), _advice(data), _pictures(previews)]
    sections += [_held_out(data), _exports(data), _lost(data), _frame(data), _coverage(coverage)]
    sections += [_room(data), _terrain(data), _points(data), _featureless(data)]
    sections += [_cameras(data), _stages(data), _details(data)]
    return [section for section in sections if section]


def _header(data: ReportData) -> Markup:
    made = data.created.replace("T", " ").removesuffix("+00:00")
    return element(
        "header",
        element("h1", data.title),
        element("p", _summary(data), class_="lead"),
        element("p", f"Made {made} UTC with Gypsum {data.versions.get('gypsum', '')}", class_="by"),
    )


def _summary(data: ReportData) -> str:
    """What was made, in a sentence or two."""
    if data.points is not None:
        return _summary_of_points(data, data.points)
    photos = data.photos
    start = f"From {plural(photos.given, 'photo')}"
    if photos.registered < photos.given:
        start += f", {photos.registered:,} of which could be placed,"
    if data.radiance is not None:
        made = f"a radiance field of {plural(data.radiance.splats, 'splat')}"
        return f"{start} Gypsum made {made} in {duration(data.seconds)}."
    if data.surface is None:
        made = "a cloud of coloured points" if data.dense else "the places of the cameras"
        return f"{start} Gypsum worked out {made} in {duration(data.seconds)}."
    made = f"a model of {plural(data.surface.faces, 'triangle')}"
    if data.texture is not None:
        made += f" with {_textures(data.texture)}"
    size = ""
    if data.surface.metric:
        size = " It is " + " × ".join(f"{100 * side:.1f}" for side in data.surface.size) + " cm."
    return f"{start} Gypsum made {made} in {duration(data.seconds)}.{size}"


def _summary_of_points(data: ReportData, points: Points) -> str:
    start = f"From {plural(points.given, 'point')} in {plural(points.files, 'file')}"
    made = "a clean cloud"
    if data.surface is not None:
        made = f"a model of {plural(data.surface.faces, 'triangle')}"
    if data.texture is not None:
        made += f" with {_textures(data.texture)}"
    extent = ""
    if data.surface is not None:
        extent = " It is " + " × ".join(f"{side:.4g}" for side in data.surface.size) + " m."
    return f"{start} Gypsum made {made} in {duration(data.seconds)}.{extent}"


def _textures(texture: Texture) -> str:
    """``"a texture of 4,096 × 4,096 pixels"``."""
    sides = f"{texture.width:,} × {texture.height:,} pixels"
    return f"{texture.count} textures of {sides}" if texture.count > 1 else f"a texture of {sides}"


def _tiles(data: ReportData) -> Markup:
    tiles = [_tile(f"{data.photos.registered:,} / {data.photos.given:,}", "photos placed")]
    if data.points is not None:
        tiles = [_tile(short(data.points.given), "points read")]
        tiles.append(_tile(short(data.points.kept), "points kept"))
        tiles.append(_tile(millimetres(data.points.spacing), "between points"))
    if data.cameras is not None:
        error = f"{data.cameras.reprojection_error_px:.2f} px"
        tiles.append(_tile(error, "camera error"))
    if data.radiance is not None:
        tiles.append(_tile(short(data.radiance.splats), "splats"))
        if data.radiance.psnr is not None:
            tiles.append(_tile(f"{data.radiance.psnr:.1f} dB", "on photos held out"))
    if data.dense is not None:
        tiles.append(_tile(short(data.dense.points), "points"))
    if data.surface is not None:
        tiles.append(_tile(short(data.surface.faces), "triangles"))
    if data.texture is not None and data.points is None:
        tiles.append(_tile(f"{100 * data.texture.coverage:.0f} %", "coloured from photos"))
    tiles.append(_tile(brief(data.seconds), "time"))
    tiles.append(_tile(size(data.peak_bytes), "largest memory"))
    return element("dl", *tiles, class_="tiles")


def _tile(value: str, label: str) -> Markup:
    return element("div", element("dt", label), element("dd", value))


def _advice(data: ReportData) -> Markup:
    found = findings(data)
    if not found:
        text = "Nothing stands out: every check on photos, cameras and texture passed."
        return _section("What to know", element("p", text, class_="good"))
    items = [
        element("li", finding.what, " ", element("span", finding.do, class_="do"))
        for finding in found
    ]
    return _section("What to know", element("ul", *items, class_="findings"))


def _pictures(previews: Path) -> Markup:
    figures = [
        element(
            "figure",
            element("img", src=_data_uri(previews / picture.file), alt=picture.alt),
            element("figcaption", picture.caption),
            class_="wide" if picture.wide else "half",
        )
        for picture in PICTURES
        if picture.in_report and (previews / picture.file).is_file()
    ]
    return _section("Pictures", element("div", *figures, class_="figures")) if figures else Markup()


def _data_uri(path: Path) -> str:
    """The picture inside the page; stills are shrunk and compressed for it."""
    if path.suffix == ".webp":
        return _encoded(path.read_bytes(), "webp")
    with Image.open(path) as image:
        still = image.convert("RGB")
    if still.width > _WIDEST:
        height = round(still.height * _WIDEST / still.width)
        still = still.resize((_WIDEST, height), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    still.save(buffer, "JPEG", quality=86)
    return _encoded(buffer.getvalue(), "jpeg")


def _encoded(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def _exports(data: ReportData) -> Markup:
    if not data.exports:
        return Markup()
    rows = [(file.name, file.format.upper(), size(file.bytes)) for file in data.exports]
    return _section("Files", _table(("File", "Format", "Size"), rows, numbers=1))


def _held_out(data: ReportData) -> Markup:
    """How near the splats come to photos that they were not trained on."""
    if data.radiance is None or not data.radiance.held_out:
        return Markup()
    rows = [(p.name, f"{p.psnr:.1f}", f"{p.ssim:.3f}") for p in data.radiance.held_out]
    rows.append(("Mean", f"{data.radiance.psnr:.1f}", f"{data.radiance.ssim:.3f}"))
    text = (
        "These photos were held out of the training and compared with the splats from the same "
        "places. More decibels and a similarity nearer to 1 are better."
    )
    table = _table(("Photo", "PSNR, dB", "SSIM"), rows, numbers=2)
    return _section("Photos held out", element("p", text), table)


def _lost(data: ReportData) -> Markup:
    lost = [*data.photos.skipped, *data.photos.unregistered]
    if not lost:
        return Markup()
    return _section("Photos left out", _table(("Photo", "Why"), [_why(photo) for photo in lost]))


def _why(photo: LostPhoto) -> tuple[str, str]:
    return photo.name, photo.reason


def _frame(data: ReportData) -> Markup:
    """How large the model is and which way is up, and how that is known."""
    if data.frame is None:
        return Markup()
    frame = data.frame
    notes = [element("p", f"{_sentence(frame.scale_note)} {_sentence(frame.up_note)}")]
    if not frame.metric and frame.scale == "cameras":
        how = element(
            "p",
            "To get a model of true size, lay a printed marker beside the object (",
            element("code", "gypsum markers"),
            ") and give its size, or give a distance that you measured.",
            class_="do",
        )
        notes.append(how)
    notes.append(_box(data))
    if not frame.measures:
        return _section("Size and up", *notes)
    rows = [
        (
            measure.name,
            f"{1000 * measure.given_m:.1f}",
            f"{1000 * measure.found_m:.1f}",
            f"{100 * (measure.found_m / measure.given_m - 1):+.2f} %",
            measure.photos,
            "yes" if measure.used else "as a check",
        )
        for measure in frame.measures
    ]
    head = ("Length", "Given, mm", "In the model, mm", "Difference", "Photos", "Used")
    return _section("Size and up", *notes, _table(head, rows, numbers=5))


def _box(data: ReportData) -> Markup:
    """Which part of the world was kept, in the words of the option that would choose another."""
    if data.surface is None or data.surface.box is None:
        return Markup()
    box = data.surface.box
    how = {"automatic": "chosen automatically", "given": "as asked for"}.get(box.how, "everything")
    corners = " ".join(f"{value:.4g}" for value in (*box.low, *box.high))
    return element(
        "p",
        f"The model was sought in this box ({how}); other corners keep more or less of it: ",
        element("code", f"--box {corners}"),
        ".",
    )


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _coverage(coverage: Coverage | None) -> Markup:
    if coverage is None:
        return Markup()
    buffer = io.BytesIO()
    Image.fromarray(draw_coverage(coverage)).save(buffer, "PNG", optimize=True)
    words = "Every direction around the object is covered."
    if coverage.weak:
        words = f"Few photos look from {in_words(coverage.weak)}."
    figure = element(
        "figure",
        element("img", src=_encoded(buffer.getvalue(), "png"), alt=f"Coverage charts. {words}"),
        element(
            "figcaption",
            f"{words} Dots are photos, from blue (first) to orange (last): on the left seen from "
            "above, with the front, where the first photo was taken, at the bottom; on the right "
            "unrolled, as seen from the side.",
        ),
        class_="wide",
    )
    return _section("From which sides", element("div", figure, class_="figures"))


def _points(data: ReportData) -> Markup:
    """What the clouds were like, and where the model lies."""
    points = data.points
    if points is None:
        return Markup()
    rows = [
        ("Files and scans", f"{points.files} and {points.scans}"),
        ("Points read", f"{points.given:,}"),
        ("Points kept", f"{points.kept:,}"),
        ("Strays left out", f"{points.strays:,}"),
        ("Distance between points", millimetres(points.spacing)),
        ("Noise", millimetres(points.noise)),
        ("Outside told by", points.oriented),
        ("Model's origin in the files", ", ".join(f"{value:.12g}" for value in points.origin)),
        ("Reference system", points.crs or "none stated"),
        ("EPSG", "none stated" if points.epsg is None else f"{points.epsg}"),
    ]
    rows += [
        (f"Scan {number + 1} from the others", millimetres(error))
        for number, error in enumerate(points.registered)
    ]
    return _section("Points", _table(("", ""), rows))


def _room(data: ReportData) -> Markup:
    if data.room is None:
        return Markup()
    room = data.room
    walls = ", ".join(f"{length:.2f}" for length in room.walls)
    rows = [
        ("Floor", f"{room.area:.2f} m²"),
        ("Height", f"{room.height:.3f} m"),
        ("Walls together", f"{room.perimeter:.2f} m"),
        ("Walls", f"{walls} m"),
    ]
    return _section("Room", _table(("", ""), rows))


def _terrain(data: ReportData) -> Markup:
    if data.terrain is None:
        return Markup()
    terrain = data.terrain
    rows = [
        ("Height map", f"{terrain.width} × {terrain.height} cells of {terrain.cell:.3g} m"),
        ("Heights", f"{terrain.lowest:.2f} to {terrain.highest:.2f}"),
        ("Points on the ground", f"{100 * terrain.ground:.0f} %"),
        ("Contour lines every", f"{terrain.contours:g}"),
    ]
    return _section("Terrain", _table(("", ""), rows))


def _featureless(data: ReportData) -> Markup:
    if data.featureless is None:
        return Markup()
    found = data.featureless
    base = "the plane that it stands on" if found.grounded else "as the outlines leave it"
    depth = f"{100 * found.measured:.0f} % of its pixels"
    if found.agreeing is not None:
        depth += f"; matching and splats agree on {100 * found.agreeing:.0f} % of what both know"
    rows = [
        ("Cameras", found.carried_note),
        ("Depth known on", depth),
        ("Hardly shaped by photos", f"{100 * found.doubtful:.0f} % of its surface"),
        ("Outlines mended", plural(found.healed, "photo")),
        ("Base", base),
    ]
    return _section("Featureless object", _table(("", ""), rows))


def _cameras(data: ReportData) -> Markup:
    if data.cameras is None or not data.cameras.photos:
        return Markup()
    cameras = data.cameras
    text = (
        f"{plural(cameras.points, 'point')} were seen {cameras.observations:,} times, each in "
        f"{cameras.track_length:.1f} photos on average. The error is how far, on average, a point "
        "lies in the photo from where the model says it should be."
    )
    rows = [
        (
            photo.name,
            f"{photo.width} × {photo.height}",
            photo.camera,
            f"{photo.focal_px:.0f}",
            "–" if photo.matches is None else f"{photo.matches:,}",
            f"{photo.points:,}",
            "–" if photo.error_px is None else f"{photo.error_px:.2f}",
        )
        for photo in cameras.photos
    ]
    head = ("Photo", "Pixels", "Camera", "Focal length, px", "Matches", "Points", "Error, px")
    table = element("div", _table(head, rows, numbers=6), class_="scroll", tabindex=0)
    return _section("Cameras", element("p", text), _calibration(data), table)


def _calibration(data: ReportData) -> Markup:
    """Focal lengths as they were found and as the cameras noted them."""
    if data.cameras is None or not data.cameras.calibration:
        return Markup()
    rows = [
        (
            one.camera,
            one.photos,
            f"{one.found_px:.0f}",
            "unknown" if one.exif_px is None else f"{one.exif_px:.0f}",
            "" if one.exif_px is None else f"{100 * (one.found_px / one.exif_px - 1):+.1f} %",
        )
        for one in data.cameras.calibration
    ]
    head = ("Camera", "Photos", "Focal length found, px", "By EXIF, px", "Difference")
    return _table(head, rows, numbers=4)


def _stages(data: ReportData) -> Markup:
    longest = max((stage.seconds for stage in data.stages), default=0.0)
    rows: list[Sequence[Content]] = []
    for stage in data.stages:
        note = " (continued)" if stage.continued else ""
        width = 100 * stage.seconds / longest if longest else 0.0
        bar = element("span", class_="bar", style=f"width:{width:.1f}%", aria_hidden="true")
        rows.append(
            (
                [stage.label, note],
                element("span", bar, class_="track"),
                duration(stage.seconds),
                duration(stage.cpu_seconds),
                size(stage.peak_bytes),
            )
        )
    rows.append(("Together", "", duration(data.seconds), duration(data.cpu_seconds),
                 size(data.peak_bytes)))  # fmt: skip
    head = ("Stage", "", "Time", "Processor", "Memory")
    return _section("Where the time went", _table(head, rows, numbers=3, class_="stages"))


def _details(data: ReportData) -> Markup:
    machine = data.machine
    options = {
        name: _plain(value) for name, value in data.options.items() if value not in (None, [])
    }
    facts = {
        "system": f"{machine.system}, {machine.architecture}",
        "cores": f"{machine.cores}",
        "memory": size(machine.memory_bytes),
    }
    tables = [
        element("div", element("h3", title), _table(("", ""), list(values.items())))
        for title, values in (
            ("Options", options), ("Versions", data.versions), ("Machine", facts)
        )
        if values
    ]  # fmt: skip
    return _section("How it was made", element("div", *tables, class_="columns"))


def _plain(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def _section(title: str, *content: Content) -> Markup:
    return element("section", element("h2", title), *content)


def _table(
    head: Sequence[str], rows: Sequence[Sequence[Content]], numbers: int = 0, class_: str = "plain"
) -> Markup:
    """A table whose last ``numbers`` columns are numbers."""
    first = len(head) - numbers
    kinds = ["number" if column >= first else "text" for column in range(len(head))]

    def cells(name: str, row: Sequence[Content]) -> list[Markup]:
        return [element(name, cell, class_=kind) for cell, kind in zip(row, kinds, strict=True)]

    body = element("tbody", *(element("tr", *cells("td", row)) for row in rows))
    if not any(head):
        return element("table", body, class_=class_)
    titles = [
        element("th", title, class_=kind, scope="col")
        for title, kind in zip(head, kinds, strict=True)
    ]
    return element("table", element("thead", element("tr", *titles)), body, class_=class_)


def duration(seconds: float) -> str:
    """``"0.4 s"``, ``"48 s"``, ``"3 min 20 s"``, ``"2 h 5 min"``."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def brief(seconds: float) -> str:
    """The duration in one unit: ``"48 s"``, ``"14 min"``, ``"2.1 h"``."""
    if seconds < 99:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_940 else f"{seconds / 3600:.1f} h"


def size(count: int) -> str:
    """Bytes for people: ``"3.1 GiB"``."""
    value = float(count)
    for unit in ("bytes", "KiB", "MiB"):
        if value < 1000:
            return f"{value:.0f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def millimetres(length: float) -> str:
    """``"0.42 mm"``, ``"12.5 mm"``, ``"1.20 m"``."""
    return f"{1000 * length:.3g} mm" if length < 1 else f"{length:.2f} m"


def short(count: int) -> str:
    """``"950"``, ``"12.3 k"``, ``"4.5 M"``."""
    if count < 1000:
        return str(count)
    value, unit = (count / 1e3, "k") if count < 999_500 else (count / 1e6, "M")
    return f"{value:.3g} {unit}"
