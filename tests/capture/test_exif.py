"""Optics, place and time from EXIF, and what happens to values that make no sense."""

from __future__ import annotations

import math
from datetime import datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import ExifTags, Image
from PIL.TiffImagePlugin import IFDRational

from gypsum.capture.exif import DIAGONAL_35MM, Exif, read_exif

Base, GPS = ExifTags.Base, ExifTags.GPS


def stored(
    main: dict[int, Any] | None = None,
    details: dict[int, Any] | None = None,
    gps: dict[int, Any] | None = None,
) -> Exif:
    """What is read after a round trip through a JPEG."""
    tags = Image.Exif()
    tags.update(main or {})
    tags.get_ifd(ExifTags.IFD.Exif).update(details or {})
    tags.get_ifd(ExifTags.IFD.GPSInfo).update(gps or {})
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG", exif=tags)
    return read_exif(Image.open(file))


def test_film_focal_length_follows_the_diagonal():
    # A full-frame camera: 36 mm of sensor on 3600 pixels.
    assert Exif(focal_35mm=50).focal_px(3600, 2400) == pytest.approx(5000)
    # A 4:3 phone of 26 mm: by the width it would be 4 % less.
    assert Exif(focal_35mm=26).focal_px(4000, 3000) == pytest.approx(26 * 5000 / DIAGONAL_35MM)


@given(st.floats(10, 200), st.integers(100, 9000), st.integers(100, 9000))
def test_film_focal_length_means_its_diagonal_field_of_view(film: float, w: int, h: int):
    focal = Exif(focal_35mm=film).focal_px(w, h)
    if focal is not None:
        assert math.hypot(w, h) / focal == pytest.approx(DIAGONAL_35MM / film)


def test_sensor_data_survive_shrinking():
    camera = Exif(focal_mm=7.7, pixel_mm=7.0 / 1280, original_side=1280)
    assert camera.focal_px(1280, 960) == pytest.approx(1408)
    assert camera.focal_px(640, 480) == pytest.approx(704)
    assert camera.focal_px(480, 640) == pytest.approx(704)


def test_sensor_data_that_contradict_film_are_not_believed():
    shrunk_by_an_editor = Exif(focal_mm=55, focal_35mm=88, pixel_mm=25.4 / 5728, original_side=1000)
    assert shrunk_by_an_editor.focal_px(1000, 667) == Exif(focal_35mm=88).focal_px(1000, 667)


@pytest.mark.parametrize("film", [1, 3000])
def test_absurd_focal_lengths_are_none(film: float):
    assert Exif(focal_35mm=film).focal_px(4000, 3000) is None


def test_reads_optics():
    exif = stored(
        {Base.Make: "Canon\0\0", Base.Model: "EOS | 600D", Base.Orientation: 6},
        {
            Base.FocalLength: IFDRational(55, 1),
            Base.FocalLengthIn35mmFilm: 88,
            Base.LensModel: "EF-S18-55mm\0\0\0",
            Base.FocalPlaneXResolution: IFDRational(5728, 1),
            Base.FocalPlaneResolutionUnit: 2,
            Base.ExifImageWidth: 5184,
            Base.ExifImageHeight: 3456,
        },
    )
    assert (exif.make, exif.model, exif.lens) == ("Canon", "EOS 600D", "EF-S18-55mm")
    assert exif.turned
    assert exif.focal_px(5184, 3456) == pytest.approx(55 / 25.4 * 5728)
    assert (
        exif.camera(1000, 667) == "Canon | EOS 600D | EF-S18-55mm | 55 mm | 88 mm film | 1000x667"
    )


@pytest.mark.parametrize(
    "lens",
    [
        {Base.LensModel: "back triple camera 1.54mm f/2.4", Base.FocalLength: 1.54},
        {Base.LensModel: "back triple camera 6mm f/2.8", Base.FocalLength: 6.0},
        {Base.FocalLengthIn35mmFilm: 52},
        {Base.DigitalZoomRatio: 2.0},
    ],
)
def test_every_lens_of_a_phone_is_a_camera(lens: dict[int, Any]):
    """0.5x, 3x, and a zoom told by its film format or its ratio alone."""
    name = {Base.Make: "Apple", Base.Model: "iPhone 13 Pro"}
    wide = {
        Base.LensModel: "back triple camera 4.25mm f/1.8",
        Base.FocalLength: 4.25,
        Base.FocalLengthIn35mmFilm: 26,
        Base.DigitalZoomRatio: 1.0,
    }
    keys = {stored(name, details).camera(4032, 3024) for details in (wide, {**wide, **lens}, wide)}
    assert len(keys) == 2


def test_panoramas_of_phones():
    assert stored(details={Base.CustomRendered: 6}).panorama
    assert not stored(details={Base.CustomRendered: 8}).panorama  # A portrait.
    assert not stored().panorama


def test_cameras_share_a_key_only_when_all_is_the_same():
    phone = Exif(make="A", model="B", focal_mm=4.0, focal_35mm=26)
    zoomed = Exif(make="A", model="B", focal_mm=4.0, focal_35mm=52)
    assert phone.camera(4000, 3000) == Exif(
        make="A", model="B", focal_mm=4.0, focal_35mm=26, time=datetime(2020, 1, 1)
    ).camera(4000, 3000)
    assert len({phone.camera(4, 3), phone.camera(3, 4), zoomed.camera(4, 3)}) == 3
    assert Exif().camera(640, 480) == "640x480"


def test_fractions_without_denominator_count_as_missing():
    exif = stored(details={Base.FocalLength: IFDRational(0, 0), Base.FocalLengthIn35mmFilm: 0})
    assert exif.focal_mm is None
    assert exif.focal_35mm is None


@pytest.mark.parametrize(
    ("refs", "signs"), [("NE", (1, 1)), ("SW", (-1, -1)), ("SE", (-1, 1)), ("NW", (1, -1))]
)
def test_reads_gps(refs: str, signs: tuple[int, int]):
    gps = stored(
        gps={
            GPS.GPSLatitudeRef: refs[0],
            GPS.GPSLatitude: (46.0, 30.0, 36.0),
            GPS.GPSLongitudeRef: refs[1],
            GPS.GPSLongitude: (91.0, 15.0, 0.0),
            GPS.GPSAltitudeRef: b"\x01",
            GPS.GPSAltitude: 12.5,
        }
    ).gps
    assert gps == pytest.approx((46.51 * signs[0], 91.25 * signs[1], -12.5))


@pytest.mark.parametrize(
    "place",
    [
        {GPS.GPSLatitude: (0.0, 0.0, 0.0), GPS.GPSLongitude: (0.0, 0.0, 0.0)},
        {GPS.GPSLatitude: (91.0, 0.0, 0.0), GPS.GPSLongitude: (1.0, 0.0, 0.0)},
        {GPS.GPSLatitude: (1.0, 0.0, 0.0)},
        {GPS.GPSLatitude: (1.0, 2.0), GPS.GPSLongitude: (1.0, 0.0, 0.0)},
    ],
)
def test_impossible_places_count_as_missing(place: dict[int, Any]):
    assert stored(gps=place).gps is None


def test_reads_time():
    original = {Base.DateTimeOriginal: "2019:07:11 15:07:32", Base.SubsecTimeOriginal: "25"}
    assert stored(details=original).time == datetime(2019, 7, 11, 15, 7, 32, 250_000)
    assert stored({Base.DateTime: "2019:07:11 15:07:32"}).time == datetime(2019, 7, 11, 15, 7, 32)
    assert stored({Base.DateTime: "0000:00:00 00:00:00"}).time is None


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@given(st.binary(max_size=200))
def test_hostile_exif_never_raises(data: bytes):
    image = Image.new("RGB", (8, 8))
    image.info["exif"] = b"Exif\0\0II*\0\x08\0\0\0" + data
    exif = read_exif(image)
    exif.focal_px(100, 100)
    assert exif.camera(100, 100).isprintable()


def test_odd_orientations_count_as_upright():
    for value in (0, 9, 255):
        assert stored({Base.Orientation: value}).orientation == 1
